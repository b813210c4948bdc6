//! Key-encryption keys: the operator's own, which wrap the data keys and are never in the database.

use std::fmt;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Generate, Key, KeyInit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::data_key::{decrypt, encrypt};
use super::sealed::NONCE;
use super::{Binding, OpenError, SealError};
use crate::types::AccountId;

/// Format of a wrapped data key: `format (1) │ nonce (12) │ ciphertext (32) │ tag (16)`.
const FORMAT: u8 = 1;

/// Why a text is no keyring. Says what to do and never repeats a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is no key in it.
    #[error("holds no key; `credenza keys generate` prints one")]
    Empty,
    /// An entry is not of the form `id:base64`.
    #[error("entry {0} is not of the form id:base64, with an id of at most 64 letters, digits, '.', '_' or '-'")]
    Form(usize),
    /// A key is not 32 bytes of base64.
    #[error("key `{0}` is not the base64 of 32 bytes; `credenza keys generate` prints one")]
    Length(String),
    /// A key is 32 zero bytes.
    #[error("key `{0}` is all zeroes; `credenza keys generate` prints one")]
    Zero(String),
    /// The same id or the same key stands there twice.
    #[error("key `{0}` stands there twice")]
    Duplicate(String),
}

struct MasterKey {
    id: String,
    cipher: Aes256Gcm,
}

/// The operator's key-encryption keys. The first wraps, the others only unwrap.
pub struct Keyring {
    first: MasterKey,
    others: Vec<MasterKey>,
}

impl Keyring {
    /// Reads `id:base64(32 bytes)`, comma-separated.
    pub fn parse(text: &SecretString) -> Result<Self, KeyringError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        let mut seen: Vec<Zeroizing<[u8; 32]>> = Vec::new();
        let entries = text.expose_secret().split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let (id, key) = entry.split_once(':').ok_or(KeyringError::Form(index + 1))?;
            if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
                return Err(KeyringError::Form(index + 1));
            }
            let key = decode(key).ok_or_else(|| KeyringError::Length(id.to_owned()))?;
            if *key == [0; 32] {
                return Err(KeyringError::Zero(id.to_owned()));
            }
            if keys.iter().any(|other| other.id == id) || seen.contains(&key) {
                return Err(KeyringError::Duplicate(id.to_owned()));
            }
            keys.push(MasterKey { id: id.to_owned(), cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key)) });
            seen.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeyringError::Empty)?;
        Ok(Self { first, others: keys.collect() })
    }

    /// A fresh key in the form that [`Keyring::parse`] reads.
    pub fn generate(id: &str) -> Result<SecretString, SealError> {
        let key = Zeroizing::new(<[u8; 32]>::from(Key::<Aes256Gcm>::try_generate().map_err(|_| SealError)?));
        Ok(format!("{id}:{}", *Zeroizing::new(BASE64_STANDARD.encode(*key))).into())
    }

    /// Wraps a data key: the id of the key that did it, and the wrapped form.
    pub(super) fn wrap(
        &self,
        account: AccountId,
        generation: u32,
        data_key: &Zeroizing<[u8; 32]>,
    ) -> Result<(String, Vec<u8>), SealError> {
        let aad = place(generation).authenticated(FORMAT, account, self.first.id.as_bytes());
        let (nonce, ciphertext) = encrypt(&self.first.cipher, data_key.as_slice(), &aad)?;
        Ok((self.first.id.clone(), [&[FORMAT], nonce.as_slice(), &ciphertext].concat()))
    }

    /// Unwraps a data key.
    pub(super) fn unwrap(
        &self,
        account: AccountId,
        generation: u32,
        kek_id: &str,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, OpenError> {
        let key = std::iter::once(&self.first).chain(&self.others).find(|key| key.id == kek_id);
        let key = key.ok_or(OpenError::NoMasterKey)?;
        let (format, rest) = wrapped.split_first().ok_or(OpenError::Malformed)?;
        if *format != FORMAT {
            return Err(OpenError::UnknownFormat);
        }
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(OpenError::Malformed)?;
        let aad = place(generation).authenticated(FORMAT, account, kek_id.as_bytes());
        let plain = decrypt(&key.cipher, nonce, ciphertext, &aad)?;
        let mut data_key = Zeroizing::new([0; 32]);
        if plain.len() != data_key.len() {
            return Err(OpenError::Malformed);
        }
        data_key.copy_from_slice(&plain);
        Ok(data_key)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = std::iter::once(&self.first).chain(&self.others).map(|key| &key.id).collect();
        f.debug_struct("Keyring").field("ids", &ids).finish_non_exhaustive()
    }
}

