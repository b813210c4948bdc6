//! Describes a request apart from its contents: its id, where it came from, who makes it.

use std::sync::{Arc, OnceLock};

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue};
use uuid::{NoContext, Timestamp, Uuid};

use super::admitted::Admitted;
use crate::api_key::contains_key;
use crate::http::family::Family;
use crate::http::listener::Listener;
use crate::principal::Principal;
use crate::types::ClientAddress;

pub(in crate::http) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Describes a request. In the request's extensions.
pub(in crate::http) struct RequestContext {
    /// The caller's id for it, or ours.
    pub id: HeaderValue,
    /// The listener on which it arrived.
    pub listener: Listener,
    /// The family of its path.
    pub family: Family,
    /// The client's address.
    pub client_address: Option<ClientAddress>,
    /// The caller, once that is known.
    pub principal: OnceLock<Arc<Principal>>,
    /// Its permits.
    pub admitted: Admitted,
}

/// Marks an answer of 500 and above as no fault of ours. In the answer's extensions.
#[derive(Clone, Copy)]
pub(in crate::http) struct NoFault;

/// Returns the caller's id if it is one to 128 visible characters without quotes, so that it can stand in any log, and nothing
/// that looks like one of our keys, because it will stand in the log and in the audit; else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let valid = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b))
            && !contains_key(bytes)
    };
    headers.get(&X_REQUEST_ID).filter(valid).cloned().unwrap_or_else(new_request_id)
}

/// Makes a UUID of version 7 (RFC 9562). Its random bits only make ids differ, so they need no call of the system.
fn new_request_id() -> HeaderValue {
    let (seconds, nanos) = Timestamp::now(NoContext).to_unix();
    let millis = seconds * 1000 + u64::from(nanos / 1_000_000);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)).unwrap_or(HeaderValue::from_static("unknown"))
}
