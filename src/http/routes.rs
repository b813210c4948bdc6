//! The URL map: which family answers where. Each family's `mod.rs` lists its operations.

use std::sync::{Arc, LazyLock};

use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use tower::ServiceBuilder;
use tower::util::MapRequest;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::routes;

use super::edge::{self, Edge, cors};
use super::listener::Listener;
use super::openapi::operations::{Operations, Tag, below};
use super::openapi::{self as document, Reference, SharedReference};
use super::{calls, error, health, internal, native, oauth};
use crate::app::App;
use crate::error::{Error, Missing};

/// The last part of the document: everything that belongs to no family's.
const SERVICE: Tag = Tag { prefix: "/", name: "Service", about: "Health, discovery, and this reference." };

static PUBLIC: LazyLock<Reference> = LazyLock::new(|| {
    let operations = public_operations(|open| open);
    Reference::new(Listener::Public, operations, &[native::TAGS, calls::TAGS, oauth::TAGS, &[SERVICE]].concat())
});
static INTERNAL: LazyLock<Reference> =
    LazyLock::new(|| Reference::new(Listener::Internal, internal_operations(), &[internal::TAGS, &[SERVICE]].concat()));

/// Everything on the public listener. The layer is for the operations that browsers may use as well.
fn public_operations(browsers: impl Fn(Operations) -> Operations) -> Operations {
    native::operations(&browsers)
        .merge(calls::operations(&browsers))
        .merge(oauth::operations())
        .merge(service_operations(&PUBLIC))
}

/// Everything on the internal listener.
fn internal_operations() -> Operations {
    internal::operations().merge(service_operations(&INTERNAL))
}

/// The operations of both listeners: health, and the reference.
fn service_operations(reference: SharedReference) -> Operations {
    let health = [("/healthz", routes!(health::healthz)), ("/readyz", routes!(health::readyz))];
    let documents = [("/openapi.json", routes!(document::openapi)), ("/docs", routes!(document::docs))];
    below("", health).merge(below("", documents).layer(Extension(reference)))
}

/// A listener's whole service. Cheap to clone.
pub type ListenerService = MapRequest<Router, fn(Request) -> Request>;

/// The public listener.
pub fn public_router(app: Arc<App>) -> ListenerService {
    let browsers = |open: Operations| open.layer(from_fn_with_state(Arc::clone(&app), cors::cors));
    let operations = public_operations(browsers);
    finish(Listener::Public, operations, app)
}

/// The internal listener.
pub fn internal_router(app: Arc<App>) -> ListenerService {
    finish(Listener::Internal, internal_operations(), app)
}

/// The OpenAPI document of a listener, as `/openapi.json` returns it.
pub fn openapi(listener: Listener) -> &'static str {
    match listener {
        Listener::Public => &PUBLIC.json,
        Listener::Internal => &INTERNAL.json,
    }
}

/// Removes one trailing slash, so that every path answers with and without it, and writes the short version of a call out. The
/// router is wrapped from outside, because this comes before anything is routed.
fn canonical(mut request: Request) -> Request {
    let path = request.uri().path();
    let trimmed = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    let short = trimmed.strip_prefix(calls::SHORT_PREFIX);
    if trimmed.len() == path.len() && short.is_none() {
        return request;
    }
    let (whole, rest) = short.map_or(("", trimmed), |rest| (calls::WHOLE_PREFIX, rest));
    let canonical = match request.uri().query() {
        None => format!("{whole}{rest}"),
        Some(query) => format!("{whole}{rest}?{query}"),
    };
    if let Ok(uri) = canonical.parse() {
        *request.uri_mut() = uri;
    }
    request
}

/// Wraps the operations of a listener: the answer for unknown paths, limits, and the edge around all of it. One layer of the
/// router, because the router sets up each of its layers anew for each request.
fn finish(listener: Listener, operations: Operations, app: Arc<App>) -> ListenerService {
    let edge = Arc::new(Edge::new(listener, &operations, Arc::clone(&app)));
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(edge, edge::edge))
        .layer(CatchPanicLayer::custom(edge::after_panic));
    let router = Router::from(operations)
        .fallback(async || error::HttpError::from(Error::missing(Missing::Path)))
        .layer(around)
        .with_state(app);
    MapRequest::new(router, canonical)
}
