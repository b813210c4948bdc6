//! The edge: what every request meets first and every answer last. Gives the request its id, answers every error as
//! JSON, forbids storing answers, and writes the one log line of the request.

pub mod admission;
pub mod client_address;
pub mod cors;
pub mod rejection;
mod request_metrics;

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Json;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{Instrument, Span};
use uuid::{NoContext, Timestamp, Uuid};

use crate::admission::Slots;
use crate::api_key::Kind;
use crate::app::App;
use crate::error::{Error, chain};
use crate::http::edge::admission::Admitted;
use crate::http::edge::client_address::client_address;
use crate::http::edge::rejection::Rejection;
use crate::http::edge::request_metrics::RequestMetrics;
use crate::http::error::{Cause, HttpError, plain};
use crate::http::listener::Listener;
use crate::http::openapi::operations::Operations;
use crate::principal::Principal;
use crate::telemetry;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What the edge of a listener works with.
pub(in crate::http) struct Edge {
    app: Arc<App>,
    listener: Listener,
    slots: Slots,
    metrics: RequestMetrics,
}

impl Edge {
    /// The edge of a listener with these operations.
    pub fn new(listener: Listener, operations: &Operations, app: Arc<App>) -> Self {
        let slots = match listener {
            Listener::Public => app.admission.in_flight.clone(),
            Listener::Internal => app.admission.internal_in_flight.clone(),
        };
        Self { app, listener, slots, metrics: RequestMetrics::new(listener, operations.get_openapi()) }
    }
}

/// What is known of a request beside its contents. In the request's extensions.
pub(in crate::http) struct RequestContext {
    /// The caller's id for it, or ours.
    pub id: HeaderValue,
    /// Where it arrived.
    pub listener: Listener,
    /// The peer's address.
    pub client_address: Option<IpAddr>,
    /// Who calls, once that is known.
    pub principal: OnceLock<Arc<Principal>>,
    /// What it was given.
    pub admitted: Admitted,
}

/// An answer of 500 and above that is no failure of ours to be looked into. In the answer's extensions.
#[derive(Clone, Copy)]
pub(in crate::http) struct NoFault;

/// Paths that answer also when there is no room: whoever asks there wants to know about it.
const ALWAYS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The middleware around both routers.
pub(in crate::http) async fn edge(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let Edge { app, listener, slots, metrics } = &*edge;
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let needs_room = !route.as_ref().is_some_and(|route| ALWAYS.contains(&route.as_str()));
    let slot = if needs_room { slots.take() } else { None };
    let has_room = slot.is_some() || !needs_room;
    let context = Arc::new(RequestContext {
        id: request_id(request.headers()),
        listener: *listener,
        client_address: peer
            .map(|ConnectInfo(peer)| client_address(peer.ip(), request.headers(), &app.settings.trusted_proxies)),
        principal: OnceLock::new(),
        admitted: Admitted::new(slots, slot),
    });
    request.extensions_mut().insert(Arc::clone(&context));

    let template = route.as_ref().map_or("-", MatchedPath::as_str);
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let span = telemetry::request_span(method.as_str(), template, header);
    let response = if has_room {
        next.run(request).instrument(span.clone()).await
    } else {
        HttpError::from(Error::Overloaded).into_response()
    };
    note_in(&span, &context, &response);
    let mut response = with_json_error(response);
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_REQUEST_ID.clone(), context.id.clone());
    context.admitted.write_headers(headers);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    }

    let cause = response.extensions().get::<Cause>();
    let rejection = cause.and_then(|cause| cause.0.rejection());
    let is_fault = status.is_server_error()
        && response.extensions().get::<NoFault>().is_none()
        && rejection != Some(Rejection::Overloaded);
    let cause = cause.map(|cause| chain(&*cause.0));
    if let Some(rejection) = rejection {
        rejection.count();
    }
    let took = start.elapsed();
    metrics.note(route.as_ref().map(MatchedPath::as_str), &method, status, took);
    let principal = context.principal.get();
    let fields = (
        context.id.to_str().unwrap_or_default(),
        // Never the raw path: a path may hold anything.
        template,
        principal.map(|principal| principal.account.0),
        principal.and_then(|principal| principal.key_id).map(tracing::field::display),
        u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    );
    let (request_id, route, account, key, micros) = fields;
    if is_fault {
        tracing::error!(request_id, %method, route, status = status.as_u16(), account, key, micros, cause, "request");
    } else {
        tracing::info!(request_id, %method, route, status = status.as_u16(), account, key, micros, cause, "request");
    }
    response
}

/// Tells a trace what became of a request. Ids and numbers only.
fn note_in(span: &Span, context: &RequestContext, response: &Response) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", response.status().as_u16());
    span.record("credenza.request_id", context.id.to_str().unwrap_or_default());
    if let Some(principal) = context.principal.get() {
        span.record("credenza.account", principal.account.0);
        span.record("credenza.key", principal.key_id.map(tracing::field::display));
    }
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The answer to a request whose handler panicked. The panic itself was logged by the hook.
pub(in crate::http) fn after_panic(_: Box<dyn Any + Send>) -> Response {
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
    headers.get(&X_REQUEST_ID).filter(valid).cloned().unwrap_or_else(new_request_id)
}

/// A UUID of version 7 (RFC 9562). Its random bits are for difference alone, so they need no call of the system.
fn new_request_id() -> HeaderValue {
    let (seconds, nanos) = Timestamp::now(NoContext).to_unix();
    let millis = seconds * 1000 + u64::from(nanos / 1_000_000);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)).unwrap_or(HeaderValue::from_static("unknown"))
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
