//! The shape of every answer that lists something.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Room for an entry, in bytes: so much that most are not moved while the answer grows.
const ENTRY: usize = 256;

/// A listing.
#[derive(Serialize, ToSchema)]
pub struct Listing<T> {
    /// How many there are in all.
    #[schema(example = 1)]
    count: usize,
    /// In a fixed order.
    results: Vec<T>,
}

impl<T> Listing<T> {
    /// All of it.
    pub(in crate::http) fn new(results: Vec<T>) -> Self {
        Self { count: results.len(), results }
    }
}

/// As [`Json`] answers, which writes into a `BytesMut`. JSON is written in very small pieces, and a long listing is done in a
/// fraction of the time when they go into a `Vec` that need not grow.
impl<T: Serialize> IntoResponse for Listing<T> {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity((self.results.len() + 1) * ENTRY);
        match serde_json::to_writer(&mut body, &self) {
            Ok(()) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
            // It has the answer to what cannot be written.
            Err(_) => Json(self).into_response(),
        }
    }
}
