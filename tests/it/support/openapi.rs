//! The OpenAPI documents, read: what they say of an operation. Every answer that a test gets from a router is held
//! against them.

use std::sync::LazyLock;

use axum::http::{Method, StatusCode};
use credenza::http::{self, Listener};
use serde_json::Value;

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

/// Complains about an answer that the documents do not know. What is no operation has no document.
pub fn expect_documented(method: &Method, path: &str, status: StatusCode) {
    let method = method.as_str().to_lowercase();
    let mut described =
        BOTH.iter().flat_map(operations).filter(|(route, verb, _)| *verb == method && fits(route, path));
    let known = |operation: &Value| operation["responses"].get(status.as_str()).is_some();
    // A path may fit two templates; which one it is, is the router's business.
    if let Some((route, _, operation)) = described.next() {
        let others = described.any(|(_, _, other)| known(other));
        assert!(known(operation) || others, "{method} {route} does not document {status}");
    }
}

fn fits(route: &str, path: &str) -> bool {
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    let (parts, route) = (path.split('/'), route.split('/'));
    parts.clone().count() == route.clone().count()
        && route.zip(parts).all(|(expected, part)| expected == part || (expected.starts_with('{') && !part.is_empty()))
}
