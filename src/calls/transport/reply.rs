//! The answer of a supplier, read as it comes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chrono::DateTime;
use hyper::body::{Body as _, Buf, Bytes};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Body, Response};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::TransportError;

/// An answer whose head is here.
pub struct Reply {
    /// Status, never a redirect.
    pub status: u16,
    /// `Content-Type`, where it is text.
    pub content_type: Option<String>,
    /// `Retry-After`, as it was sent.
    pub retry_after: Option<Duration>,
    /// The rest, decompressed.
    pub body: ReplyBody,
}

/// The body of an answer, decompressed, with no bound on its length: a reader counts what it takes.
///
/// At most one piece of it is in memory. It ends with an I/O error that carries a [`TransportError`]
/// ([`TransportError::of`]) where the answer does not come whole and in time, and goes on ending so.
pub struct ReplyBody {
    body: Body,
    piece: Bytes,
    deadline: Pin<Box<Sleep>>,
    end: Option<Result<(), TransportError>>,
}

impl Reply {
    pub(super) fn new(response: Response, deadline: Instant) -> Self {
        let headers = response.headers();
        Self {
            status: response.status().as_u16(),
            content_type: text(headers, &CONTENT_TYPE).map(str::to_owned),
            retry_after: retry_after(headers),
            body: ReplyBody {
                body: response.into(),
                piece: Bytes::new(),
                deadline: Box::pin(sleep_until(deadline)),
                end: None,
            },
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Reads `Retry-After`: seconds, or a date, which counts from the answer's own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| DateTime::parse_from_rfc2822(text).ok();
    let wait = date(value)?.signed_duration_since(date(text(headers, &DATE)?)?);
    Some(wait.to_std().unwrap_or_default())
}

impl ReplyBody {
    /// Waits until a piece is here or the body has ended.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.piece.is_empty() {
            if let Some(end) = self.end {
                return Poll::Ready(end.map_err(io::Error::from));
            }
            // Pieces that come one after the other never give the timer its turn.
            let is_late = Instant::now() >= self.deadline.deadline();
            match if is_late { Poll::Pending } else { Pin::new(&mut self.body).poll_frame(cx) } {
                Poll::Ready(Some(Ok(frame))) => self.piece = frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(error))) => self.end = Some(Err(TransportError::of_body(&error))),
                Poll::Ready(None) => self.end = Some(Ok(())),
                Poll::Pending => {
                    ready!(self.deadline.as_mut().poll(cx));
                    self.end = Some(Err(TransportError::TimedOut));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for ReplyBody {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_piece(cx))?;
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.piece.advance(count);
    }
}

impl AsyncRead for ReplyBody {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_piece(cx))?;
        let count = to.remaining().min(self.piece.len());
        to.put_slice(&self.piece.split_to(count));
        Poll::Ready(Ok(()))
    }
}
