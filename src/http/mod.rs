//! Everything that knows HTTP. This page is the whole URL map.

mod body;
mod caller;
mod credentials;
mod edge;
mod error;
mod health;
mod query;
mod resolution;
mod resolve;
pub mod server;
mod services;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
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
    finish(Router::new().nest("/extra/v2/credentials", credentials), app)
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
        .layer(axum::middleware::from_fn(edge::edge))
        .with_state(app);
    Router::new().fallback_service(MapRequestLayer::new(without_trailing_slash).layer(router))
}
