//! Wraps every request and answer: gives the request its id, writes every error in the dialect of its family, forbids storing
//! answers, and writes the one log line of the request.

pub mod admission;
pub mod admitted;
pub mod client_address;
mod confirm;
pub mod context;
pub mod cors;
pub mod rejection;
mod request_metrics;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use self::admitted::Admitted;
use self::client_address::Proxies;
use self::context::{NoFault, RequestContext, X_REQUEST_ID, request_id};
use self::rejection::Rejection;
use self::request_metrics::RequestMetrics;
use crate::admission::InFlight;
use crate::app::App;
use crate::background;
use crate::error::{Error, chain};
use crate::http::error::{Failure, HttpError, RequestError};
use crate::http::extract::conditions::Unconditional;
use crate::http::family::Family;
use crate::http::listener::Listener;
use crate::http::openapi::operations::Operations;
use crate::postgres::{STATEMENT_LIMIT, no_answer};
use crate::standstill;
use crate::telemetry;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The edge of a listener.
pub(in crate::http) struct Edge {
    app: Arc<App>,
    listener: Listener,
    in_flight: InFlight,
    metrics: RequestMetrics,
    unconditional: Unconditional,
    proxies: Proxies,
}

impl Edge {
    /// Makes the edge of a listener with these operations.
    pub fn new(listener: Listener, operations: &Operations, app: Arc<App>) -> Self {
        let in_flight = match listener {
            Listener::Public => app.admission.in_flight.clone(),
            Listener::Internal => app.admission.internal_in_flight.clone(),
        };
        let operations = operations.get_openapi();
        let metrics = RequestMetrics::new(listener, operations);
        let proxies = Proxies::new(app.settings.trusted_proxies.clone());
        Self { app, listener, in_flight, metrics, unconditional: Unconditional::of(operations), proxies }
    }
}

/// Paths that answer also when there is no room, because they are asked about it.
const ALWAYS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Wraps both routers.
pub(in crate::http) async fn edge(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let Edge { app, listener, in_flight, metrics, unconditional, proxies } = &*edge;
    let method = request.method().clone();
    let method_name = known_method(&method);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let needs_room = !route.as_ref().is_some_and(|route| ALWAYS.contains(&route.as_str()));
    let permit = if needs_room { in_flight.acquire() } else { None };
    let has_room = permit.is_some() || !needs_room;
    let context = Arc::new(RequestContext {
        id: request_id(request.headers()),
        listener: *listener,
        family: Family::of(request.uri().path()),
        client_address: peer.map(|ConnectInfo(peer)| proxies.client_address(peer.ip(), request.headers())),
        principal: OnceLock::new(),
        admitted: Admitted::new(in_flight, permit),
    });
    request.extensions_mut().insert(Arc::clone(&context));

    let template = route.as_ref().map_or("-", MatchedPath::as_str);
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let span = telemetry::request_span(method_name, template, header);
    let response = if !has_room {
        HttpError::from(Error::Overloaded).into_response()
    } else if let Err(refused) = unconditional.check(template, &method, request.headers()) {
        refused.into_response()
    } else {
        // Work that goes on after the request keeps its turn and its bytes.
        let answer =
            background::holding(Arc::<RequestContext>::clone(&context), next.run(request).instrument(span.clone()));
        let answer = standstill::limited(STATEMENT_LIMIT, answer);
        match timeout(context.family.time_limit(app.settings.admission.request_timeout), answer).await {
            Ok(Some(response)) => response,
            Ok(None) => {
                app.cluster.trust().doubt_connections();
                HttpError::from(Error::Unavailable(no_answer())).into_response()
            }
            Err(_elapsed) => HttpError::from(RequestError::TimedOut).into_response(),
        }
    };
    let response = confirm::confirmed(app, &context, &method, response).await;
    let mut response = written(context.family, response);
    note_in(&span, &context, &response);
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_REQUEST_ID.clone(), context.id.clone());
    context.admitted.write_headers(headers);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    }

    let cause = response.extensions().get::<Failure>();
    let rejection = cause.and_then(|Failure(error)| error.rejection());
    let is_fault = status.is_server_error()
        && response.extensions().get::<NoFault>().is_none()
        && rejection != Some(Rejection::Overloaded);
    let cause = cause.map(|Failure(error)| chain(&**error));
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
        tracing::error!(
            request_id,
            method = method_name,
            route,
            status = status.as_u16(),
            account,
            key,
            micros,
            cause,
            "request"
        );
    } else {
        tracing::info!(
            request_id,
            method = method_name,
            route,
            status = status.as_u16(),
            account,
            key,
            micros,
            cause,
            "request"
        );
    }
    response
}

/// Returns the name of a method that the log may have. Any other is the client's own text, and may be a secret.
fn known_method(method: &Method) -> &str {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    if known.contains(method) { method.as_str() } else { "-" }
}

/// Notes the answer in the trace of a request. Ids and numbers only.
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

/// Answers a request whose handler panicked. The panic hook has logged the panic.
pub(in crate::http) fn after_panic(_: Box<dyn Any + Send>) -> Response {
    HttpError::from(RequestError::Panicked).into_response()
}

/// Writes the error of an answer, if it is one, in the dialect of the request's family. Headers that were added on the way,
/// such as `Allow` and `Vary`, stay.
fn written(family: Family, response: Response) -> Response {
    let Some(Failure(error)) = response.extensions().get::<Failure>() else { return response };
    let (dialect, body) = family.write(error).into_parts();
    let (mut parts, _) = response.into_parts();
    parts.status = dialect.status;
    parts.headers.extend(dialect.headers);
    Response::from_parts(parts, body)
}
