//! `Idempotency-Key`: which request it is that may have been sent before. Without the header nothing is done at all.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::{FromRequest, MatchedPath, Request};
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::header_parameter;
use crate::app::App;
use crate::http::error::HttpError;
use crate::http::fields::{Fault, FieldError};
use crate::idempotency;
use crate::principal::Principal;
use crate::types::AccountId;

pub(in crate::http) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Most characters of a key.
pub(in crate::http) const MAX_KEY: usize = 255;

/// A body, and the key that it may have come with.
pub struct Once<B>(pub Option<Keyed>, pub B);

/// A request with a key. Holds the body, which may hold passwords, so it is not kept for longer than it takes to
/// recognise it.
pub struct Keyed {
    key: HeaderValue,
    /// Everything else that makes it another request if it differs.
    said: Vec<Bytes>,
}

/// A place for the bytes of the body, for extractors that need them as well as their meaning. In the request's extensions.
#[derive(Clone, Default)]
pub(in crate::http) struct BodySeen(pub Arc<OnceLock<Bytes>>);

impl<B: FromRequest<Arc<App>, Rejection = HttpError>> FromRequest<Arc<App>> for Once<B> {
    type Rejection = HttpError;

    async fn from_request(mut request: Request, app: &Arc<App>) -> Result<Self, HttpError> {
        let Some(key) = key(request.headers())? else {
            return Ok(Self(None, B::from_request(request, app).await?));
        };
        let mut said = said(&request);
        let seen = BodySeen::default();
        request.extensions_mut().insert(seen.clone());
        let body = B::from_request(request, app).await?;
        said.push(seen.0.get().cloned().unwrap_or_default());
        Ok(Self(Some(Keyed { key, said }), body))
    }
}

/// Names its header for the OpenAPI document, which describes it.
impl IntoParams for Keyed {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![header_parameter("Idempotency-Key")]
    }
}

impl Keyed {
    /// The request of this caller, about this account.
    pub(in crate::http) fn request(&self, app: &App, caller: &Principal, account: AccountId) -> idempotency::Request {
        let about = account.0.to_be_bytes();
        let said: Vec<_> = std::iter::once(about.as_slice()).chain(self.said.iter().map(AsRef::as_ref)).collect();
        idempotency::Request::new(&app.pepper, caller.acting_account, self.key.as_bytes(), &said)
    }
}

/// The request's key: one, of 1 to 255 printable ASCII characters. Anything else is refused, because a key that is ignored
/// is a write done twice.
fn key(headers: &HeaderMap) -> Result<Option<HeaderValue>, FieldError> {
    let mut keys = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(first) = keys.next() else { return Ok(None) };
    let is_good =
        (1..=MAX_KEY).contains(&first.len()) && first.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_good && keys.next().is_none() {
        return Ok(Some(first.clone()));
    }
    Err(FieldError::new("Idempotency-Key", Fault::NotAnIdempotencyKey(MAX_KEY)))
}

/// Returns the parts of a request's identity that are not its body: method, path, parameters, conditions.
fn said(request: &Request) -> Vec<Bytes> {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let template = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let uri = request.uri();
    let mut said = vec![
        bytes(request.method().as_str()),
        // The path alone may be only the part behind a prefix that several have in common.
        bytes(template),
        bytes(uri.path()),
        bytes(uri.query().unwrap_or_default()),
    ];
    for header in [IF_MATCH, IF_NONE_MATCH] {
        let lines: Vec<_> = request.headers().get_all(header).iter().map(HeaderValue::as_bytes).collect();
        said.push(lines.join(&b","[..]).into());
    }
    said
}
