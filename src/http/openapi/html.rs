//! The parts of the document in HTML: text, names, and what a schema is.

use std::fmt::Write;

use serde_json::Value;

use super::example::kind;

/// Describes a schema in a few words, with links to those that have a name.
pub(super) fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    let choices = each(&schema["oneOf"]).chain(each(&schema["anyOf"])).chain(each(&schema["allOf"]));
    let choices: Vec<_> = choices.map(type_of).collect();
    if !choices.is_empty() {
        return choices.join(if schema["allOf"].is_array() { " and " } else { " or " });
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| format!("<code>{}</code>", escape(text(value)))).collect();
        return values.join(" ");
    }
    let mut words = match kind(schema) {
        "array" => format!("list of {}", type_of(&schema["items"])),
        "" => if schema["type"] == "null" { "null" } else { "anything" }.to_owned(),
        kind => kind.to_owned(),
    };
    for (keyword, word) in [
        ("format", ""),
        ("minLength", "at least"),
        ("maxLength", "at most"),
        ("minimum", "from"),
        ("maximum", "to"),
        ("maxItems", "at most"),
        ("default", "default"),
    ] {
        if let Some(value) = schema.get(keyword) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = write!(words, ", {}", escape(format!("{word} {value}").trim_start()));
        }
    }
    if each(&schema["type"]).any(|kind| kind == "null") {
        words.push_str(", or null");
    }
    words
}

pub(super) fn necessity(required: bool) -> &'static str {
    if required { "required" } else { "optional" }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn members<'a>(value: &'a Value, place: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let members = value.pointer(place).and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

/// Paragraphs, with code between backticks: all the Markdown that our descriptions use.
pub(super) fn prose(value: &Value) -> String {
    let mut html = String::new();
    for paragraph in text(value).split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        html.push_str("<p>");
        for (number, part) in paragraph.split('`').enumerate() {
            let (open, close) = if number % 2 == 0 { ("", "") } else { ("<code>", "</code>") };
            html.extend([open, &escape(part), close]);
        }
        html.push_str("</p>");
    }
    html
}

/// Text that stands in HTML as it is.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
