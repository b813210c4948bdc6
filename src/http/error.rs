//! The one table from errors to answers. Every error is `{"detail": "..."}`; validation errors also carry `errors`, and a
//! wrong supplier code may carry a `hint`. The cause travels to the edge in the response's extensions, is logged there
//! once, and is never told to the caller.

use std::sync::Arc;

use axum::Json;
use axum::http::header::{ACCEPT_ENCODING, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Denied, Error, FieldError};

/// Why a request gets no success.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A use case refused or failed.
    #[error(transparent)]
    Domain(#[from] Error),
    /// The body is larger than the operation takes.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The body is not declared as JSON.
    #[error("the body is not JSON by its content type")]
    UnsupportedMediaType,
    /// The body is compressed, by its content coding.
    #[error("the body is compressed")]
    Compressed,
    /// The body is not declared as CSV in UTF-8, where a file is expected.
    #[error("the body is not CSV by its content type")]
    NotCsv,
    /// A client of the token endpoint was refused, in the RFC's own words.
    #[error("OAuth2: {0}")]
    OAuth(&'static str),
    /// The body did not arrive whole.
    #[error("the body could not be read")]
    UnreadableBody,
}

/// Why a request was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error, example = json!({ "detail": "Not found" }))]
pub struct ErrorBody {
    /// One sentence.
    pub detail: String,
    /// The supplier code that was perhaps meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hint: Option<String>,
    /// Every wrong field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<WrongField>,
}

/// A wrong field. Never holds the value.
#[derive(Debug, Serialize, ToSchema)]
pub struct WrongField {
    /// Its name as the request has it.
    field: String,
    /// What is wrong with it.
    message: String,
}

/// The cause of an error answer, on its way to the edge's log.
#[derive(Clone)]
pub(in crate::http) struct Cause(pub Arc<HttpError>);

impl HttpError {
    /// The answer: its status and its body.
    pub fn answer(&self) -> (StatusCode, ErrorBody) {
        match self {
            HttpError::Domain(error) => domain_answer(error),
            HttpError::BodyTooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE),
            HttpError::UnsupportedMediaType => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            HttpError::Compressed => unsupported("The request body must not be compressed"),
            HttpError::NotCsv => unsupported("The request body must be text/csv in UTF-8"),
            HttpError::UnreadableBody | HttpError::OAuth(_) => plain(StatusCode::BAD_REQUEST),
        }
    }
}

fn unsupported(detail: &str) -> (StatusCode, ErrorBody) {
    let (status, body) = plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    (status, ErrorBody { detail: detail.to_owned(), ..body })
}

