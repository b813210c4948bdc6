//! The encoding of an answer: byte order mark, declaration, `charset` of the Content-Type, else UTF-8.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};

/// Finds the encoding by the first bytes. Returns it with the length of the byte order mark, or none for one that is not read.
pub(super) fn detect(head: &[u8], charset: Option<&str>) -> Option<(&'static Encoding, usize)> {
    if head.starts_with(&[0xFF, 0xFE, 0, 0]) || head.starts_with(&[0, 0, 0xFE, 0xFF]) {
        return None;
    }
    if let Some(found) = Encoding::for_bom(head) {
        return Some(found);
    }
    match head {
        [b'<', 0, ..] => return Some((UTF_16LE, 0)),
        [0, b'<', ..] => return Some((UTF_16BE, 0)),
        _ => {}
    }
    for label in [declared(head), charset].into_iter().flatten() {
        match Encoding::for_label(label.as_bytes()) {
            Some(encoding) if encoding == REPLACEMENT => return None,
            // The first bytes would look different.
            Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {}
            Some(encoding) => return Some((encoding, 0)),
            None => {}
        }
    }
    Some((UTF_8, 0))
}

/// The encoding that an XML declaration names.
fn declared(head: &[u8]) -> Option<&str> {
    let head = head.trim_ascii_start().strip_prefix(b"<?xml")?;
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(&head[..end]).ok()?;
    let (_, rest) = declaration.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|character| matches!(character, '"' | '\''))?;
    rest[1..].split(quote).next()
}

/// Reads a parameter of a header like `multipart/related; boundary="x"`.
pub(super) fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.trim_start().strip_prefix(';').unwrap_or_default())
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_quoted_or_not() {
        let header = r#"Multipart/Related; boundary="a;b=c"; type="application/xop+xml" ; Start=<r@x>;charset=utf-8"#;
        assert_eq!(parameter(header, "boundary").as_deref(), Some("a;b=c"));
        assert_eq!(parameter(header, "start").as_deref(), Some("<r@x>"));
        assert_eq!(parameter(header, "charset").as_deref(), Some("utf-8"));
        assert_eq!(parameter(header, "action"), None);
        assert_eq!(parameter("text/xml", "charset"), None);
    }
}
