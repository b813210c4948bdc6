//! The root part of a multipart answer (MTOM).
//!
//! The end of the part is not looked for: the reader stops where the SOAP envelope ends.

use super::encoding::parameter;
use super::source::Stop;

/// The longest line in front of the root part that is looked at.
const LONGEST_LINE: usize = 4 << 10;

/// Finds where the root part begins.
pub(super) struct Multipart {
    /// `--boundary`; the first line that begins with two hyphens if the header names none.
    delimiter: Option<Vec<u8>>,
    /// The Content-ID of the root part; the first part if the header names none.
    start: Option<String>,
    state: State,
    line: Vec<u8>,
    charset: Option<String>,
    part: Part,
}

#[derive(PartialEq, Eq)]
enum State {
    /// Nothing but blanks yet.
    Beginning,
    Skipping,
    Headers,
    Content,
}

#[derive(Default)]
struct Part {
    id: Option<String>,
    charset: Option<String>,
    encoded: bool,
}

impl Multipart {
    /// Prepares for an answer whose Content-Type is multipart.
    pub fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.trim_start().get(..10)?;
        kind.eq_ignore_ascii_case("multipart/").then(|| Self {
            delimiter: parameter(content_type, "boundary").map(|boundary| format!("--{boundary}").into_bytes()),
            start: parameter(content_type, "start").map(|id| bare(&id).to_owned()),
            state: State::Beginning,
            line: Vec::new(),
            charset: None,
            part: Part::default(),
        })
    }

    /// The `charset` of the root part's own Content-Type.
    pub fn charset(&mut self) -> Option<String> {
        self.charset.take()
    }

    /// Returns how many of the bytes come before the content of the root part.
    pub fn skip(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let mut at = 0;
        while self.state != State::Content {
            let Some(&byte) = bytes.get(at) else { break };
            if self.state == State::Beginning {
                match byte {
                    // The header lies: there is XML without an envelope around it.
                    b'<' | 0xEF | 0xFE | 0xFF => {
                        self.state = State::Content;
                        break;
                    }
                    byte if byte.is_ascii_whitespace() => {}
                    _ => self.state = State::Skipping,
                }
            }
            at += 1;
            if byte != b'\n' {
                if self.line.len() < LONGEST_LINE {
                    self.line.push(byte);
                } else if self.state == State::Headers {
                    return Err(Stop::Garbage);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            self.end_of_line(line.trim_ascii())?;
        }
        Ok(at)
    }

    fn end_of_line(&mut self, line: &[u8]) -> Result<(), Stop> {
        match self.state {
            State::Beginning | State::Content => {}
            State::Skipping => {
                let delimiter = self.delimiter.as_deref();
                if delimiter.map_or_else(|| line.starts_with(b"--"), |delimiter| line == delimiter) {
                    self.delimiter.get_or_insert_with(|| line.to_vec());
                    self.part = Part::default();
                    self.state = State::Headers;
                }
            }
            State::Headers if line.is_empty() => {
                let wanted = match (&self.start, &self.part.id) {
                    (Some(start), Some(id)) => start == id,
                    _ => true,
                };
                if wanted && self.part.encoded {
                    return Err(Stop::Encoding);
                }
                self.state = if wanted { State::Content } else { State::Skipping };
                self.charset = self.part.charset.take();
            }
            State::Headers => self.header(line),
        }
        Ok(())
    }

    fn header(&mut self, line: &[u8]) {
        let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':')) else { return };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "content-id" => self.part.id = Some(bare(value).to_owned()),
            "content-type" => self.part.charset = parameter(value, "charset"),
            "content-transfer-encoding" => {
                self.part.encoded = !["7bit", "8bit", "binary"].iter().any(|one| value.eq_ignore_ascii_case(one));
            }
            _ => {}
        }
    }
}

fn bare(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}
