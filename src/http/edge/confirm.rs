//! Looks at the caller's rights once more before an answer leaves. An answer for a caller is not handed over when their
//! right was revoked meanwhile.
//!
//! A write needs no such look: it is confirmed in its own transaction, and once committed it is done.

use axum::http::Method;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::http::listener::Listener;

/// The answer, or the refusal that its request would get by now.
pub(super) async fn confirmed(app: &App, context: &RequestContext, method: &Method, response: Response) -> Response {
    // The internal listener only reads, whatever the method.
    let reads = method.is_safe() || context.listener == Listener::Internal;
    match context.principal.get() {
        Some(principal) if reads && response.status().is_success() => {
            match app.authenticator.confirm(principal, context.client_address.as_ref()).await {
                Ok(()) => response,
                Err(ended) => HttpError::from(ended).into_response(),
            }
        }
        _ => response,
    }
}
