//! Reads the rest of a body that a refusal left unread. A client that sends all of its body before it reads anything would
//! otherwise find its connection broken, and never see why.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderMap, HeaderValue, Request};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// Most of a body that is read for nothing, in bytes: more than three times the largest body that any operation takes.
const MOST: usize = 32 << 20;
/// A rest that is read without closing the connection afterwards, in bytes.
const SMALL: u64 = 64 << 10;
/// A client that sends fewer bytes than this ...
const PART: usize = 16 << 10;
/// ... in this time is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// The body of a request, on its way through the router.
struct RequestBody {
    /// None when it has ended.
    incoming: Option<Incoming>,
    was_read: bool,
    left: Leftover,
}

/// The place where the unread rest of a body is put.
#[derive(Clone, Default)]
pub(super) struct Leftover(Arc<Mutex<Option<Rest>>>);

/// The unread rest of a body.
pub(super) struct Rest {
    incoming: Incoming,
    was_read: bool,
}

impl Leftover {
    /// Watches the body of a request.
    pub fn watch(request: Request<Incoming>) -> (Request<Body>, Option<Self>) {
        if request.body().is_end_stream() {
            return (request.map(Body::new), None);
        }
        let left = Self::default();
        let watched = left.clone();
        let request =
            request.map(|incoming| Body::new(RequestBody { incoming: Some(incoming), was_read: false, left: watched }));
        (request, Some(left))
    }

    /// Takes the rest, if there is any.
    pub fn take(&self) -> Option<Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Rest {
    /// Reads the rest, within limits, while the answer is sent. `held` is dropped at the end of that.
    pub fn read(self, expects: bool, answer: &mut HeaderMap, held: impl Send + 'static) {
        // A client that waits for leave to send its body has its answer in place of that. To read would give the leave.
        let is_held_back = expects && !self.was_read;
        let is_small = self.incoming.size_hint().upper().is_some_and(|bytes| bytes <= SMALL);
        if is_held_back || !is_small {
            answer.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if !is_held_back {
            tokio::spawn(async move {
                drain(self.incoming).await;
                drop(held);
            });
        }
    }
}

/// Whether a client waits for `100 Continue`.
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

async fn drain(mut incoming: Incoming) {
    let mut read = 0;
    while read < MOST {
        match timeout(PATIENCE, part(&mut incoming)).await {
            Ok(Some(bytes)) => read += bytes,
            Ok(None) | Err(_) => return,
        }
    }
}

/// Reads a part of a body; none at its end.
async fn part(incoming: &mut Incoming) -> Option<usize> {
    let mut bytes = 0;
    while bytes < PART {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *incoming).poll_frame(cx)).await?.ok()?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    Some(bytes)
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.was_read = true;
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.incoming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) {
            let rest = Rest { incoming, was_read: self.was_read };
            self.left.0.lock().unwrap_or_else(PoisonError::into_inner).replace(rest);
        }
    }
}
