//! The reference: an OpenAPI 3.1 document for each listener, made from the router itself, and a page for people that is
//! made from the document.
//!
//! The description of one operation stands at its handler; parts that many have in common are added here, once.

mod document;
mod example;
mod html;
pub(in crate::http) mod operations;
mod page;
mod requests;
mod responses;
pub(in crate::http) mod schemas;
mod security;

use std::sync::LazyLock;

use axum::Extension;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use self::operations::{Operations, Tag};
use crate::http::listener::Listener;

/// A listener's reference, as it is sent.
pub(in crate::http) struct Reference {
    /// The document, for people to read as well: with line ends, ended by one.
    pub json: String,
    page: String,
    /// Nothing but the page's own style is let in.
    policy: String,
}

/// The reference that the two operations below answer with, made when it is first needed.
pub(in crate::http) type SharedReference = &'static LazyLock<Reference>;

impl Reference {
    /// Makes the reference of a listener from its operations and their parts, in the order of the document.
    pub(in crate::http) fn new(listener: Listener, operations: Operations, tags: &[Tag]) -> Self {
        let document = document::complete(listener, &operations.into_openapi(), tags);
        let json = format!("{document:#}\n");
        Self { json, page: page::render(&document), policy: page::policy() }
    }
}

/// Get this document
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_openapi",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = schemas::Document)),
)]
pub async fn openapi(Extension(reference): Extension<SharedReference>) -> Response {
    ([(CONTENT_TYPE, "application/json")], reference.json.as_str()).into_response()
}

/// Read this document
///
/// As a page that needs nothing from elsewhere.
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_docs",
    responses((
        status = 200, description = "A page", body = str, content_type = "text/html",
        headers(("Content-Security-Policy" = String, description = "Lets nothing in but the page's own style.")),
    )),
)]
pub async fn docs(Extension(reference): Extension<SharedReference>) -> Response {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, reference.policy.as_str())];
    (headers, reference.page.as_str()).into_response()
}
