//! A SOAP fault of either version.

use super::AnswerError;
use crate::scrub::Scrub;

/// The most of a fault's text that is kept before it is scrubbed.
const KEPT: usize = 64 << 10;

/// The most characters of a fault's text that leave.
const SHOWN: usize = 200;

/// Collects the text of a fault.
#[derive(Default)]
pub(super) struct Fault {
    path: Vec<Place>,
    text: String,
    code: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `faultstring`, or the `Text` of a `Reason`.
    Text,
    Reason,
    /// `faultcode`, or the `Value` of a `Code`.
    Code,
    CodeValue,
    Other,
}

impl Fault {
    pub fn start(&mut self, local: &[u8]) {
        let place = match (self.path.last(), local) {
            (None, b"faultstring") | (Some(Place::Reason), b"Text") if self.text.trim().is_empty() => Place::Text,
            (None, b"Reason") => Place::Reason,
            (None, b"faultcode") | (Some(Place::CodeValue), b"Value") => Place::Code,
            (None, b"Code") => Place::CodeValue,
            _ => Place::Other,
        };
        self.path.push(place);
    }

    pub fn text(&mut self, text: &str) {
        let target = match self.path.last() {
            Some(Place::Text) => &mut self.text,
            Some(Place::Code) => &mut self.code,
            _ => return,
        };
        let room = KEPT.saturating_sub(target.len());
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        target.push_str(&text[..end]);
    }

    /// Ends an element in the fault. Returns false if it was the fault itself.
    pub fn end(&mut self) -> bool {
        self.path.pop().is_some()
    }

    pub fn into_error(self, scrub: &Scrub) -> AnswerError {
        let text = if self.text.trim().is_empty() { &self.code } else { &self.text };
        // Nothing may change after the scrubbing but the length: a blank or a control character that is taken out could make a login.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain: String = words.chars().filter(|character| !character.is_control()).collect();
        let scrubbed = scrub.text(&plain);
        let text: String = scrubbed.chars().take(SHOWN).collect();
        let lower = scrubbed.to_lowercase();
        let about_login = ["authenticat", "credential", "password", "login"].iter().any(|word| lower.contains(word));
        AnswerError::Fault { text: if text.is_empty() { "no reason given".to_owned() } else { text }, about_login }
    }
}
