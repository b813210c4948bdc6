//! The supplier's messages, as they pass by.

use super::{Message, Severity};
use crate::codes::{Codes, Verdict};
use crate::shape::{ObjectRole, Role};

/// The most messages that are kept. All of them count for the verdict.
const MOST: usize = 100;

/// The longest text that is kept.
const LONGEST: usize = 1_000;

/// Collects the messages of an answer.
pub(super) struct Messages<'a> {
    codes: &'a Codes,
    service: &'a str,
    code: Option<i64>,
    /// The code that leads the text.
    leading: Option<i64>,
    description: String,
    severity: Severity,
    pub kept: Vec<Message>,
    pub refused: Option<u16>,
    pub accepted: bool,
    pub error: bool,
}

impl<'a> Messages<'a> {
    pub fn new(codes: &'a Codes, service: &'a str) -> Self {
        Self {
            codes,
            service,
            code: None,
            leading: None,
            description: String::new(),
            severity: Severity::Error,
            kept: Vec::new(),
            refused: None,
            accepted: false,
            error: false,
        }
    }

    /// Notes a part of the current message. The code is read from the text as it was sent: a login may be a number too.
    pub fn part(&mut self, role: Role, sent: &str, scrubbed: &str) {
        let text = scrubbed.trim();
        match role {
            Role::Code => self.code = text.parse().ok(),
            Role::Description => {
                self.leading = leading(sent);
                self.description = text.chars().take(LONGEST).collect();
            }
            Role::Severity if text.eq_ignore_ascii_case("information") => self.severity = Severity::Information,
            Role::Severity if text.eq_ignore_ascii_case("warning") => self.severity = Severity::Warning,
            Role::ErrorText => {
                self.part(Role::Description, sent, scrubbed);
                self.end(ObjectRole::ErrorMessage);
            }
            Role::Severity | Role::None | Role::Note | Role::ProductId | Role::PartId => {}
        }
    }

    /// Ends the current message.
    pub fn end(&mut self, role: ObjectRole) {
        let severity = std::mem::replace(&mut self.severity, Severity::Error);
        let description = std::mem::take(&mut self.description);
        let leading = self.leading.take();
        let message = Message {
            code: self.code.take().or(leading),
            description,
            severity: if role == ObjectRole::ErrorMessage { Severity::Error } else { severity },
        };
        match self.codes.verdict(self.service, &message) {
            Verdict::Refused { code } => self.refused = self.refused.or(Some(code)),
            Verdict::Accepted => self.accepted = true,
            Verdict::Silent => {}
        }
        self.error |= message.severity == Severity::Error;
        if self.kept.len() < MOST {
            self.kept.push(message);
        }
    }
}

/// The code that leads a text: `105: Authentication Credentials failed`.
pub(super) fn leading(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let next = text[end..].chars().next();
    let apart = next.is_none_or(|next| !next.is_alphanumeric() && !matches!(next, '%' | '.' | ','));
    (end == 3 && apart).then(|| text[..end].parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::leading;

    #[test]
    fn a_number_of_three_digits_leads_a_text() {
        for (text, code) in [
            ("105: Authentication Credentials failed", Some(105)),
            (" 160 No results", Some(160)),
            ("999", Some(999)),
            ("(105)", None),
            ("100% wrong", None),
            ("1050: x", None),
            ("10 items", None),
            ("105th", None),
            ("no", None),
            ("", None),
            ("105.5", None),
        ] {
            assert_eq!(leading(text), code, "{text}");
        }
    }
}
