//! Receives bodies: within the operation's limit and the budget of bytes in memory.

use std::pin::Pin;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;

use crate::app::App;
use crate::error::Error;
use crate::http::edge::admission;
use crate::http::edge::context::RequestContext;
use crate::http::error::{HttpError, RequestError};
use crate::standstill::elsewhere;

/// Largest body of a request, in bytes, where the operation has no limit of its own. The largest honest one, four fields of
/// 255 characters, takes less than a tenth.
const BODY_LIMIT: usize = 64 << 10;

/// Limits the bodies of an operation, in bytes. In the request's extensions.
#[derive(Clone, Copy)]
pub(in crate::http) struct BodyLimit(pub usize);

/// Receives the whole body of a request. One that is declared to be too large is refused before any of it is read, so that a
/// client that waits for leave to send it gets none.
pub(super) async fn receive(request: Request, context: Option<&RequestContext>, app: &App) -> Result<Bytes, HttpError> {
    let most = request.extensions().get::<BodyLimit>().map_or(BODY_LIMIT, |limit| limit.0);
    let mut body = request.into_body();
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > most {
        return Err(RequestError::BodyTooLarge.into());
    }
    let mut reserved = match context {
        Some(context) => admission::reserve_bytes(context, app, declared).await?,
        None => None,
    };
    let mut received = Vec::with_capacity(declared);
    while let Some(data) = next(&mut body).await? {
        let length = received.len() + data.len();
        if length > most {
            return Err(RequestError::BodyTooLarge.into());
        }
        if let Some(reserved) = &mut reserved {
            reserved.cover(length).map_err(Error::from)?;
        }
        received.extend_from_slice(&data);
    }
    if let (Some(context), Some(reserved)) = (context, reserved) {
        context.admitted.keep(reserved);
    }
    Ok(received.into())
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, RequestError> {
    loop {
        let frame = elsewhere(std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx))).await;
        match frame.map(|frame| frame.map(hyper::body::Frame::into_data)) {
            None => return Ok(None),
            Some(Ok(Ok(data))) => return Ok(Some(data)),
            // Trailers.
            Some(Ok(Err(_))) => {}
            Some(Err(_)) => return Err(RequestError::UnreadableBody),
        }
    }
}
