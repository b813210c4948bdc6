//! The document as a page for people: plain HTML without script, made on the server.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::document::operations_of;
use super::example::{self, resolved};
use super::html::{each, escape, members, necessity, prose, text, type_of};
use super::security::scopes;

const STYLE: &str = include_str!("page.css");

/// The page's content security policy: its own style, and nothing else from anywhere.
pub(super) fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The whole page.
pub(super) fn render(document: &Value) -> String {
    let page = Page { document };
    let title = escape(text(&document["info"]["title"]));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}: reference</title>\n<style>{STYLE}</style>\n<nav>{}</nav>\n<main>{}{}{}</main>\n</html>\n",
        page.navigation(&title),
        page.introduction(&title),
        page.operations(),
        page.schemas(),
    )
}

struct Page<'a> {
    document: &'a Value,
}

impl Page<'_> {
    fn navigation(&self, title: &str) -> String {
        let mut html = format!("<b>{title}</b><a href=\"#start\">Start</a><a href=\"#callers\">Who calls</a>");
        for tag in each(&self.document["tags"]) {
            let _ = write!(html, "<b>{}</b>", escape(text(&tag["name"])));
            for operation in operations_of(&self.document["paths"]).filter(|one| one["tags"][0] == tag["name"]) {
                let (id, summary) = (text(&operation["operationId"]), escape(text(&operation["summary"])));
                let _ = write!(html, "<a href=\"#{id}\">{summary}</a>");
            }
        }
        html + "<b>More</b><a href=\"#schemas\">Schemas</a><a href=\"/openapi.json\">openapi.json</a>"
    }

    fn introduction(&self, title: &str) -> String {
        let info = &self.document["info"];
        let mut html = format!(
            "<h1 id=\"start\">{title} <small>{}</small></h1>{}<h2 id=\"callers\">Who calls</h2>",
            escape(text(&info["version"])),
            prose(&info["description"]),
        );
        html.push_str(
            "<p>The examples take the address of the service from <code>$CREDENZA</code> and a private key from \
             <code>$KEY</code>. One of these has to be presented:</p>",
        );
        html.push_str("<div class=\"table\"><table>");
        for (name, scheme) in members(self.document, "/components/securitySchemes") {
            let _ =
                write!(html, "<tr><td><code id=\"scheme-{name}\">{name}</code><td>{}", prose(&scheme["description"]));
        }
        html.push_str("</table></div><h4>Scopes</h4><div class=\"table\"><table>");
        for (scope, meaning) in scopes() {
            let _ = write!(html, "<tr><td><code>{scope}</code><td><p>{}</p>", escape(meaning));
        }
        html + "</table></div>"
    }

    fn operations(&self) -> String {
        let mut html = String::new();
        for tag in each(&self.document["tags"]) {
            let _ = write!(html, "<h2>{}</h2>{}", escape(text(&tag["name"])), prose(&tag["description"]));
            for (path, item) in members(self.document, "/paths") {
                for (method, operation) in item.as_object().into_iter().flatten() {
                    if operation["tags"][0] == tag["name"] {
                        html += &self.operation(path, method, operation);
                    }
                }
            }
        }
        html
    }

    fn operation(&self, path: &str, method: &str, operation: &Value) -> String {
        let (id, summary) = (text(&operation["operationId"]), escape(text(&operation["summary"])));
        let mut html = format!(
            "<section><h3 id=\"{id}\">{summary}</h3>\
             <div class=\"line\"><span class=\"method {method}\">{}</span><code>{path}</code></div>{}{}",
            method.to_uppercase(),
            prose(&operation["description"]),
            needs(operation),
        );
        let parameters: Vec<_> = each(&operation["parameters"]).collect();
        if !parameters.is_empty() {
            html.push_str("<h4>Parameters</h4><div class=\"table\"><table>");
            for parameter in parameters {
                let note = format!("{}, {}", text(&parameter["in"]), necessity(parameter["required"] == true));
                html += &self.row(text(&parameter["name"]), &parameter["schema"], &note, &parameter["description"]);
            }
            html.push_str("</table></div>");
        }
        let body = operation.pointer("/requestBody/content").and_then(Value::as_object);
        if let Some((_, body)) = body.and_then(|content| content.iter().next()) {
            let media: Vec<_> = body_media(operation);
            let _ = write!(html, "<h4>Body</h4><p class=\"quiet\">{}", escape(&media.join(" or ")));
            html += &self.fields(&body["schema"]);
        }
        let _ = write!(html, "<h4>Try it</h4><pre>{}</pre>", escape(&self.curl(path, method, operation)));
        html.push_str("<h4>Answers</h4><div class=\"table\"><table>");
        for (status, answer) in members(operation, "/responses") {
            html += &row_of_answer(status, resolved(answer, self.document));
        }
        html + "</table></div></section>"
    }

    /// A request to paste: placeholders of the path and the body are the document's examples.
    fn curl(&self, path: &str, method: &str, operation: &Value) -> String {
        let mut url = path.to_owned();
        for parameter in each(&operation["parameters"]).filter(|parameter| parameter["in"] == "path") {
            let example = example::of(&parameter["schema"], self.document);
            let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            url = url.replace(&format!("{{{}}}", text(&parameter["name"])), &example);
        }
        let verb = if method == "get" { String::new() } else { format!("-X {} ", method.to_uppercase()) };
        let mut command = format!("curl {verb}\"$CREDENZA{url}\"");
        let scheme = operation["security"][0].as_object().and_then(|scheme| scheme.keys().next());
        match scheme.map(String::as_str) {
            None => {}
            Some("client_basic") => command.push_str(" \\\n  -u \"$CLIENT_ID:$CLIENT_SECRET\""),
            Some(_) => command.push_str(" \\\n  -H \"X-API-Key: $KEY\""),
        }
        let content = operation.pointer("/requestBody/content");
        if let Some(form) = content.and_then(|content| content.get("application/x-www-form-urlencoded")) {
            for (name, value) in members(form, "/example") {
                let _ = write!(command, " \\\n  -d \"{name}={}\"", text(value));
            }
        } else if let Some(body) = content.and_then(|content| content.get("application/json")) {
            let _ = write!(command, " \\\n  -H \"Content-Type: application/json\" \\\n  -d '{}'", body["example"]);
        } else if content.is_some_and(|content| content.get("text/csv").is_some()) {
            command.push_str(" \\\n  -H \"Content-Type: text/csv\" \\\n  --data-binary @credentials.csv");
        }
        command
    }

    fn schemas(&self) -> String {
        let mut html = "<h2 id=\"schemas\">Schemas</h2>".to_owned();
        for (name, schema) in members(self.document, "/components/schemas") {
            let _ = write!(html, "<h3 id=\"schema-{name}\">{name}</h3>{}", prose(&schema["description"]));
            html += &self.fields(schema);
        }
        html
    }

    /// The fields of a schema, or what it is if it has none.
    fn fields(&self, schema: &Value) -> String {
        let schema = resolved(schema, self.document);
        let parts = each(&schema["allOf"]).map(|part| resolved(part, self.document)).chain([schema]);
        let mut rows = String::new();
        for part in parts {
            for (name, field) in members(part, "/properties") {
                let required = each(&part["required"]).any(|required| text(required) == name);
                rows += &self.row(name, field, necessity(required), &field["description"]);
            }
        }
        if rows.is_empty() {
            format!("<p>{}</p>", type_of(schema))
        } else {
            format!("<div class=\"table\"><table>{rows}</table></div>")
        }
    }

    fn row(&self, name: &str, schema: &Value, note: &str, about: &Value) -> String {
        let target = resolved(schema, self.document);
        let about = if about.is_string() { about } else { &target["description"] };
        format!("<tr><td><code>{name}</code><small>{note}</small><td>{}{}", type_of(schema), prose(about))
    }
}

