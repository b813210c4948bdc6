//! Everything that knows HTTP. This page is the whole URL map.

mod admission;
mod api_keys;
mod audit_events;
mod body;
mod caller;
mod client_address;
mod conditions;
mod cors;
mod credentials;
mod directory;
mod edge;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod health;
mod idempotency;
mod import;
mod listing;
mod me;
mod metrics;
mod moment;
mod number;
mod oauth;
mod oauth_clients;
mod preview;
mod query;
mod reference;
mod rejection;
mod request_metrics;
mod resolution;
mod resolve;
pub mod server;
mod services;
mod subaccounts;
pub mod tls;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use tower::ServiceBuilder;
use tower::util::MapRequest;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::routes;

use self::edge::Edge;
pub use self::reference::Listener;
use self::reference::{Operations, Reference, Routes, below};
use crate::app::App;
use crate::credentials::import::MOST_BYTES;
use crate::error::{Error, Missing};

/// Largest body of a request, in bytes. The largest honest one, four fields of 255 characters, takes less than a tenth.
const BODY_LIMIT: usize = 64 << 10;
/// Largest body of a batch: a hundred resolves that each bring a pair.
const BATCH_BODY_LIMIT: usize = 1 << 20;

/// The operations of one path, with bodies up to so many bytes.
fn with_body_limit(operations: Routes, bytes: usize) -> Routes {
    let (schemas, paths, methods) = operations;
    (schemas, paths, methods.layer(DefaultBodyLimit::max(bytes)))
}

/// What tenants see. The layer is for the operations that browsers may use as well.
fn public_operations(browsers: impl FnOnce(Operations) -> Operations) -> Operations {
    let credentials = below(
        "/extra/v2/credentials",
        [
            ("", routes!(credentials::list, credentials::upsert)),
            ("/import", with_body_limit(routes!(import::import), MOST_BYTES)),
            ("/{supplier_code}", routes!(credentials::find, credentials::delete)),
            ("/{supplier_code}/audit", routes!(credentials::audit_trail)),
            ("/{supplier_code}/resolution", routes!(resolution::explain)),
            ("/{supplier_code}/services", routes!(services::upsert)),
            ("/{supplier_code}/services/{service}/{environment}", routes!(services::delete)),
        ],
    );
    let subaccounts = below(
        "/extra/v2/subaccounts",
        [
            ("", routes!(subaccounts::list, subaccounts::create)),
            ("/{id}", routes!(subaccounts::find, subaccounts::update, subaccounts::deactivate)),
            ("/{id}/api-keys", routes!(api_keys::list_of_subaccount, api_keys::create_for_subaccount)),
            ("/{id}/api-keys/{key_id}", routes!(api_keys::revoke_of_subaccount)),
        ],
    );
    let api_keys = below(
        "/extra/v2/api-keys",
        [
            ("", routes!(api_keys::list, api_keys::create)),
            ("/{id}", routes!(api_keys::revoke)),
            ("/{id}/rotate", routes!(api_keys::rotate)),
        ],
    );
    let oauth_clients = below(
        "/extra/v2/oauth-clients",
        [
            ("", routes!(oauth_clients::list, oauth_clients::create)),
            ("/{id}", routes!(oauth_clients::find, oauth_clients::revoke)),
            ("/{id}/rotate", routes!(oauth_clients::rotate)),
        ],
    );
    let audit_events = below("/extra/v2/audit-events", [("", routes!(audit_events::list))]);
    let directory = below(
        "/extra/v2",
        [
            ("/suppliers", routes!(directory::suppliers)),
            ("/service-codes", routes!(directory::service_codes)),
            ("/services/{supplier_code}", routes!(directory::services)),
        ],
    );
    let me = below("/me", [("", routes!(me::me))]);
    let oauth = below(
        "/oauth",
        [
            ("/token", routes!(oauth::token)),
            ("/revoke", routes!(oauth::revoke)),
            ("/introspect", routes!(oauth::introspect)),
        ],
    );
    let well_known = below(
        "/.well-known",
        [("/jwks.json", routes!(oauth::jwks)), ("/oauth-authorization-server", routes!(oauth::metadata))],
    );
    let operations = credentials
        .merge(subaccounts)
        .merge(api_keys)
        .merge(oauth_clients)
        .merge(audit_events)
        .merge(browsers(directory))
        .merge(me)
        .merge(oauth)
        .merge(well_known);
    with_service_operations(operations)
}

/// What programs that talk to suppliers see, on an address of its own. Passwords leave here.
fn internal_operations() -> Operations {
    let batch = with_body_limit(routes!(resolve::resolve_batch), BATCH_BODY_LIMIT);
    let internal = below("/internal/v1/resolve", [("", routes!(resolve::resolve)), ("/batch", batch)]);
    with_service_operations(internal.merge(below("/metrics", [("", routes!(metrics::metrics))])))
}

/// What both have: health, and their reference.
fn with_service_operations(operations: Operations) -> Operations {
    operations.merge(below(
        "",
        [
            ("/healthz", routes!(health::healthz)),
            ("/readyz", routes!(health::readyz)),
            ("/openapi.json", routes!(reference::openapi)),
            ("/docs", routes!(reference::docs)),
        ],
    ))
}

/// A listener's whole service. Cheap to clone.
pub type ListenerService = MapRequest<Router, fn(Request) -> Request>;

/// The public listener.
pub fn public_router(app: Arc<App>) -> ListenerService {
    let browsers = |directory: Operations| directory.layer(from_fn_with_state(Arc::clone(&app), cors::cors));
    let operations = public_operations(browsers);
    finish(Listener::Public, operations, app)
}

/// The internal listener.
pub fn internal_router(app: Arc<App>) -> ListenerService {
    finish(Listener::Internal, internal_operations(), app)
}

/// The OpenAPI document of a listener, as it answers it at `/openapi.json`.
pub fn openapi(listener: Listener) -> &'static str {
    &Reference::of(listener).json
}

/// Every path answers with and without one trailing slash. The slash goes before anything is routed, so this wraps the
/// router from outside.
fn without_trailing_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    if path.len() > 1 && path.ends_with('/') {
        let trimmed = match request.uri().query() {
            None => path[..path.len() - 1].to_owned(),
            Some(query) => format!("{}?{query}", &path[..path.len() - 1]),
        };
        if let Ok(uri) = trimmed.parse() {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// What both have around their operations: answers for what does not exist, limits, and the edge around all of it. One
/// layer of the router, because it sets up each of its layers anew for each request.
fn finish(listener: Listener, operations: Operations, app: Arc<App>) -> ListenerService {
    let edge = Arc::new(Edge::new(listener, &operations, Arc::clone(&app)));
    let request_timeout = app.settings.admission.request_timeout;
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(edge, edge::edge))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, request_timeout))
        .layer(CatchPanicLayer::custom(edge::after_panic))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    let router = Router::from(operations)
        .fallback(async || error::HttpError::from(Error::missing(Missing::Path)))
        .layer(around)
        .with_state(app);
    MapRequest::new(router, without_trailing_slash)
}