fn domain_answer(error: &Error) -> (StatusCode, ErrorBody) {
    let detail = |status, detail: &str| (status, ErrorBody { detail: detail.to_owned(), hint: None, errors: vec![] });
    match error {
        Error::Invalid(fields) => (StatusCode::BAD_REQUEST, validation(fields)),
        Error::NotFound { what, hint } => {
            let (status, body) = detail(StatusCode::NOT_FOUND, what.sentence());
            (status, ErrorBody { hint: hint.clone(), ..body })
        }
        Error::UnderWay => plain(StatusCode::CONFLICT),
        Error::KeyReused => plain(StatusCode::UNPROCESSABLE_ENTITY),
        Error::PreconditionFailed => plain(StatusCode::PRECONDITION_FAILED),
        Error::Denied(denied @ (Denied::TooManyFailures | Denied::TooFast(_) | Denied::TooManyAtOnce)) => {
            detail(StatusCode::TOO_MANY_REQUESTS, &denial(*denied))
        }
        Error::Denied(denied) => detail(StatusCode::FORBIDDEN, &denial(*denied)),
        Error::OwnCredentialsRequired { supplier_name, service } => detail(
            StatusCode::FORBIDDEN,
            &format!(
                "{supplier_name} requires your own credentials for the {service} service. \
                 Please add your {supplier_name} credentials to your account."
            ),
        ),
        Error::KeyService(_) => {
            detail(StatusCode::SERVICE_UNAVAILABLE, "The key service does not answer just now, please try again")
        }
        Error::Unavailable(_) | Error::Overloaded | Error::IssuerUnavailable | Error::NotRecorded => {
            plain(StatusCode::SERVICE_UNAVAILABLE)
        }
        Error::Unreadable(_) | Error::Seal(_) | Error::Database(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
        Error::Shared(error) => domain_answer(error),
    }
}

fn denial(denied: Denied) -> String {
    match denied {
        Denied::NotAuthenticated => "Not authenticated".to_owned(),
        // The same for a malformed, an unknown, a revoked and an expired key.
        Denied::BadKey(_) => "Invalid API key".to_owned(),
        Denied::BadToken(_) => "Invalid access token".to_owned(),
        Denied::PublicKey => "Public API keys are not supported for this endpoint".to_owned(),
        Denied::MissingScope(scope) => format!("The scope {scope} is required"),
        Denied::InactiveAccount => "Account is inactive".to_owned(),
        Denied::OtherAccount => "You may not act for this account".to_owned(),
        Denied::TwoAccounts => "The credentials of the request name two accounts".to_owned(),
        Denied::NoSubAccounts => "Sub-accounts are not enabled for this account".to_owned(),
        Denied::CannotGrant(scope) => format!("You cannot grant the scope {scope}, because you lack it"),
        // Told, because it is about where the caller is and not about whether the key exists: they hold it.
        Denied::Address => "This API key is not allowed from your address".to_owned(),
        Denied::Origin => "This API key is not allowed from this origin".to_owned(),
        Denied::OperatorKey => "Operator keys are managed on the command line".to_owned(),
        Denied::TooManyFailures => "Too many failed attempts, please slow down".to_owned(),
        Denied::TooFast(_) => sentence(StatusCode::TOO_MANY_REQUESTS).to_owned(),
        Denied::TooManyAtOnce => "Too many requests at once, please slow down".to_owned(),
        Denied::NotForOthers => "X-Account-Id is not supported for this endpoint".to_owned(),
    }
}

fn validation(fields: &[FieldError]) -> ErrorBody {
    ErrorBody {
        detail: fields.first().map_or_else(|| sentence(StatusCode::BAD_REQUEST).to_owned(), FieldError::sentence),
        hint: None,
        errors: fields
            .iter()
            .map(|error| WrongField { field: error.field.clone(), message: error.message.clone() })
            .collect(),
    }
}

/// An answer that says no more than its status.
pub(in crate::http) fn plain(status: StatusCode) -> (StatusCode, ErrorBody) {
    (status, ErrorBody { detail: sentence(status).to_owned(), hint: None, errors: vec![] })
}

fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request could not be read",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::METHOD_NOT_ALLOWED => "Method not allowed",
        StatusCode::CONFLICT => "A request with this Idempotency-Key is still under way",
        StatusCode::UNPROCESSABLE_ENTITY => "This Idempotency-Key was used for another request",
        StatusCode::PRECONDITION_FAILED => "The credentials are not in the state that the request asks for",
        StatusCode::PAYLOAD_TOO_LARGE => "The request body is too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The request body must be application/json",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests, please slow down",
        StatusCode::SERVICE_UNAVAILABLE => "The service cannot answer just now, please try again",
        _ if status.is_server_error() => "Internal server error",
        _ => "The request was refused",
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let (status, body) = self.answer();
        let mut response = (status, Json(body)).into_response();
        match self {
            HttpError::Domain(Error::Denied(Denied::TooFast(seconds))) => {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            // RFC 9110 §15.5.16: it tells a wrong coding from a wrong type.
            HttpError::Compressed => {
                response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            _ => {}
        }
        response.extensions_mut().insert(Cause(Arc::new(self)));
        response
    }
}
