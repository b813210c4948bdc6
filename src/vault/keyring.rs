//! The operator's key-encryption keys in their order: the first wraps, all unwrap. Keys of the settings, and the one of the
//! key service if there is one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Generate, Key};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::kek::{DataKeyId, Kek, RawKey, WrappedKey};
use super::local::LocalKey;
use super::transit::Transit;
use super::{OpenError, SealError};
use crate::error::{Error, KeyServiceError};

/// The entry that stands for the key of the key service.
const TRANSIT_ENTRY: &str = "transit";

/// Why a text is no keyring. Names the remedy and never repeats a key.
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
    /// The key service is named, but there is none.
    #[error("names `transit`, but CREDENZA_TRANSIT_ADDR is not set")]
    NoKeyService,
}

/// The operator's key-encryption keys. The first wraps, the others only unwrap. Never empty.
pub struct Keyring {
    keks: Vec<Arc<dyn Kek>>,
    /// Check values, by the name of their key, that a key service has to unwrap before its key wraps anything.
    unchecked: Mutex<HashMap<String, WrappedKey>>,
}

impl Keyring {
    /// Reads `id:base64(32 bytes)`, comma-separated.
    pub fn parse(text: &SecretString) -> Result<Self, KeyringError> {
        Self::with_key_service(Some(text), None)
    }

    /// The same with a key service. The list names the place of its key with `transit`; without that, it is the first.
    pub fn with_key_service(text: Option<&SecretString>, transit: Option<Transit>) -> Result<Self, KeyringError> {
        let mut transit: Option<Arc<dyn Kek>> = transit.map(|transit| Arc::new(transit) as _);
        let mut keks: Vec<Arc<dyn Kek>> = Vec::new();
        let mut seen: Vec<RawKey> = Vec::new();
        let text = text.map(ExposeSecret::expose_secret).unwrap_or_default();
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            if entry == TRANSIT_ENTRY {
                keks.push(transit.take().ok_or(KeyringError::NoKeyService)?);
                continue;
            }
            let (id, key) = entry.split_once(':').ok_or(KeyringError::Form(index + 1))?;
            if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
                return Err(KeyringError::Form(index + 1));
            }
            let key = decode(key).ok_or_else(|| KeyringError::Length(id.to_owned()))?;
            if *key == [0; 32] {
                return Err(KeyringError::Zero(id.to_owned()));
            }
            if keks.iter().any(|other| other.name() == id) || seen.contains(&key) {
                return Err(KeyringError::Duplicate(id.to_owned()));
            }
            keks.push(Arc::new(LocalKey::new(id, &key)));
            seen.push(key);
        }
        if let Some(transit) = transit {
            keks.insert(0, transit);
        }
        if keks.is_empty() { Err(KeyringError::Empty) } else { Ok(Self { keks, unchecked: Mutex::default() }) }
    }

    /// A fresh key in the form that [`Keyring::parse`] reads.
    pub fn generate(id: &str) -> Result<SecretString, SealError> {
        let key = random_key()?;
        Ok(format!("{id}:{}", *Zeroizing::new(BASE64_STANDARD.encode(*key))).into())
    }

    /// In their order.
    pub(super) fn keks(&self) -> impl Iterator<Item = &dyn Kek> {
        self.keks.iter().map(AsRef::as_ref)
    }

    pub(super) fn first(&self) -> Result<&dyn Kek, Error> {
        self.keks().next().ok_or(OpenError::NoKek.into())
    }

    /// Wraps data keys under one of the keys, and makes sure that they can be had back: what cannot be unwrapped must
    /// never be stored, however confused a key service is.
    pub(super) async fn wrap_under(
        &self,
        kek: &dyn Kek,
        keys: &[(DataKeyId, RawKey)],
    ) -> Result<Vec<WrappedKey>, Error> {
        self.make_up_for_check(kek).await?;
        let wrapped = kek.wrap(keys).await?;
        let unwrapped = kek.unwrap(&wrapped.iter().collect::<Vec<_>>()).await?;
        let right = keys.iter().zip(&unwrapped).all(|((_, key), back)| back.as_ref() == Ok(key));
        if wrapped.len() != keys.len() || unwrapped.len() != keys.len() || !right {
            return Err(KeyServiceError::WrongAnswer("what it wrapped does not unwrap to the same").into());
        }
        Ok(wrapped)
    }

    /// Has a key checked before it wraps anything, because the key service did not answer when it was to be
    /// checked.
    pub(super) fn check_before_wrapping(&self, name: &str, value: WrappedKey) {
        self.unchecked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value);
    }

    /// Refuses to wrap under a key that does not unwrap its check value.
    async fn make_up_for_check(&self, kek: &dyn Kek) -> Result<(), Error> {
        let unchecked = || self.unchecked.lock().unwrap_or_else(PoisonError::into_inner);
        let value = unchecked().get(kek.name()).cloned();
        let Some(value) = value else { return Ok(()) };
        if let Some(Err(OpenError::Rejected)) = kek.unwrap(&[&value]).await?.first() {
            return Err(KeyServiceError::WrongAnswer("its key is another one than was used here before").into());
        }
        unchecked().remove(kek.name());
        Ok(())
    }

    /// Unwraps data keys, under any keys; as many, in the same order.
    pub(super) async fn unwrap_all(&self, keys: &[WrappedKey]) -> Result<Vec<Result<RawKey, OpenError>>, Error> {
        let mut unwrapped: Vec<_> = keys.iter().map(|_| Err(OpenError::NoKek)).collect();
        for kek in self.keks() {
            let (places, owned): (Vec<_>, Vec<_>) =
                keys.iter().enumerate().filter(|(_, key)| kek.owns(&key.kek_id)).unzip();
            if owned.is_empty() {
                continue;
            }
            for (place, key) in places.into_iter().zip(kek.unwrap(&owned).await?) {
                unwrapped[place] = key;
            }
        }
        Ok(unwrapped)
    }

    /// Unwraps one data key.
    pub(super) async fn unwrap(&self, key: &WrappedKey) -> Result<RawKey, Error> {
        let kek = self.keks().find(|kek| kek.owns(&key.kek_id)).ok_or(OpenError::NoKek)?;
        let unwrapped = kek.unwrap(&[key]).await?.pop();
        Ok(unwrapped.unwrap_or(Err(OpenError::Malformed))?)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keks().map(Kek::name).collect();
        f.debug_struct("Keyring").field("ids", &ids).finish_non_exhaustive()
    }
}

