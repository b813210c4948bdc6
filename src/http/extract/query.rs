//! Query strings. A parameter that is not understood is refused: on a write, an option that is ignored is damage done.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::http::error::HttpError;
use crate::http::extract::body::is_field_path;
use crate::http::fields::{Fault, FieldError};

/// The query's parameters.
pub struct Query<T>(pub T);

/// The operation takes no parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpError> {
        Ok(Self(parse(parts.uri.query().unwrap_or_default().as_bytes())?))
    }
}

/// Reads a query. The error names the parameter; never a value.
pub(in crate::http) fn parse<T: DeserializeOwned>(query: &[u8]) -> Result<T, FieldError> {
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query));
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let name = error.path().to_string();
        // The library's message repeats values.
        if error.inner().to_string().starts_with("unknown field") && is_field_path(&name) {
            FieldError::new(&name, Fault::UnknownParameter)
        } else if is_field_path(&name) {
            FieldError::new(&name, Fault::UnreadableParameter)
        } else {
            FieldError::new("query", Fault::UnreadableQuery)
        }
    })
}
