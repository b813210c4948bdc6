//! Text that a caller may store: 1 to 255 Unicode code points, no control characters. Nothing is trimmed, case-folded or
//! normalised, so that what comes back is what was sent and two spellings never become one row.

use std::fmt;
use std::sync::Arc;

/// Longest accepted text, in Unicode code points.
pub const MAX_CHARS: usize = 255;

/// Why a text was refused. Says what is wrong and never repeats the text, which may be a secret.
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
}

/// Checks the one rule for text.
pub(super) fn check(text: &str) -> Result<(), InvalidText> {
    if text.is_empty() {
        return Err(InvalidText::Empty);
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        return Err(InvalidText::TooLong);
    }
    if text.chars().any(char::is_control) {
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

    /// The code as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_code_points_not_bytes() {
        assert!(check(&"ß".repeat(255)).is_ok());
        assert_eq!(check(&"ß".repeat(256)), Err(InvalidText::TooLong));
        assert_eq!(check(""), Err(InvalidText::Empty));
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
