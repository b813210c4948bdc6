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
mod me;
mod metrics;
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
use axum::extract::{DefaultBodyLimit, Extension, Request};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use tower::Layer;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::routes;

use self::edge::Edge;
pub use self::reference::Listener;
use self::reference::{Operations, Reference, at};
use crate::app::App;
use crate::error::{Error, Missing};

/// Largest body of a request, in bytes. The largest honest one, four fields of 255 characters, takes less than a tenth.
const BODY_LIMIT: usize = 64 << 10;
/// Largest body of a batch: a hundred resolves that each bring a pair.
const BATCH_BODY_LIMIT: usize = 1 << 20;

/// What tenants see. The layer is for the operations that browsers may use as well.
fn public_operations(browsers: impl FnOnce(Operations) -> Operations) -> Operations {
    let credentials = Operations::new()
        .routes(at("/", routes!(credentials::list, credentials::upsert)))
        .routes(at("/{supplier_code}", routes!(credentials::find, credentials::delete)))
        .routes(at("/{supplier_code}/audit", routes!(credentials::audit_trail)))
        .routes(at("/{supplier_code}/resolution", routes!(resolution::explain)))
        .routes(at("/{supplier_code}/services", routes!(services::upsert)))
        .routes(at("/{supplier_code}/services/{service}/{environment}", routes!(services::delete)));
    let subaccounts = Operations::new()
        .routes(at("/", routes!(subaccounts::list, subaccounts::create)))
        .routes(at("/{id}", routes!(subaccounts::find, subaccounts::update, subaccounts::deactivate)))
        .routes(at("/{id}/api-keys", routes!(api_keys::list_of_subaccount, api_keys::create_for_subaccount)))
        .routes(at("/{id}/api-keys/{key_id}", routes!(api_keys::revoke_of_subaccount)));
    let api_keys = Operations::new()
        .routes(at("/", routes!(api_keys::list, api_keys::create)))
        .routes(at("/{id}", routes!(api_keys::revoke)))
        .routes(at("/{id}/rotate", routes!(api_keys::rotate)));
    let oauth_clients = Operations::new()
        .routes(at("/", routes!(oauth_clients::list, oauth_clients::create)))
        .routes(at("/{id}", routes!(oauth_clients::find, oauth_clients::revoke)))
        .routes(at("/{id}/rotate", routes!(oauth_clients::rotate)));
    let audit_events = Operations::new().routes(at("/", routes!(audit_events::list)));
    let directory = Operations::new()
        .routes(at("/suppliers", routes!(directory::suppliers)))
        .routes(at("/service-codes", routes!(directory::service_codes)))
        .routes(at("/services/{supplier_code}", routes!(directory::services)));
    let oauth = Operations::new()
        .routes(at("/token", routes!(oauth::token)))
        .routes(at("/revoke", routes!(oauth::revoke)))
        .routes(at("/introspect", routes!(oauth::introspect)));
    let well_known = Operations::new()
        .routes(at("/jwks.json", routes!(oauth::jwks)))
        .routes(at("/oauth-authorization-server", routes!(oauth::metadata)));
    let operations = Operations::new()
        .nest("/extra/v2/credentials", credentials)
        .nest("/extra/v2/subaccounts", subaccounts)
        .nest("/extra/v2/api-keys", api_keys)
        .nest("/extra/v2/oauth-clients", oauth_clients)
        .nest("/extra/v2/audit-events", audit_events)
        .nest("/extra/v2", browsers(directory))
        .routes(at("/me", routes!(me::me)))
        .nest("/oauth", oauth)
        .nest("/.well-known", well_known);
    with_service_operations(operations)
}

/// What programs that talk to suppliers see, on an address of its own. Passwords leave here.
fn internal_operations() -> Operations {
    let (schemas, paths, batch) = routes!(resolve::resolve_batch);
    let batch = (schemas, paths, batch.layer(DefaultBodyLimit::max(BATCH_BODY_LIMIT)));
    let internal =
        Operations::new().routes(at("/resolve", routes!(resolve::resolve))).routes(at("/resolve/batch", batch));
    let internal = Operations::new().nest("/internal/v1", internal).routes(at("/metrics", routes!(metrics::metrics)));
    with_service_operations(internal)
}

/// What both have: health, and their reference.
fn with_service_operations(operations: Operations) -> Operations {
    operations
        .routes(at("/healthz", routes!(health::healthz)))
        .routes(at("/readyz", routes!(health::readyz)))
        .routes(at("/openapi.json", routes!(reference::openapi)))
        .routes(at("/docs", routes!(reference::docs)))
}

/// The public listener.
pub fn public_router(app: Arc<App>) -> Router {
    let browsers = |directory: Operations| directory.layer(from_fn_with_state(Arc::clone(&app), cors::cors));
    let operations = public_operations(browsers);
    finish(Listener::Public, operations, app)
}

/// The internal listener.
pub fn internal_router(app: Arc<App>) -> Router {
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

/// What both have around their operations: answers for what does not exist, limits, and the edge around all of it.
fn finish(listener: Listener, operations: Operations, app: Arc<App>) -> Router {
    let edge = Arc::new(Edge::new(listener, &operations, Arc::clone(&app)));
    let router = Router::from(operations)
        .layer(Extension(listener))
        .fallback(async || error::HttpError::from(Error::missing(Missing::Path)))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(edge::after_panic))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, app.settings.admission.request_timeout))
        .layer(from_fn_with_state(edge, edge::edge))
        .with_state(app);
    Router::new().fallback_service(MapRequestLayer::new(without_trailing_slash).layer(router))
}