/// 32 bytes from the operating system's generator.
pub(super) fn random_key() -> Result<RawKey, SealError> {
    Ok(Zeroizing::new(<[u8; 32]>::from(Key::<Aes256Gcm>::try_generate().map_err(|_| SealError)?)))
}

/// 32 bytes of base64.
fn decode(text: &str) -> Option<RawKey> {
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
    Some(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::AccountId;

    const A: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    const B: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    const ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn parse(text: &str) -> Result<Keyring, KeyringError> {
        Keyring::parse(&SecretString::from(text))
    }

    fn id(account: i64, generation: u32) -> DataKeyId {
        DataKeyId { account: AccountId(account), generation }
    }

    async fn wrap(keyring: &Keyring, data_key: &RawKey) -> WrappedKey {
        let keys = [(id(1, 1), data_key.clone())];
        keyring.wrap_under(keyring.first().unwrap(), &keys).await.unwrap().remove(0)
    }

    async fn unwrap(keyring: &Keyring, key: WrappedKey) -> Result<RawKey, OpenError> {
        keyring.unwrap_all(&[key]).await.unwrap().remove(0)
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
        assert_eq!(parse(&format!("k:{A},transit")).unwrap_err(), KeyringError::NoKeyService);
    }

    #[test]
    fn a_generated_key_is_accepted_and_not_printed() {
        let text = Keyring::generate("k1").unwrap();
        let keyring = Keyring::parse(&text).unwrap();
        assert_eq!(format!("{keyring:?}"), "Keyring { ids: [\"k1\"], .. }");
    }

    #[test]
    fn a_fingerprint_distinguishes_keys_and_is_no_plain_hash() {
        let of = |text: &str| parse(text).unwrap().first().unwrap().fingerprint().unwrap();
        let (a, b) = (of(&format!("k:{A}")), of(&format!("k:{B}")));
        assert_eq!((a.len(), a == of(&format!("other:{A}")), a == b), (16, true, false));
    }

    #[tokio::test]
    async fn the_first_wraps_and_all_unwrap_but_only_for_the_same_place() {
        let old = parse(&format!("old:{A}")).unwrap();
        let new = parse(&format!("new:{B}, old:{A}")).unwrap();
        let data_key = Zeroizing::new([7; 32]);
        let wrapped = wrap(&old, &data_key).await;
        assert_eq!(unwrap(&new, wrapped.clone()).await.unwrap(), data_key);
        assert_eq!(wrap(&new, &data_key).await.kek_id, "new");

        let moved = |id, kek_id: &str| WrappedKey { id, kek_id: kek_id.to_owned(), ..wrapped.clone() };
        assert_eq!(unwrap(&new, moved(id(2, 1), "old")).await, Err(OpenError::Rejected));
        assert_eq!(unwrap(&new, moved(id(1, 2), "old")).await, Err(OpenError::Rejected));
        assert_eq!(unwrap(&new, moved(id(1, 1), "new")).await, Err(OpenError::Rejected));
        assert_eq!(unwrap(&new, moved(id(1, 1), "gone")).await, Err(OpenError::NoKek));
        let with = |bytes: &[u8]| WrappedKey { bytes: bytes.to_vec(), ..wrapped.clone() };
        for length in 0..wrapped.bytes.len() {
            assert!(unwrap(&new, with(&wrapped.bytes[..length])).await.is_err());
        }
        for bit in 0..wrapped.bytes.len() * 8 {
            let mut flipped = wrapped.bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(&new, with(&flipped)).await.is_err());
        }
    }
}
