//! The edge: what every request meets first and every answer last. Gives the request its id, answers every error as
//! JSON, forbids storing answers, and writes the one log line of the request.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Json;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::client_address::client_address;
use super::error::{Cause, plain};
use crate::api_key::Kind;
use crate::app::App;
use crate::error::chain;
use crate::principal::Principal;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What is known of a request beside its contents. In the request's extensions.
pub(super) struct RequestContext {
    /// The caller's id for it, or ours.
    pub id: HeaderValue,
    /// The peer's address.
    pub client_address: Option<IpAddr>,
    /// Who calls, once that is known.
    pub principal: OnceLock<Arc<Principal>>,
}

/// The middleware around both routers.
pub(super) async fn edge(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let context = Arc::new(RequestContext {
        id: request_id(request.headers()),
        client_address: peer
            .map(|ConnectInfo(peer)| client_address(peer.ip(), request.headers(), &app.settings.trusted_proxies)),
        principal: OnceLock::new(),
    });
    request.extensions_mut().insert(Arc::clone(&context));

    let mut response = with_json_error(next.run(request).await);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response.headers_mut().insert(X_REQUEST_ID.clone(), context.id.clone());

    let status = response.status();
    let cause = response.extensions().get::<Cause>().map(|cause| chain(&*cause.0));
    let principal = context.principal.get();
    let fields = (
        context.id.to_str().unwrap_or_default(),
        // The template, never the raw path: a path may hold anything.
        route.as_ref().map_or("-", MatchedPath::as_str),
        principal.map(|principal| principal.account.0),
        principal.and_then(|principal| principal.key_id).map(tracing::field::display),
        u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
    );
    let (request_id, route, account, key, micros) = fields;
    if status.is_server_error() {
        tracing::error!(request_id, %method, route, status = status.as_u16(), account, key, micros, cause, "request");
    } else {
        tracing::info!(request_id, %method, route, status = status.as_u16(), account, key, micros, cause, "request");
    }
    response
}

/// The answer to a request whose handler panicked. The panic itself was logged by the hook.
pub(super) fn after_panic(_: Box<dyn Any + Send>) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// The caller's id if it is one to 128 visible characters without quotes, so that it can stand in any log, and nothing
/// that looks like one of our keys, because it will stand in the log and in the audit; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let valid = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b))
            && !looks_like_a_key(bytes)
    };
    headers.get(&X_REQUEST_ID).filter(valid).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

fn looks_like_a_key(text: &[u8]) -> bool {
    Kind::ALL.iter().any(|kind| text.windows(4).any(|part| part.eq_ignore_ascii_case(kind.prefix().as_bytes())))
}

/// Frameworks and middleware refuse in plain text or with an empty body; every caller gets JSON all the same. Headers
/// such as `Allow` stay.
fn with_json_error(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let (status, body) = plain(status);
    let (json, body) = (status, Json(body)).into_response().into_parts();
    parts.headers.extend(json.headers);
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, body)
}
