//! The OpenAPI documents, read: an operation's parameters and answers. Every answer that a test gets from a router is held
//! against them.

use std::sync::LazyLock;

use axum::http::Method;
use credenza::http::{self, Listener};
use serde_json::Value;

use super::response::Answer;

static BOTH: LazyLock<[Value; 2]> = LazyLock::new(|| [Listener::Public, Listener::Internal].map(document));

/// A listener's document.
pub fn document(listener: Listener) -> Value {
    serde_json::from_str(http::openapi(listener)).unwrap()
}

/// Path, method and description of every operation of a document.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap();
        methods.iter().map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Headers that no operation documents: those that OpenAPI has in another place or that are HTTP's framing, and those for a browser,
/// not its page (the Fetch standard).
const UNDOCUMENTED: [&str; 5] =
    ["content-type", "content-length", "vary", "access-control-allow-origin", "access-control-expose-headers"];

/// Complains about an answer that the documents do not know: its status, each of its headers, and those that they promise.
/// A path that is no operation has no document.
pub fn expect_documented(method: &Method, path: &str, answer: &Answer) {
    let method = method.as_str().to_lowercase();
    let described = BOTH.iter().flat_map(|document| operations(document).map(move |operation| (document, operation)));
    let mut described = described.filter(|(_, (route, verb, _))| *verb == method && fits(route, path));
    let wrong = |(document, (route, _, operation)): (&Value, (&str, &str, &Value))| {
        let wrong = undocumented(document, operation, answer)?;
        Some(format!("{method} {route} {}: {wrong}", answer.status))
    };
    // A path may fit two templates; which one it is, is the router's business.
    if let Some(wrong_of_first) = described.next().and_then(wrong) {
        assert!(described.any(|other| wrong(other).is_none()), "{wrong_of_first}: {answer:?}");
    }
}

/// Returns what an operation does not document of an answer that it gave.
fn undocumented(document: &Value, operation: &Value, answer: &Answer) -> Option<String> {
    let Some(said) = operation["responses"].get(answer.status.as_str()) else {
        return Some("the status is not documented".to_owned());
    };
    let headers = resolved(document, said)["headers"].as_object().unwrap();
    let is_said = |name: &str| headers.keys().any(|header| header.eq_ignore_ascii_case(name));
    let mut names = answer.headers.keys().map(axum::http::HeaderName::as_str);
    if let Some(name) = names.find(|name| !UNDOCUMENTED.contains(name) && !is_said(name)) {
        return Some(format!("the header {name} is not documented"));
    }
    let mut promised = headers.iter().filter(|(_, header)| resolved(document, header)["required"] == true);
    let (name, _) = promised.find(|(name, _)| !answer.headers.contains_key(name.as_str()))?;
    Some(format!("there is no header {name}"))
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"].as_str().and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(value)
}

fn fits(route: &str, path: &str) -> bool {
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    let (parts, route) = (path.split('/'), route.split('/'));
    parts.clone().count() == route.clone().count()
        && route.zip(parts).all(|(expected, part)| expected == part || (expected.starts_with('{') && !part.is_empty()))
}
