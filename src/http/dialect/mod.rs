//! Dialects: how an error looks, and how a caller is refused, in each family of paths. One file a family.

pub(super) mod calls;
mod native;
pub mod oauth;
pub mod words;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

pub use self::native::{ErrorBody, IN_PROGRESS, KEY_REUSED, PRECONDITION_FAILED, answer};
use super::error::HttpError;
use super::family::Family;

/// How the errors of a family look in the OpenAPI document.
pub(super) struct ErrorForm {
    /// Begins the names of the shared refusals; families of one form share them.
    pub prefix: &'static str,
    /// The content type of an error.
    pub media_type: &'static str,
    /// The name of its schema.
    pub schema: &'static str,
    /// The status for a caller that is nobody.
    pub unauthenticated: StatusCode,
    /// A paragraph of the document's description.
    pub about: &'static str,
    /// The schemas of an error, by name.
    pub schemas: fn() -> Vec<(String, RefOr<Schema>)>,
    /// An example of a refusal with this status.
    pub example: fn(StatusCode) -> Value,
    /// An example of a refusal that an operation describes in this sentence.
    pub described: fn(&Value) -> Value,
}

impl Family {
    /// Writes an error as an answer. Everything that fails below the edge comes here, once, also what the router, the
    /// parsers and the limits refuse.
    pub(super) fn write(self, error: &HttpError) -> Response {
        match self {
            Family::Native => native::write(error),
            Family::OAuth => oauth::write(error),
            Family::Calls => calls::write(error),
        }
    }

    /// How its errors look in the OpenAPI document.
    pub(super) const fn error_form(self) -> &'static ErrorForm {
        match self {
            // A refusal of the token endpoint stands at its operation.
            Family::Native | Family::OAuth | Family::Calls => &native::FORM,
        }
    }
}
