//! A supplier's answer as JSON, made while it arrives.

mod digest;
mod encoding;
mod error;
mod fault;
mod finish;
mod message;
mod multipart;
mod read;
mod source;
mod value;
mod writer;

use tokio::io::AsyncBufRead;

pub use error::{AnswerError, NotXml};

use crate::codes::Verdict;
use crate::request::Request;
use crate::scrub::Scrub;

/// The limits of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes, after the decompression.
    pub bytes: u64,
    /// The deepest nesting of elements.
    pub depth: usize,
    /// The most elements.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 64, elements: 2_000_000 }
    }
}

/// An answer that the supplier gave in its response element.
#[derive(Clone)]
pub struct Answer {
    /// The JSON for the caller.
    pub json: Vec<u8>,
    /// The supplier's messages, at most a hundred.
    pub messages: Vec<Message>,
    /// The verdict on the login.
    pub verdict: Verdict,
    /// The login was accepted and no message is an error: the answer may be kept.
    pub complete_without_error: bool,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Answer").field("verdict", &self.verdict).finish_non_exhaustive()
    }
}

/// A message of the supplier, scrubbed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The code, also where it leads the text.
    pub code: Option<i64>,
    /// The text, at most 1,000 characters.
    pub description: String,
    /// The severity.
    pub severity: Severity,
}

/// The severity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is wrong.
    Information,
    /// Something may be wrong.
    Warning,
    /// Something is wrong; also a severity that the standard does not have.
    Error,
}

/// Reads an answer while it arrives, and makes its JSON.
///
/// The login is scrubbed from it. The XML is never held as a whole.
pub async fn read_answer<R: AsyncBufRead + Unpin>(
    request: &Request,
    content_type: Option<&str>,
    body: R,
    limits: Limits,
    scrub: &Scrub,
) -> Result<Answer, AnswerError> {
    read::read(request, content_type, body, limits, scrub).await
}
