//! Answers cross-origin requests (the Fetch standard's CORS protocol) for the directory; everything else is for servers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::{Denied, Error};
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::principal::AuthMethod;
use crate::types::ClientAddress;

/// Headers of an answer that a page may read.
const READABLE: HeaderValue = HeaderValue::from_static(
    "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, Retry-After, X-Credential-Source, Age",
);

/// Answers a browser's preflight, and lets the page read the answers to requests that are allowed.
pub(in crate::http) async fn cors(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        return varying(next.run(request).await);
    };
    let is_question =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !is_question {
        let context = request.extensions().get::<Arc<RequestContext>>().cloned();
        let mut response = next.run(request).await;
        let caller = context.as_ref().and_then(|context| context.principal.get());
        // That a public key was accepted means that its account allows the origin. A page has no business with any other
        // answer.
        if caller.is_some_and(|principal| principal.method == AuthMethod::PublicKey) {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
        }
        return varying(response);
    }
    let context = request.extensions().get::<Arc<RequestContext>>();
    match is_allowed(&app, &origin, context.and_then(|context| context.client_address.as_ref())).await {
        Ok(true) => varying(
            (
                StatusCode::NO_CONTENT,
                [
                    (ACCESS_CONTROL_ALLOW_ORIGIN, origin),
                    (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET")),
                    (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("X-API-Key, X-Request-Id")),
                    (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
                ],
            )
                .into_response(),
        ),
        Ok(false) => varying(HttpError::from(Error::from(Denied::Origin)).into_response()),
        Err(error) => varying(HttpError::from(error).into_response()),
    }
}

/// Whether any account allows an origin: a preflight has no key yet. One that is refused is a failed attempt of its address.
async fn is_allowed(app: &App, origin: &HeaderValue, address: Option<&ClientAddress>) -> Result<bool, Error> {
    if address.is_some_and(|address| app.failed_attempts.is_over(address)) {
        return Err(Denied::TooManyFailures.into());
    }
    let is_allowed = match origin.to_str() {
        Ok(origin) => app.statuses.is_allowed_origin(origin).await?,
        Err(_) => false,
    };
    if !is_allowed && address.is_some_and(|address| app.failed_attempts.too_many(address)) {
        return Err(Denied::TooManyFailures.into());
    }
    Ok(is_allowed)
}

/// Marks an answer as one that depends on the origin.
fn varying(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    response
}
