//! A data key in use: seals and opens values of one account.

use aes_gcm::aead::{Aead, Generate, Key, KeyInit, Nonce, Payload};
use aes_gcm::{AeadInOut, Aes256Gcm, Tag};
use secrecy::SecretString;
use zeroize::{Zeroize, Zeroizing};

use super::sealed::{FORMAT, NONCE, Sealed, TAG};
use super::{Binding, OpenError, SealError};
use crate::types::AccountId;

/// The key schedule of one data key. Setting it up costs as much as sealing a password, so it is kept.
pub(super) struct DataKey {
    generation: u32,
    cipher: Aes256Gcm,
}

impl DataKey {
    pub(super) fn new(generation: u32, key: &Zeroizing<[u8; 32]>) -> Self {
        Self { generation, cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(**key)) }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn seal(&self, account: AccountId, text: &str, binding: &Binding) -> Result<Sealed, SealError> {
        let aad = binding.authenticated(FORMAT, account, &self.generation.to_be_bytes());
        let (nonce, ciphertext) = encrypt(&self.cipher, text.as_bytes(), &aad)?;
        Ok(Sealed::assemble(self.generation, &nonce, &ciphertext))
    }

    pub(super) fn open(
        &self,
        account: AccountId,
        sealed: &Sealed,
        binding: &Binding,
    ) -> Result<SecretString, OpenError> {
        let aad = binding.authenticated(FORMAT, account, &sealed.generation().to_be_bytes());
        let mut plain = decrypt(&self.cipher, &sealed.nonce(), sealed.ciphertext(), &aad)?;
        // What was opened becomes the secret where it is: there is no copy to be wiped.
        match String::from_utf8(std::mem::take(&mut *plain).into_vec()) {
            Ok(text) => Ok(text.into()),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(OpenError::NotText)
            }
        }
    }
}

/// Encrypts under a fresh nonce from the operating system. The ciphertext ends with the tag.
pub(super) fn encrypt(cipher: &Aes256Gcm, plain: &[u8], aad: &[u8]) -> Result<([u8; NONCE], Vec<u8>), SealError> {
    let nonce = Nonce::<Aes256Gcm>::try_generate().map_err(|_| SealError)?;
    let ciphertext = cipher.encrypt(&nonce, Payload { msg: plain, aad }).map_err(|_| SealError)?;
    Ok((nonce.into(), ciphertext))
}

/// Decrypts into memory that is wiped, and of just that size. `sealed` is the ciphertext and its tag.
pub(super) fn decrypt(
    cipher: &Aes256Gcm,
    nonce: &[u8; NONCE],
    sealed: &[u8],
    aad: &[u8],
) -> Result<Zeroizing<Box<[u8]>>, OpenError> {
    let (ciphertext, tag) = sealed.split_last_chunk::<TAG>().ok_or(OpenError::Malformed)?;
    let mut plain = Zeroizing::new(Box::<[u8]>::from(ciphertext));
    cipher
        .decrypt_inout_detached(&Nonce::<Aes256Gcm>::from(*nonce), aad, plain.as_mut().into(), &Tag::from(*tag))
        .map_err(|_| OpenError::Rejected)?;
    Ok(plain)
}
