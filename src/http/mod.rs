//! Everything that knows HTTP. This page is the whole URL map.

mod api_keys;
mod audit_events;
mod body;
mod caller;
mod client_address;
mod cors;
mod credentials;
mod directory;
mod edge;
mod error;
mod health;
mod me;
mod oauth;
mod oauth_clients;
mod query;
mod resolution;
mod resolve;
pub mod server;
mod services;
mod subaccounts;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use tower::Layer;
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::app::App;
use crate::error::{Error, Missing};

/// Largest body of a request, in bytes. The largest honest one, four fields of 255 characters, takes less than a tenth.
const BODY_LIMIT: usize = 64 << 10;
/// Largest body of a batch: a hundred resolves that each bring a pair.
const BATCH_BODY_LIMIT: usize = 1 << 20;
/// Longest time for one request, body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What tenants see.
pub fn public_router(app: Arc<App>) -> Router {
    let credentials = Router::new()
        .route("/", get(credentials::list).post(credentials::upsert))
        .route("/{supplier_code}", get(credentials::find).delete(credentials::delete))
        .route("/{supplier_code}/audit", get(credentials::audit_trail))
        .route("/{supplier_code}/resolution", get(resolution::explain))
        .route("/{supplier_code}/services", post(services::upsert))
        .route("/{supplier_code}/services/{service}/{environment}", delete(services::delete));
    let subaccounts = Router::new()
        .route("/", get(subaccounts::list).post(subaccounts::create))
        .route("/{id}", get(subaccounts::find).patch(subaccounts::update).delete(subaccounts::deactivate))
        .route("/{id}/api-keys", get(api_keys::list_of_subaccount).post(api_keys::create_for_subaccount))
        .route("/{id}/api-keys/{key_id}", delete(api_keys::revoke_of_subaccount));
    let api_keys = Router::new()
        .route("/", get(api_keys::list).post(api_keys::create))
        .route("/{id}", delete(api_keys::revoke))
        .route("/{id}/rotate", post(api_keys::rotate));
    let oauth_clients = Router::new()
        .route("/", get(oauth_clients::list).post(oauth_clients::create))
        .route("/{id}", get(oauth_clients::find).delete(oauth_clients::revoke))
        .route("/{id}/rotate", post(oauth_clients::rotate));
    let audit_events = Router::new().route("/", get(audit_events::list));
    // For browsers as well, with a public key.
    let directory = Router::new()
        .route("/suppliers", get(directory::suppliers))
        .route("/service-codes", get(directory::service_codes))
        .route("/services/{supplier_code}", get(directory::services))
        .layer(from_fn_with_state(Arc::clone(&app), cors::cors));
    let oauth = Router::new()
        .route("/token", post(oauth::token))
        .route("/revoke", post(oauth::revoke))
        .route("/introspect", post(oauth::introspect));
    let well_known =
        Router::new().route("/jwks.json", get(oauth::jwks)).route("/oauth-authorization-server", get(oauth::metadata));
    let router = Router::new()
        .nest("/extra/v2/credentials", credentials)
        .nest("/extra/v2/subaccounts", subaccounts)
        .nest("/extra/v2/api-keys", api_keys)
        .nest("/extra/v2/oauth-clients", oauth_clients)
        .nest("/extra/v2/audit-events", audit_events)
        .nest("/extra/v2", directory)
        .nest("/oauth", oauth)
        .nest("/.well-known", well_known)
        .route("/me", get(me::me));
    finish(router, app)
}

/// What programs that talk to suppliers see, on an address of its own. Passwords leave here.
pub fn internal_router(app: Arc<App>) -> Router {
    let batch = post(resolve::resolve_batch).layer(DefaultBodyLimit::max(BATCH_BODY_LIMIT));
    let internal = Router::new().route("/resolve", post(resolve::resolve)).route("/resolve/batch", batch);
    finish(Router::new().nest("/internal/v1", internal), app)
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

/// What both have: health, answers for what does not exist, limits, and the edge around all of it.
fn finish(router: Router<Arc<App>>, app: Arc<App>) -> Router {
    let router = router
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(async || error::HttpError::from(Error::missing(Missing::Path)))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(edge::after_panic))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT))
        .layer(from_fn_with_state(Arc::clone(&app), edge::edge))
        .with_state(app);
    Router::new().fallback_service(MapRequestLayer::new(without_trailing_slash).layer(router))
}
