//! Reads an answer event by event.

use quick_xml::Reader;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use tokio::io::AsyncBufRead;

use super::digest::Products;
use super::fault::Fault;
use super::message::Messages;
use super::source::{Source, Stop};
use super::writer::{Step, Writer};
use super::{Answer, AnswerError, Limits, NotXml, finish};
use crate::request::Request;
use crate::scrub::Scrub;

/// From this size on the buffer of an event is given back.
const LARGE: usize = 1 << 20;

/// The place of the reader in the envelope.
enum Place<'a> {
    Start,
    Envelope,
    Body,
    Response(Box<Writer<'a>>),
    /// In the body or the envelope, the response is complete.
    After(Box<Writer<'a>>),
    Fault(Fault),
    Failed(AnswerError),
}

struct State<'a> {
    place: Place<'a>,
    request: &'a Request,
    scrub: &'a Scrub,
    limits: Limits,
    depth: usize,
    elements: usize,
    /// The depth within an element that is skipped.
    skipped: usize,
}

pub(super) async fn read<R: AsyncBufRead + Unpin>(
    request: &Request,
    content_type: Option<&str>,
    body: R,
    limits: Limits,
    scrub: &Scrub,
) -> Result<Answer, AnswerError> {
    let mut reader = Reader::from_reader(Source::new(body, content_type, limits.bytes));
    reader.config_mut().expand_empty_elements = true;
    let mut state = State { place: Place::Start, request, scrub, limits, depth: 0, elements: 0, skipped: 0 };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        buffer.shrink_to(LARGE);
        reader.get_mut().piece();
        let goes_on = match reader.read_event_into_async(&mut buffer).await {
            Ok(event) => state.event(event)?,
            Err(error) => return Err(of(error, reader.get_mut().stop)),
        };
        if !goes_on {
            return state.finish();
        }
    }
}

impl State<'_> {
    /// Takes an event. Returns false at the end of the envelope.
    fn event(&mut self, event: Event<'_>) -> Result<bool, AnswerError> {
        match event {
            Event::Start(start) => self.start(&start)?,
            Event::End(_) => return Ok(self.end()),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.reference(&reference)?,
            Event::DocType(kind) if starts_with_html(&kind) => return Err(AnswerError::NotXml(NotXml::Html)),
            Event::DocType(_) => return Err(AnswerError::Doctype),
            Event::Eof => return Err(AnswerError::Truncated),
            // Empty elements come as two events.
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) => {}
        }
        Ok(true)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), AnswerError> {
        self.depth += 1;
        self.elements += 1;
        if self.depth > self.limits.depth {
            return Err(AnswerError::TooDeep);
        }
        if self.elements > self.limits.elements {
            return Err(AnswerError::TooManyElements);
        }
        if self.skipped > 0 {
            self.skipped += 1;
            return Ok(());
        }
        let name = start.local_name();
        let local = name.as_ref();
        match &mut self.place {
            Place::Start if local.as_bytes() == b"Envelope" => self.place = Place::Envelope,
            Place::Start if local.eq_ignore_ascii_case("html") => return Err(AnswerError::NotXml(NotXml::Html)),
            Place::Start => return Err(AnswerError::WrongElement),
            Place::Envelope if local == "Body" => self.place = Place::Body,
            Place::Body if local == self.request.variant.operation.response.local => {
                self.place = Place::Response(Box::new(self.writer()));
            }
            Place::Body if local == "Fault" => self.place = Place::Fault(Fault::default()),
            Place::Response(writer) => {
                if writer.start(local.as_bytes(), is_nil(start)) == Step::Skip {
                    self.skipped = 1;
                }
                // The nulls of an answer may make it larger than its XML, but not without bound.
                if writer.out.len() as u64 > self.limits.bytes.saturating_mul(2) {
                    return Err(AnswerError::TooLarge);
                }
            }
            Place::Fault(fault) => fault.start(local.as_bytes()),
            Place::Envelope | Place::Body | Place::After(_) | Place::Failed(_) => self.skipped = 1,
        }
        Ok(())
    }

    fn end(&mut self) -> bool {
        self.depth = self.depth.saturating_sub(1);
        if self.skipped > 0 {
            self.skipped -= 1;
            return true;
        }
        match std::mem::replace(&mut self.place, Place::Start) {
            Place::Response(mut writer) => {
                self.place = if writer.end() { Place::Response(writer) } else { Place::After(writer) };
            }
            Place::Fault(mut fault) => {
                self.place =
                    if fault.end() { Place::Fault(fault) } else { Place::Failed(fault.into_error(self.scrub)) };
            }
            Place::Body => self.place = Place::Failed(AnswerError::WrongElement),
            place => self.place = place,
        }
        self.depth > 0
    }

    fn text(&mut self, text: &str) {
        match &mut self.place {
            _ if self.skipped > 0 => {}
            Place::Response(writer) => writer.text(text),
            Place::Fault(fault) => fault.text(text),
            _ => {}
        }
    }

    /// Resolves a character reference or one of the five entities. There are no others without a document type.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), AnswerError> {
        match reference.resolve_char_ref() {
            Ok(Some(character)) => self.text(character.encode_utf8(&mut [0; 4])),
            Ok(None) => self.text(resolve_xml_entity(reference).ok_or(AnswerError::Malformed)?),
            Err(_) => return Err(AnswerError::Malformed),
        }
        Ok(())
    }

    fn finish(self) -> Result<Answer, AnswerError> {
        match self.place {
            Place::After(writer) => Ok(finish::finish(self.request, *writer)),
            Place::Failed(error) => Err(error),
            _ => Err(AnswerError::WrongElement),
        }
    }
}

impl<'a> State<'a> {
    fn writer(&self) -> Writer<'a> {
        let variant = &self.request.variant;
        let messages = Messages::new(&variant.codes, &variant.operation.service);
        Writer::new(&variant.shape, self.scrub, messages, variant.digest.and_then(Products::new))
    }
}

/// Reads `xsi:nil`, with any prefix.
fn is_nil(start: &BytesStart<'_>) -> bool {
    let raw = start.attributes_raw();
    memchr::memmem::find(raw.as_bytes(), b"nil").is_some()
        && start.attributes().with_checks(false).flatten().any(|attribute| {
            attribute.key.local_name().as_ref() == "nil" && matches!(attribute.value.trim(), "true" | "1")
        })
}

fn starts_with_html(kind: &str) -> bool {
    kind.trim_start().get(..4).is_some_and(|word| word.eq_ignore_ascii_case("html"))
}

fn of(error: Error, stop: Option<Stop>) -> AnswerError {
    match (stop, error) {
        (Some(Stop::TooLarge), _) => AnswerError::TooLarge,
        (Some(Stop::Encoding), _) => AnswerError::Encoding,
        (Some(Stop::Empty), _) => AnswerError::NotXml(NotXml::Empty),
        (Some(Stop::Garbage), _) => AnswerError::NotXml(NotXml::Garbage),
        (None, Error::Io(error)) => {
            AnswerError::Io(std::sync::Arc::try_unwrap(error).unwrap_or_else(|shared| shared.kind().into()))
        }
        (None, Error::Syntax(SyntaxError::InvalidBangMarkup)) => AnswerError::Malformed,
        // All other errors of the syntax are of something that is not closed.
        (None, Error::Syntax(_)) => AnswerError::Truncated,
        (None, _) => AnswerError::Malformed,
    }
}
