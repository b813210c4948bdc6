//! Parameters in the path. One that is no UTF-8 is refused.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::http::error::{HttpError, RequestError};

/// The path's parameters: a text, or a tuple of texts.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = HttpError;

    #[allow(clippy::disallowed_types, reason = "the one place that turns its refusal into a value")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(parameters)) => Ok(Self(parameters)),
            Err(_) => Err(RequestError::UnreadablePath.into()),
        }
    }
}
