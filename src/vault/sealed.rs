//! The stored form of a sealed value: one versioned byte string, parsed before anything is done with it.
//!
//! ```text
//! format (1 byte, 0x01) │ data key generation (4, big endian) │ nonce (12) │ ciphertext (n) │ tag (16)
//! ```

use super::OpenError;

/// The only format so far: AES-256-GCM with a random 96-bit nonce and a 128-bit tag.
pub(super) const FORMAT: u8 = 1;
/// Bytes of a nonce.
pub(super) const NONCE: usize = 12;
/// Bytes of a tag.
pub(super) const TAG: usize = 16;

const HEADER: usize = 1 + 4 + NONCE;

/// A sealed value: safe to store, to cache and to send anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Box<[u8]>);

impl Sealed {
    /// Reads a stored value. Whether it opens is another question.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, OpenError> {
        if bytes.first().is_some_and(|format| *format != FORMAT) {
            return Err(OpenError::UnknownFormat);
        }
        if bytes.len() < HEADER + TAG {
            return Err(OpenError::Malformed);
        }
        Ok(Self(bytes.into()))
    }

    /// Puts a value together. `ciphertext` includes the tag.
    pub(super) fn assemble(generation: u32, nonce: &[u8; NONCE], ciphertext: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + ciphertext.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(ciphertext);
        Self(bytes.into())
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which of the account's data keys opens it.
    pub(super) fn generation(&self) -> u32 {
        u32::from_be_bytes(self.array(1))
    }

    pub(super) fn nonce(&self) -> [u8; NONCE] {
        self.array(1 + 4)
    }

    /// Ciphertext and tag.
    pub(super) fn ciphertext(&self) -> &[u8] {
        &self.0[HEADER..]
    }

    /// `N` bytes of the header, whose presence `parse` has checked.
    fn array<const N: usize>(&self, start: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.0[start..start + N]);
        array
    }
}

impl TryFrom<Vec<u8>> for Sealed {
    type Error = OpenError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, OpenError> {
        Self::parse(bytes)
    }
}
