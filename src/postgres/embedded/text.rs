//! Text of other programs, and text for them.

use std::fmt::Write as _;

/// How much of a program's output an error shows.
const LINES: usize = 15;

/// The last lines of what a program printed.
pub(super) fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "(nothing)".to_owned() } else { lines[lines.len().saturating_sub(LINES)..].join("\n") }
}

/// Everything but letters, digits and `-._~` as `%XX`: right in every part of a URL.
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
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