/// A data key's place within its account.
fn place(generation: u32) -> Binding {
    Binding::new(&[b"data key", &generation.to_be_bytes()])
}

/// 32 bytes of base64.
fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
    Some(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    const B: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    const ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn parse(text: &str) -> Result<Keyring, KeyringError> {
        Keyring::parse(&SecretString::from(text))
    }

    #[test]
    fn weak_default_and_missing_keys_are_refused() {
        assert_eq!(parse("").unwrap_err(), KeyringError::Empty);
        assert_eq!(parse(" , ").unwrap_err(), KeyringError::Empty);
        assert_eq!(parse(A).unwrap_err(), KeyringError::Form(1));
        assert_eq!(parse(&format!(":{A}")).unwrap_err(), KeyringError::Form(1));
        assert_eq!(parse(&format!("a:{A},b c:{B}")).unwrap_err(), KeyringError::Form(2));
        assert_eq!(parse("k:AQID").unwrap_err(), KeyringError::Length("k".to_owned()));
        assert_eq!(parse("k:not base64").unwrap_err(), KeyringError::Length("k".to_owned()));
        assert_eq!(parse(&format!("k:{ZERO}")).unwrap_err(), KeyringError::Zero("k".to_owned()));
        assert_eq!(parse(&format!("k:{A},k:{B}")).unwrap_err(), KeyringError::Duplicate("k".to_owned()));
        assert_eq!(parse(&format!("k:{A},l:{A}")).unwrap_err(), KeyringError::Duplicate("l".to_owned()));
    }

    #[test]
    fn a_generated_key_is_accepted_and_not_printed() {
        let text = Keyring::generate("k1").unwrap();
        let keyring = Keyring::parse(&text).unwrap();
        assert_eq!(format!("{keyring:?}"), "Keyring { ids: [\"k1\"], .. }");
    }

    #[test]
    fn the_first_wraps_and_all_unwrap_but_only_for_the_same_place() {
        let old = parse(&format!("old:{A}")).unwrap();
        let new = parse(&format!("new:{B}, old:{A}")).unwrap();
        let data_key = Zeroizing::new([7; 32]);
        let (id, wrapped) = old.wrap(AccountId(1), 1, &data_key).unwrap();
        assert_eq!(new.unwrap(AccountId(1), 1, &id, &wrapped).unwrap(), data_key);
        assert_eq!(new.wrap(AccountId(1), 1, &data_key).unwrap().0, "new");

        assert_eq!(new.unwrap(AccountId(2), 1, &id, &wrapped), Err(OpenError::Rejected));
        assert_eq!(new.unwrap(AccountId(1), 2, &id, &wrapped), Err(OpenError::Rejected));
        assert_eq!(new.unwrap(AccountId(1), 1, "new", &wrapped), Err(OpenError::Rejected));
        assert_eq!(new.unwrap(AccountId(1), 1, "gone", &wrapped), Err(OpenError::NoMasterKey));
        for length in 0..wrapped.len() {
            assert!(new.unwrap(AccountId(1), 1, &id, &wrapped[..length]).is_err());
        }
        for bit in 0..wrapped.len() * 8 {
            let mut flipped = wrapped.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(new.unwrap(AccountId(1), 1, &id, &flipped).is_err());
        }
    }
}
