//! An answer, read whole, that complains in full when it is not the expected one.

use axum::body::to_bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Self { status: parts.status, headers: parts.headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The body as JSON, if the status is this one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// An error of this status with this sentence.
    #[track_caller]
    pub fn expect_error(&self, status: u16, detail: &str) {
        assert_eq!(self.expect(status)["detail"], detail, "{self:?}");
    }

    /// An error of this status as the contract requires every error: JSON with a sentence, and the edge's headers.
    #[track_caller]
    pub fn expect_json_error(&self, status: u16) {
        assert!(self.expect(status)["detail"].is_string(), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.expect_edge_headers();
    }

    /// The headers of every answer.
    #[track_caller]
    pub fn expect_edge_headers(&self) {
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "{self:?}");
    }

    /// The body to the letter, if the status is this one.
    #[track_caller]
    pub fn expect_text(&self, status: u16, body: &str) {
        assert_eq!((self.status.as_u16(), self.body.as_str()), (status, body));
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}
