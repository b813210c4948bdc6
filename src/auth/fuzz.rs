//! Properties that hold for any `Authorization` header.

#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::authorization::{Authorization, read, read_key_pair};
use crate::oauth;

/// The parsed text is a part of the header, is the same with the scheme in any case, and is in no refusal. A key pair
/// is the one that was written.
pub fn check(input: &[u8]) {
    let header = String::from_utf8_lossy(input);
    match read(&header) {
        Authorization::Nothing => assert!(header.trim().len() <= "bearer".len()),
        Authorization::Bearer(token) => {
            assert!(!token.is_empty() && header.contains(token));
            assert_eq!(read(&format!("bEARER  {token} ")), Authorization::Bearer(token));
            // Reasons are fixed sentences; a header that is accepted has one of the two algorithms.
            if let Ok(header) = oauth::read_header(token) {
                assert!(matches!(format!("{:?}", header.alg).as_str(), "RS256" | "ES256"));
                assert!(header.jku.is_none() && header.x5u.is_none() && header.crit.is_none());
            }
        }
        Authorization::KeyPair(encoded) => {
            assert!(header.contains(encoded));
            assert_eq!(read(&format!("bASIC {encoded}")), Authorization::KeyPair(encoded));
            check_key_pair(encoded);
        }
    }
    // What a fuzzer would have to encode, so that it gets behind the encoding.
    check_key_pair(&BASE64_STANDARD.encode(input));
}

fn check_key_pair(encoded: &str) {
    if let Ok((id, key)) = read_key_pair(encoded) {
        let again = BASE64_STANDARD.encode(format!("{id}:{}", key.expose()));
        assert!(read_key_pair(&again).is_ok_and(|(id_again, again)| id_again == id && again.expose() == key.expose()));
    }
}
