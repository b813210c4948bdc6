//! Errors of the OAuth endpoints: RFC 6749 §5.2 for what the RFC names, the native form for everything else.

use std::fmt;

use axum::Json;
use axum::http::header::{PRAGMA, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::native;
use crate::http::error::{HttpError, Refusal};
use crate::oauth::ScopeFault;

/// Why a client's request is refused, by the codes of RFC 6749 §5.2.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum OAuthRefusal {
    /// Something is missing, there twice, or wrong.
    InvalidRequest(&'static str),
    /// No such client, or its secret is wrong.
    InvalidClient,
    /// Another grant than client credentials.
    UnsupportedGrantType,
    /// No list of scopes, or one that the client does not have.
    InvalidScope(ScopeFault),
}

/// A refusal (RFC 6749 §5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError, example = json!({
    "error": "invalid_client",
    "error_description": "No such client, or its secret is wrong",
    "detail": "No such client, or its secret is wrong",
}))]
pub struct OAuthErrorBody {
    pub error: &'static str,
    pub error_description: &'static str,
    /// The same, where the errors of all other operations have it.
    pub detail: &'static str,
}

impl OAuthErrorBody {
    /// A refusal with a sentence.
    pub(in crate::http) fn of(error: &'static str, description: &'static str) -> Self {
        Self { error, error_description: description, detail: description }
    }
}

/// Writes an error as an answer.
pub(super) fn write(error: &HttpError) -> Response {
    native::write(error)
}

impl OAuthRefusal {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            OAuthRefusal::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            OAuthRefusal::InvalidClient => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "No such client, or its secret is wrong")
            }
            OAuthRefusal::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "The only grant here is client_credentials")
            }
            OAuthRefusal::InvalidScope(fault) => (StatusCode::BAD_REQUEST, "invalid_scope", scope_fault(fault)),
        }
    }
}

const fn scope_fault(fault: ScopeFault) -> &'static str {
    match fault {
        ScopeFault::NotAList => "Scopes are names, each separated from the next by one space",
        ScopeFault::NotGranted => "The client does not have one of these scopes",
    }
}

impl fmt::Display for OAuthRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OAuth2: {}", self.parts().1)
    }
}

impl Refusal for OAuthRefusal {
    fn response(&self) -> Response {
        let (status, error, description) = self.parts();
        let mut response = (status, Json(OAuthErrorBody::of(error, description))).into_response();
        response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"credenza\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<OAuthRefusal> for HttpError {
    fn from(refusal: OAuthRefusal) -> Self {
        HttpError::Family(Box::new(refusal))
    }
}
