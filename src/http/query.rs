//! Query strings. A parameter that is not understood is refused: on a write, an option that is ignored is damage done.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::HttpError;
use crate::error::{Error, FieldError};

/// The query's parameters.
pub struct Query<T>(pub T);

/// The operation takes no parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpError> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(parameters)) => Ok(Self(parameters)),
            Err(_) => Err(Error::invalid(FieldError::sentence_alone(
                "query",
                "The query has a parameter that this operation does not take, or one twice",
            ))
            .into()),
        }
    }
}
