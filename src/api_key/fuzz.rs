//! Properties that hold for any text in a key's place.

#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

use super::{ApiKey, BASE62, Kind, checksum};

/// Only what has a key's form is one, and it is that text; a key with one other character is none. Neither debug output
/// nor a refusal reveals the presented text.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(key) = ApiKey::parse(&text) {
        assert_eq!(key.expose(), text);
        assert!(text.starts_with(key.kind().prefix()) && text.ends_with(key.last_four()));
        assert!(!format!("{key:?}").contains(&text[4..]));
    }
    let kind = Kind::ALL[input.len() % Kind::ALL.len()];
    let digit = |index| char::from(BASE62[usize::from(input.get(index).copied().unwrap_or_default()) % BASE62.len()]);
    let body: String = kind.prefix().chars().chain((0..kind.random_characters()).map(digit)).collect();
    let whole = format!("{body}{}", String::from_utf8_lossy(&checksum(&body)));
    assert!(ApiKey::parse(&whole).is_ok_and(|key| key.kind() == kind && key.expose() == whole));
    // The last byte chooses which character becomes another one.
    let at = usize::from(input.last().copied().unwrap_or_default()) % whole.len();
    let other = if whole[at..].starts_with('a') { "b" } else { "a" };
    assert!(ApiKey::parse(&format!("{}{other}{}", &whole[..at], &whole[at + 1..])).is_err());
    for length in [at, whole.len() - 1] {
        assert!(ApiKey::parse(&whole[..length]).is_err());
    }
}
