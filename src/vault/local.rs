//! A key-encryption key of the keyring: 32 bytes that the operator gave to this process.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Key, KeyInit};
use sha2::{Digest, Sha256};

use super::data_key::{decrypt, encrypt};
use super::kek::{Asked, DataKeyId, Kek, RawKey, WrappedKey};
use super::wrapped::{LOCAL, Wrapped};
use super::{OpenError, SealError};

/// A key of the keyring, ready to use.
pub(super) struct LocalKey {
    id: String,
    cipher: Aes256Gcm,
    fingerprint: String,
}

impl LocalKey {
    pub(super) fn new(id: &str, key: &RawKey) -> Self {
        // Not the hash of the key alone: nobody else's hash of the same key is comparable.
        let hash = Sha256::new().chain_update(b"credenza key fingerprint").chain_update(key.as_slice()).finalize();
        let mut digits = [0; 8];
        digits.copy_from_slice(&hash[..8]);
        let fingerprint = format!("{:016x}", u64::from_be_bytes(digits));
        Self { id: id.to_owned(), cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(**key)), fingerprint }
    }

    fn wrap_one(&self, id: DataKeyId, key: &RawKey) -> Result<WrappedKey, SealError> {
        let (nonce, ciphertext) = encrypt(&self.cipher, key.as_slice(), &id.authenticated(LOCAL, &self.id))?;
        let ciphertext = ciphertext.try_into().map_err(|_| SealError)?;
        Ok(WrappedKey { id, kek_id: self.id.clone(), bytes: Wrapped::Local { nonce, ciphertext }.to_bytes() })
    }

    fn unwrap_one(&self, key: &WrappedKey) -> Result<RawKey, OpenError> {
        let Wrapped::Local { nonce, ciphertext } = Wrapped::parse(&key.bytes)? else {
            return Err(OpenError::UnknownFormat);
        };
        let plain = decrypt(&self.cipher, &nonce, &ciphertext, &key.id.authenticated(LOCAL, &self.id))?;
        let mut raw = RawKey::default();
        if plain.len() != raw.len() {
            return Err(OpenError::Malformed);
        }
        raw.copy_from_slice(&plain);
        Ok(raw)
    }
}

impl Kek for LocalKey {
    fn name(&self) -> &str {
        &self.id
    }

    fn fingerprint(&self) -> Option<String> {
        Some(self.fingerprint.clone())
    }

    fn owns(&self, kek_id: &str) -> bool {
        self.id == kek_id
    }

    fn current_id(&self) -> Asked<'_, String> {
        Box::pin(std::future::ready(Ok(self.id.clone())))
    }

    fn wrap<'a>(&'a self, keys: &'a [(DataKeyId, RawKey)]) -> Asked<'a, Vec<WrappedKey>> {
        let wrapped = keys.iter().map(|(id, key)| self.wrap_one(*id, key)).collect::<Result<Vec<_>, _>>();
        Box::pin(std::future::ready(wrapped.map_err(Into::into)))
    }

    fn unwrap<'a>(&'a self, keys: &'a [&'a WrappedKey]) -> Asked<'a, Vec<Result<RawKey, OpenError>>> {
        Box::pin(std::future::ready(Ok(keys.iter().map(|key| self.unwrap_one(key)).collect())))
    }
}
