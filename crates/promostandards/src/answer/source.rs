//! The bytes of an answer as UTF-8: out of a multipart envelope, decoded, counted.
//!
//! `quick-xml` reads from here. Nothing is held but what it has not taken yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use encoding_rs::Decoder;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::encoding;
use super::multipart::Multipart;

/// The most bytes that are decoded at once.
const CHUNK: usize = 16 << 10;

/// The bytes that are decoded before other tasks get a turn.
const TURN: usize = 64 << 10;

/// The bytes at the beginning that are looked at for the encoding.
const HEAD: usize = 512;

/// The most bytes of one tag, text or comment: `quick-xml` holds it as a whole.
const PIECE: u64 = 16 << 20;

/// The reason why the source stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    TooLarge,
    Encoding,
    Empty,
    Garbage,
}

/// The decoded answer.
pub(super) struct Source<R> {
    inner: R,
    multipart: Option<Multipart>,
    charset: Option<String>,
    /// The beginning, until the encoding is known.
    head: Vec<u8>,
    decoder: Option<Decoder>,
    out: Vec<u8>,
    /// The bytes of `out` that are taken.
    taken: usize,
    /// Something else than blanks has been seen.
    begun: bool,
    ended: bool,
    /// The bytes that may still arrive.
    left: u64,
    /// The bytes that may still be taken before [`Source::piece`].
    piece: u64,
    turn: usize,
    pub(super) stop: Option<Stop>,
}

impl<R: AsyncBufRead + Unpin> Source<R> {
    pub fn new(inner: R, content_type: Option<&str>, limit: u64) -> Self {
        Self {
            inner,
            multipart: content_type.and_then(Multipart::of),
            charset: content_type.and_then(|text| encoding::parameter(text, "charset")),
            head: Vec::new(),
            decoder: None,
            out: Vec::with_capacity(CHUNK * 3),
            taken: 0,
            begun: false,
            ended: false,
            left: limit,
            piece: PIECE,
            turn: 0,
            stop: None,
        }
    }

    /// Begins a new tag, text or comment.
    pub fn piece(&mut self) {
        self.piece = PIECE;
    }

    fn stop(&mut self, stop: Stop) -> io::Error {
        self.stop = Some(stop);
        io::Error::other("stopped")
    }

    /// Takes the next bytes of the answer's XML into `head`, or decodes them.
    fn advance(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let chunk = match ready!(Pin::new(&mut self.inner).poll_fill_buf(context)) {
            Ok(chunk) => &chunk[..chunk.len().min(CHUNK)],
            Err(error) => return Poll::Ready(Err(error)),
        };
        let size = chunk.len();
        let ended = chunk.is_empty();
        if size as u64 > self.left {
            return Poll::Ready(Err(self.stop(Stop::TooLarge)));
        }
        self.left -= size as u64;
        let skipped = match &mut self.multipart {
            Some(multipart) => match multipart.skip(chunk) {
                Ok(skipped) => skipped,
                Err(stop) => return Poll::Ready(Err(self.stop(stop))),
            },
            None => 0,
        };
        let bytes = &chunk[skipped..];
        if let Some(decoder) = &mut self.decoder {
            decode(decoder, &mut self.out, bytes, ended);
        } else {
            self.head.extend_from_slice(bytes);
        }
        Pin::new(&mut self.inner).consume(size);
        self.ended = ended;
        if self.decoder.is_none() && (ended || self.head.len() >= HEAD) {
            let charset = self.multipart.as_mut().and_then(Multipart::charset).or(self.charset.take());
            match encoding::detect(&self.head, charset.as_deref()) {
                Some((encoding, mark)) => {
                    let mut decoder = encoding.new_decoder_without_bom_handling();
                    decode(&mut decoder, &mut self.out, &self.head[mark..], ended);
                    self.decoder = Some(decoder);
                    self.head = Vec::new();
                }
                None => return Poll::Ready(Err(self.stop(Stop::Encoding))),
            }
        }
        if !self.begun {
            let blanks = self.out.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.out.drain(..blanks);
            match self.out.first() {
                Some(b'<') => self.begun = true,
                Some(_) => return Poll::Ready(Err(self.stop(Stop::Garbage))),
                None if ended => return Poll::Ready(Err(self.stop(Stop::Empty))),
                None => {}
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn decode(decoder: &mut Decoder, out: &mut Vec<u8>, mut bytes: &[u8], last: bool) {
    loop {
        let start = out.len();
        let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(CHUNK).max(16);
        out.resize(start + room, 0);
        let (result, read, written, _) = decoder.decode_to_utf8(bytes, &mut out[start..], last);
        out.truncate(start + written);
        bytes = &bytes[read..];
        if result == encoding_rs::CoderResult::InputEmpty {
            return;
        }
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for Source<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.stop.is_some() {
            return Poll::Ready(Err(io::Error::other("stopped")));
        }
        while this.taken == this.out.len() {
            this.turn += this.out.len();
            this.out.clear();
            this.taken = 0;
            if this.ended {
                return Poll::Ready(Ok(&[]));
            }
            if this.turn >= TURN {
                // A long answer that is here already would hold its thread until the end.
                this.turn = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(this.advance(context))?;
        }
        if this.piece == 0 {
            return Poll::Ready(Err(this.stop(Stop::TooLarge)));
        }
        let end = this.out.len().min(this.taken + usize::try_from(this.piece).unwrap_or(usize::MAX));
        Poll::Ready(Ok(&this.out[this.taken..end]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.taken += amount;
        this.piece = this.piece.saturating_sub(amount as u64);
    }
}

/// `AsyncBufRead` demands it; `quick-xml` never calls it.
impl<R: AsyncBufRead + Unpin> AsyncRead for Source<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let available = ready!(self.as_mut().poll_fill_buf(context))?;
        let size = available.len().min(buffer.remaining());
        buffer.put_slice(&available[..size]);
        self.consume(size);
        Poll::Ready(Ok(()))
    }
}
