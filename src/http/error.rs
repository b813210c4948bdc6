//! Why a request gets no success, as a value. Handlers and extractors return it; the edge writes it, once, in the dialect
//! of the path's family.

use std::fmt;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::fields::FieldError;
use crate::error::Error;

/// A refusal or a failure.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A use case refused or failed.
    #[error(transparent)]
    Domain(#[from] Error),
    /// The request itself cannot be served, independent of its path.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Fields of the request are wrong.
    #[error("refused fields: {}", names(.0))]
    Invalid(Vec<FieldError>),
    /// A refusal that only one family knows, which writes itself.
    #[error("{0}")]
    Family(Box<dyn Refusal>),
}

/// One wrong field.
impl From<FieldError> for HttpError {
    fn from(error: FieldError) -> Self {
        HttpError::Invalid(vec![error])
    }
}

/// The names of refused fields, for the log.
fn names(fields: &[FieldError]) -> String {
    fields.iter().map(|error| format!("{} ({:?})", error.field, error.fault)).collect::<Vec<_>>().join(", ")
}

/// A refusal that only one family knows, such as an error code of its protocol. Its `Display` is for the log.
pub trait Refusal: fmt::Debug + fmt::Display + Send + Sync {
    /// Writes it as an answer.
    fn response(&self) -> Response;
}

/// The reason why a request cannot be served, independent of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The path has no operation with this method.
    #[error("the method is not allowed")]
    MethodNotAllowed,
    /// The body is larger than the operation takes.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The body is not declared as the operation expects it.
    #[error("the body is not {expected} by its content type")]
    WrongMediaType {
        /// The content type that the operation takes.
        expected: &'static str,
    },
    /// The body is compressed, by its content coding.
    #[error("the body is compressed")]
    Compressed,
    /// The body did not arrive whole.
    #[error("the body could not be read")]
    UnreadableBody,
    /// The path is no UTF-8.
    #[error("the path could not be read")]
    UnreadablePath,
    /// The request took longer than it may.
    #[error("the request took too long")]
    TimedOut,
    /// The handler panicked; the panic hook has logged it.
    #[error("the handler panicked")]
    Panicked,
}

impl RequestError {
    /// The body is not declared as JSON.
    pub const NOT_JSON: RequestError = RequestError::WrongMediaType { expected: "application/json" };

    /// The status by RFC 9110, alike in every family.
    pub const fn status(self) -> StatusCode {
        match self {
            RequestError::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            RequestError::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RequestError::WrongMediaType { .. } | RequestError::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            RequestError::UnreadableBody | RequestError::UnreadablePath => StatusCode::BAD_REQUEST,
            RequestError::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
            RequestError::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error on its way to the edge, in an answer's extensions.
#[derive(Clone)]
pub(in crate::http) struct Failure(pub Arc<HttpError>);

impl IntoResponse for HttpError {
    /// Hands the error to the edge. The status is a placeholder, and the body is empty, until the edge writes both.
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Failure(Arc::new(self)));
        response
    }
}
