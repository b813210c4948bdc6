//! Cross-origin requests (the Fetch standard's CORS protocol), for the directory alone: everything else is for servers.

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

/// The headers that a page may read of an answer.
const READABLE: HeaderValue =
    HeaderValue::from_static("X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, Retry-After");

/// Answers a browser's question whether it may ask, and lets the page read the answers of what it may ask.
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
    // The browser does not send the key along yet, so the question is whether anybody lets this origin come.
    let allowed = match origin.to_str() {
        Ok(origin) => app.statuses.is_allowed_origin(origin).await,
        Err(_) => Ok(false),
    };
    match allowed {
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
        Err(error) => HttpError::from(error).into_response(),
    }
}

/// The answer depends on who asks.
fn varying(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    response
}
