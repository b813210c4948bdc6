//! The life of an API key: made from random numbers, written down once, recognised by its form, stored as a hash.
//!
//! ```text
//! czs_ ‹43 random base62 characters, 256 bits› ‹6 characters of checksum›    private
//! czp_ ‹22 random base62 characters, 131 bits› ‹6 characters of checksum›    public, 32 characters
//! czo_ ‹43 random base62 characters, 256 bits› ‹6 characters of checksum›    secret of an OAuth2 client
//! ```
//!
//! The prefix lets a leak scanner find a key in a repository, the checksum lets it (and us) tell a key from noise
//! without asking a database.

#[cfg(any(test, fuzzing))]
pub mod fuzz;

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const CHECKSUM: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// For whom a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Servers. Never shown to a browser.
    Private,
    /// Browsers: anyone can read it, so it may do nothing but look at the directory.
    Public,
    /// An OAuth2 client's secret: good only for the token endpoint.
    ClientSecret,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Private, Kind::Public, Kind::ClientSecret];

    /// The first characters of such a key.
    pub const fn prefix(self) -> &'static str {
        match self {
            Kind::Private => "czs_",
            Kind::Public => "czp_",
            Kind::ClientSecret => "czo_",
        }
    }

    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Private => "private",
            Kind::Public => "public",
            Kind::ClientSecret => "client_secret",
        }
    }

    const fn random_characters(self) -> usize {
        match self {
            Kind::Private | Kind::ClientSecret => 43,
            Kind::Public => 22,
        }
    }
}

/// Returns whether a text may contain a key or a part of one, so that it must not stand in a log or in the audit.
pub fn contains_key(text: &[u8]) -> bool {
    Kind::ALL.iter().any(|kind| text.windows(4).any(|part| part.eq_ignore_ascii_case(kind.prefix().as_bytes())))
}

/// A well-formed key in plain. It may exist in nobody's account.
#[derive(Clone)]
pub struct ApiKey {
    kind: Kind,
    text: SecretString,
}

impl ApiKey {
    /// A new key, from a cryptographic generator that the operating system seeds.
    pub fn generate(kind: Kind) -> Self {
        let mut text = String::with_capacity(64);
        text.push_str(kind.prefix());
        Alphanumeric.append_string(&mut rand::rng(), &mut text, kind.random_characters());
        let checksum = checksum(&text);
        text.extend(checksum.map(char::from));
        Self { kind, text: text.into() }
    }

    /// Recognises a key by its form; the error is for the log.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let kind = Kind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()));
        let kind = kind.ok_or("no key of ours by its prefix")?;
        let random = kind.prefix().len() + kind.random_characters();
        if text.len() != random + CHECKSUM || !text.is_ascii() {
            return Err("a key of the wrong length");
        }
        let (body, end) = text.split_at(random);
        if !body[kind.prefix().len()..].bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("a key with characters that none has");
        }
        if end.as_bytes() != checksum(body) {
            return Err("a key whose checksum is wrong");
        }
        Ok(Self { kind, text: text.into() })
    }

    /// For whom it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The key itself, to be shown once.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The last characters, by which people recognise it.
    pub fn last_four(&self) -> &str {
        let text = self.expose();
        &text[text.len() - 4..]
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}…)", self.kind.prefix())
    }
}

/// The first 32 bits of SHA-256 over everything before, as six base62 digits.
fn checksum(body: &str) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(body.as_bytes());
    let mut rest = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let mut characters = [b'0'; CHECKSUM];
    for character in characters.iter_mut().rev() {
        *character = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    characters
}

/// The hash of a key, which is stored and looked up.
#[derive(Clone, Copy, Eq, Hash)]
#[allow(clippy::derived_hash_with_manual_eq, reason = "equal in the same cases, but in constant time")]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// Every byte is looked at, wherever the first difference is.
impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// The secret under which keys are hashed: a stolen table cannot be tried against, not even with a candidate in hand.
/// HMAC and no slow hash: a key is random, so there is nothing to guess, and a slow hash per request would be a lever
/// for denial of service.
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// Takes the secret as the configuration has checked it: 32 bytes.
    pub fn new(secret: &SecretSlice<u8>) -> Option<Self> {
        Hmac::new_from_slice(secret.expose_secret()).ok().map(Self)
    }

    /// MACs under a key that is derived for only one other purpose. The hashed text of an API key begins with a prefix of ours, which no purpose
    /// does, so that neither is ever the other.
    pub fn macs_for(&self, purpose: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(purpose.as_bytes());
        // A key that is shorter than a block is filled with zeros (RFC 2104 §2).
        let mut key = Key::<Hmac<Sha256>>::default();
        let derived = mac.finalize().into_bytes();
        key[..derived.len()].copy_from_slice(&derived);
        Hmac::new(&key)
    }

    /// Returns a MAC that differs between secrets and reveals nothing about this one.
    pub fn fingerprint(&self) -> Vec<u8> {
        self.macs_for("fingerprint").finalize().into_bytes().to_vec()
    }

    /// The stored form of a key.
    pub fn hash(&self, key: &ApiKey) -> KeyHash {
        let mut mac = self.0.clone();
        mac.update(key.expose().as_bytes());
        KeyHash(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_have_their_form_and_are_all_different() {
        let mut seen = HashSet::new();
        for _ in 0..200 {
            for (kind, length) in [(Kind::Private, 53), (Kind::Public, 32), (Kind::ClientSecret, 53)] {
                let key = ApiKey::generate(kind);
                assert_eq!(key.expose().len(), length);
                assert_eq!(ApiKey::parse(key.expose()).unwrap().kind(), kind);
                assert!(seen.insert(key.expose().to_owned()));
            }
        }
    }

    #[test]
    fn neither_debug_output_nor_the_hash_reveals_the_key() {
        let key = ApiKey::generate(Kind::Private);
        assert_eq!(format!("{key:?}"), "ApiKey(czs_…)");
        let pepper = |byte| Pepper::new(&vec![byte; 32].into()).unwrap();
        assert!(pepper(1).hash(&key) == pepper(1).hash(&key));
        assert!(pepper(1).hash(&key) != pepper(2).hash(&key));
    }

    proptest! {
        #[test]
        fn one_changed_character_is_noticed(index in 0usize..53, to in "[0-9A-Za-z]") {
            let key = ApiKey::generate(Kind::Private);
            let mut text = key.expose().to_owned();
            text.replace_range(index..=index, &to);
            prop_assert_eq!(ApiKey::parse(&text).is_ok(), text == key.expose());
        }

        #[test]
        fn noise_is_refused_without_panic(text in "\\PC*", tail in "\\PC{0,60}") {
            prop_assert!(ApiKey::parse(&text).is_err());
            let prefixed = format!("czs_{tail}");
            prop_assert!(ApiKey::parse(&prefixed).is_err());
        }
    }
}
