//! The reference: an OpenAPI 3.1 document for each listener, made from the router itself, and a page for people that is
//! made from the document.
//!
//! What only one operation has stands at its handler; what many have in common is added here, once.

mod answers;
mod common;
mod example;
mod html;
mod page;
mod requests;
mod security;
pub(super) mod words;

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use axum::extract::FromRequestParts;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::edge::RequestContext;
use crate::app::App;

/// A router that knows what its operations are like.
pub(super) type Operations = OpenApiRouter<Arc<App>>;

/// The operations of one path. The annotation of a handler names its method and leaves the path empty, because the paths
/// stand on one page, in `http/mod.rs`.
pub(super) type Routes = UtoipaMethodRouter<Arc<App>>;

/// The operations of several paths below one. The router gets whole paths: one that is nested takes the path of each request
/// apart.
pub(super) fn below<const N: usize>(prefix: &str, operations: [(&str, Routes); N]) -> Operations {
    operations.into_iter().fold(Operations::new(), |all, (path, (schemas, mut described, methods))| {
        let path = format!("{prefix}{path}");
        described.paths = described.paths.into_values().map(|item| (path.clone(), item)).collect();
        all.routes((schemas, described, methods))
    })
}

/// One of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// What tenants see.
    Public,
    /// What programs that talk to suppliers see.
    Internal,
}

/// A listener's reference, as it is sent.
pub(super) struct Reference {
    /// The document, for people to read as well: with line ends, ended by one.
    pub json: String,
    page: String,
    /// Nothing but the page's own style is let in.
    policy: String,
}

static PUBLIC: LazyLock<Reference> =
    LazyLock::new(|| Reference::new(Listener::Public, super::public_operations(|directory| directory)));
static INTERNAL: LazyLock<Reference> =
    LazyLock::new(|| Reference::new(Listener::Internal, super::internal_operations()));

/// Where the request arrived.
impl<S: Send + Sync> FromRequestParts<S> for Listener {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Without an edge around it, as in a test, nobody is told what only the internal listener has.
        Ok(parts.extensions.get::<Arc<RequestContext>>().map_or(Listener::Public, |context| context.listener))
    }
}

impl Listener {
    /// As metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Listener::Public => "public",
            Listener::Internal => "internal",
        }
    }
}

impl Reference {
    fn new(listener: Listener, operations: Operations) -> Self {
        let document = common::complete(listener, &operations.into_openapi());
        let json = format!("{document:#}\n");
        Self { json, page: page::render(&document), policy: page::policy() }
    }

    /// A listener's reference, made when it is first asked for.
    pub(super) fn of(listener: Listener) -> &'static Self {
        match listener {
            Listener::Public => &PUBLIC,
            Listener::Internal => &INTERNAL,
        }
    }
}

/// Get this document
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_openapi",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = words::Document)),
)]
pub async fn openapi(listener: Listener) -> Response {
    ([(CONTENT_TYPE, "application/json")], Reference::of(listener).json.as_str()).into_response()
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
pub async fn docs(listener: Listener) -> Response {
    let reference = Reference::of(listener);
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, reference.policy.as_str())];
    (headers, reference.page.as_str()).into_response()
}
