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
use tokio::task::coop::poll_proceed;
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
            // A fast supplier has the next piece ready whenever it is asked for. Other tasks, and the end of the time, have
            // their turn nevertheless.
            let turn = ready!(poll_proceed(cx));
            if self.deadline.as_mut().poll(cx).is_ready() {
                self.end = Some(Err(TransportError::TimedOut));
                continue;
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => self.end = Some(Err(TransportError::of_body(&error))),
                None => self.end = Some(Ok(())),
            }
            turn.made_progress();
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::body::Frame;
    use tokio::io::AsyncBufReadExt;

    use super::*;

    /// A body of which the next piece is always there.
    struct Endless;

    impl hyper::body::Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"<a/>")))))
        }
    }

    #[tokio::test]
    async fn a_body_that_is_always_ready_ends_with_the_calls_time_and_lets_other_tasks_go_on() {
        let response = Response::from(hyper::Response::new(Body::wrap(Endless)));
        let begun = Instant::now();
        let mut reply = Reply::new(response, begun + Duration::from_millis(50));
        let read = async {
            while begun.elapsed() < Duration::from_secs(5) {
                match reply.body.fill_buf().await.map(<[u8]>::len) {
                    Ok(count) => reply.body.consume(count),
                    Err(error) => return TransportError::of(&error),
                }
            }
            None
        };
        let mut turns = 0;
        let other = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        let error = tokio::select! { biased; error = read => error, () = other => None };
        assert_eq!(error, Some(TransportError::TimedOut));
        assert!(turns > 1);
    }
}
