//! A value of an answer as JSON.

use std::borrow::Cow;

use crate::model::{Base, Simple};
use crate::shape::{Number, Role};

/// Writes a text that is [`normalised`] and not blank. A value that its type cannot read is passed on as text.
pub(super) fn write(out: &mut Vec<u8>, simple: &Simple, number: Number, text: &str) {
    let trimmed = text.trim();
    if let Some(value) = simple.values.as_ref().and_then(|values| values.matching(trimmed))
        && !matches!(simple.base, Base::Int | Base::Integer)
    {
        return string(out, value);
    }
    if number != Number::Plain || matches!(simple.base, Base::Int | Base::Integer | Base::Double) {
        let written = match (number, simple.base) {
            (Number::Whole, _) => decimal(out, trimmed, true),
            (Number::Any, _) => decimal(out, trimmed, false),
            (Number::Plain, Base::Double) => double(out, trimmed),
            (Number::Plain, _) => integer(out, trimmed),
        };
        if !written {
            string(out, trimmed);
        }
        return;
    }
    match simple.base {
        Base::Boolean if trimmed == "1" || trimmed.eq_ignore_ascii_case("true") => out.extend_from_slice(b"true"),
        Base::Boolean if trimmed == "0" || trimmed.eq_ignore_ascii_case("false") => out.extend_from_slice(b"false"),
        _ => string(out, text),
    }
}

/// Writes a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// The text as its type reads it: without blanks around it, and in a token with one blank between words. A string stays as it is.
pub(super) fn normalised<'a>(simple: &Simple, role: Role, text: &'a str) -> Cow<'a, str> {
    let trimmed = text.trim();
    match simple.base {
        Base::String if role == Role::Severity => capitalised(trimmed).into(),
        Base::String => text.into(),
        Base::Token if !is_collapsed(trimmed) => trimmed.split_ascii_whitespace().collect::<Vec<_>>().join(" ").into(),
        _ => trimmed.into(),
    }
}

fn is_collapsed(trimmed: &str) -> bool {
    let blank = |byte: u8| byte.is_ascii_whitespace();
    let bytes = trimmed.as_bytes();
    !bytes.iter().any(|&byte| blank(byte) && byte != b' ')
        && !bytes.windows(2).any(|pair| blank(pair[0]) && blank(pair[1]))
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// The parts of a number: sign, digits without leading zeros, fraction, exponent.
fn parts(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (digits, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, ""));
    if digits.len() < rest.len() {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if unsigned.is_empty() || !all_digits(unsigned) {
            return None;
        }
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    Some((sign, if whole.is_empty() { "0" } else { whole }, fraction, exponent))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(out: &mut Vec<u8>, (sign, whole, fraction, exponent): (&str, &str, &str, &str)) {
    for part in [sign, whole, if fraction.is_empty() { "" } else { "." }, fraction] {
        out.extend_from_slice(part.as_bytes());
    }
    if !exponent.is_empty() {
        out.push(b'e');
        out.extend_from_slice(exponent.as_bytes());
    }
}

fn integer(out: &mut Vec<u8>, text: &str) -> bool {
    match parts(text) {
        Some(parts @ (_, _, "", "")) if !text.contains('.') => {
            number(out, parts);
            true
        }
        _ => false,
    }
}

fn decimal(out: &mut Vec<u8>, text: &str, whole: bool) -> bool {
    match parts(text) {
        Some((sign, digits, fraction, "")) => {
            let fraction = if whole && fraction.bytes().all(|digit| digit == b'0') { "" } else { fraction };
            number(out, (sign, digits, fraction, ""));
            true
        }
        _ => false,
    }
}

fn double(out: &mut Vec<u8>, text: &str) -> bool {
    parts(text).map(|parts| number(out, parts)).is_some()
}