fn row_of_answer(status: &str, answer: &Value) -> String {
    let content = answer["content"].as_object().and_then(|content| content.values().next());
    let schema = content.map(|body| type_of(&body["schema"])).unwrap_or_default();
    let description = prose(&answer["description"]);
    let mut html = format!("<tr><td><code>{status}</code><small>{schema}</small><td>{description}");
    if let Some(example) = content.and_then(|body| body.get("example")) {
        let example = escape(&format!("{example:#}"));
        if status.starts_with('2') {
            let _ = write!(html, "<pre>{example}</pre>");
        } else {
            let _ = write!(html, "<details><summary>Example</summary><pre>{example}</pre></details>");
        }
    }
    html
}

/// The callers of an operation.
fn needs(operation: &Value) -> String {
    let Some((scheme, scopes)) = operation["security"][0].as_object().and_then(|scheme| scheme.iter().next()) else {
        return "<p class=\"quiet\">Without authentication.</p>".to_owned();
    };
    let public = each(&operation["security"]).any(|scheme| scheme.get("public_api_key").is_some());
    match (scheme.as_str(), scopes[0].as_str()) {
        ("client_basic", _) => "<p class=\"quiet\">By an OAuth2 client.</p>".to_owned(),
        (_, Some(scope)) => format!("<p class=\"quiet\">Needs the scope <code>{scope}</code>.</p>"),
        _ if public => "<p class=\"quiet\">With any key, a public one as well, or a token.</p>".to_owned(),
        _ => "<p class=\"quiet\">With any private key or token.</p>".to_owned(),
    }
}

fn body_media(operation: &Value) -> Vec<String> {
    members(operation, "/requestBody/content").map(|(media, _)| media.to_owned()).collect()
}
