//! Text of other programs, and text for URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Lines of a program's output that an error shows.
const LINES: usize = 15;

/// All characters that are encoded in a URL: right in every part of one.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns the last lines that a program printed.
pub(crate) fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "(nothing)".to_owned() } else { lines[lines.len().saturating_sub(LINES)..].join("\n") }
}

/// Encodes a part of a URL.
pub(crate) fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::{percent_encode, tail};

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(percent_encode("a-b._~9"), "a-b._~9");
        assert_eq!(percent_encode("p@ss/w:rd +ü%"), "p%40ss%2Fw%3Ard%20%2B%C3%BC%25");
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        let many = "\nfirst\n".to_owned() + &"line\n\n".repeat(14) + "last";
        assert_eq!(tail(many.as_bytes()), "line\n".repeat(14) + "last");
        assert_eq!(tail(b""), "(nothing)");
    }
}
