//! Text that a caller may store: 1 to 255 Unicode code points, no control characters. Nothing is trimmed, case-folded or
//! normalised, so that what comes back is what was sent and two spellings never become one row.

use std::fmt;
use std::sync::Arc;

/// Longest accepted text, in Unicode code points.
pub const MAX_CHARS: usize = 255;

/// Why a text was refused. Names the error and never repeats the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Zero characters.
    #[error("must not be empty")]
    Empty,
    /// More than [`MAX_CHARS`] code points.
    #[error("must be at most {MAX_CHARS} characters long")]
    TooLong,
    /// NUL or another control character (Unicode category Cc).
    #[error("must not contain control characters")]
    ControlCharacter,
    /// A blank, or a character that nobody sees.
    #[error("must not contain blanks or invisible characters")]
    Invisible,
    /// More than [`MAX_NOTES_CHARS`] code points.
    #[error("must be at most {MAX_NOTES_CHARS} characters long")]
    NotesTooLong,
    /// Not of the form `somebody@somewhere`.
    #[error("must be an e-mail address")]
    NotAnEmail,
    /// Not an origin as a browser writes it.
    #[error("must be an origin such as https://shop.example.com")]
    NotAnOrigin,
    /// Not a range of addresses.
    #[error("must be an address or a range such as 10.0.0.0/8 or 2001:db8::/32")]
    NotARange,
}

/// Checks the one rule for text.
pub(super) fn check(text: &str) -> Result<(), InvalidText> {
    if text.is_empty() {
        return Err(InvalidText::Empty);
    }
    // No more code points than bytes, and ASCII needs no decoding: nearly every text is short and plain.
    if text.len() > MAX_CHARS && text.chars().nth(MAX_CHARS).is_some() {
        return Err(InvalidText::TooLong);
    }
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~');
    if !text.as_bytes().iter().all(is_printable) && text.chars().any(char::is_control) {
        return Err(InvalidText::ControlCharacter);
    }
    Ok(())
}

/// The exact, case-sensitive code of a supplier in the directory. Cheap to clone: it is part of cache keys.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SupplierCode(Arc<str>);

impl SupplierCode {
    /// Takes a code as a caller wrote it. Whether such a supplier exists is the directory's business.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// Takes a code for a new entry of the directory. Two codes that look the same would be one supplier's twin, so nothing
    /// invisible may be in it.
    pub fn parse_new(text: &str) -> Result<Self, InvalidText> {
        let code = Self::parse(text)?;
        if text.chars().any(is_invisible) {
            return Err(InvalidText::Invisible);
        }
        Ok(code)
    }

    /// The code as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character is blank or leaves no mark of its own: white space, Unicode's default-ignorable code points, other
/// format characters, and the two letters that are drawn as nothing.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

impl TryFrom<String> for SupplierCode {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, InvalidText> {
        Self::parse(&text)
    }
}

impl fmt::Display for SupplierCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SupplierCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SupplierCode({:?})", self.as_str())
    }
}

/// A name that a person gave to something: an account, a key, a supplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Takes a name as it was written.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address. Only its form is looked at: something on both sides of one `@`, and no blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Takes an address as it was written.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        check(text)?;
        match text.split_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && !text.contains(char::is_whitespace) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(InvalidText::NotAnEmail),
        }
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longest notes, in Unicode code points.
pub const MAX_NOTES_CHARS: usize = 2000;

/// Notes of a person, over several lines perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notes(String);

impl Notes {
    /// Takes notes as they were written. Line ends and tabs are allowed here, and nothing at all is.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        if text.chars().nth(MAX_NOTES_CHARS).is_some() {
            return Err(InvalidText::NotesTooLong);
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(InvalidText::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// The notes as they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_two_sides_and_notes_may_have_lines() {
        for email in ["a@b", "d.e+f@example.com"] {
            assert!(Email::parse(email).is_ok(), "{email}");
        }
        for email in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n"] {
            assert!(Email::parse(email).is_err(), "{email}");
        }
        assert!(Notes::parse("").is_ok() && Notes::parse("two\nlines").is_ok());
        assert_eq!(Notes::parse("\0"), Err(InvalidText::ControlCharacter));
        assert_eq!(Notes::parse(&"x".repeat(2001)), Err(InvalidText::NotesTooLong));
    }

    #[test]
    fn lengths_count_code_points_not_bytes() {
        assert!(check(&"ß".repeat(255)).is_ok());
        assert_eq!(check(&"ß".repeat(256)), Err(InvalidText::TooLong));
        assert_eq!(check(""), Err(InvalidText::Empty));
    }

    #[test]
    fn a_new_code_has_nothing_invisible() {
        for code in ["HIT", "S&S", "Ärmel-2", "供应商", "e\u{301}"] {
            assert!(SupplierCode::parse_new(code).is_ok(), "{code:?}");
        }
        let invisible = [
            ' ',
            '\u{a0}',
            '\u{ad}',
            '\u{34f}',
            '\u{1680}',
            '\u{180e}',
            '\u{2003}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{202f}',
            '\u{2060}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{e0041}',
            '\u{e0100}',
        ];
        for c in invisible {
            for code in [format!("HIT{c}"), format!("{c}HIT"), format!("H{c}IT"), c.to_string()] {
                assert_eq!(SupplierCode::parse_new(&code), Err(InvalidText::Invisible), "{code:?}");
            }
        }
        assert_eq!(SupplierCode::parse_new("HIT\t"), Err(InvalidText::ControlCharacter));
    }

    #[test]
    fn control_characters_are_refused_and_nothing_is_trimmed() {
        for text in ["a\0", "\n", "a\tb", "\u{7f}", "\u{85}"] {
            assert_eq!(check(text), Err(InvalidText::ControlCharacter), "{text:?}");
        }
        assert_eq!(SupplierCode::parse(" HIT ").unwrap().as_str(), " HIT ");
        assert_ne!(SupplierCode::parse("e\u{301}"), SupplierCode::parse("\u{e9}"));
    }
}
