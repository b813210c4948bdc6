//! Failures of sealing and opening.

/// Why a sealed value or a wrapped data key does not open. Never reveals more than that: neither the byte nor the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short to be one.
    #[error("the sealed form is malformed")]
    Malformed,
    /// Written by a version that this one does not know.
    #[error("the sealed form has an unknown format")]
    UnknownFormat,
    /// Tampered with, or not sealed for this place.
    #[error("the seal does not match the value or its place")]
    Rejected,
    /// The account has no data key of this generation.
    #[error("the data key of generation {0} is missing")]
    NoDataKey(u32),
    /// The keyring lacks the key that wraps the data key, or the key service has given it up.
    #[error("the key-encryption key of a data key is not in the keyring")]
    NoKek,
    /// The place was filled, and nobody who may has emptied it.
    #[error("the stored value is missing")]
    Missing,
    /// The sealed value is not text.
    #[error("the sealed value is not text")]
    NotText,
}

/// The operating system gave no random numbers, so nothing can be sealed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no random numbers for sealing")]
pub struct SealError;

/// Why the key service is of no use just now. Nothing of its answer is repeated: it is given data keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// It did not answer in time, or not at all.
    #[error("the key service cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It answered with this status: 403 means the token, 404 and 400 the address, the mount or the key, 503 that it is
    /// sealed.
    #[error("the key service refused with status {0}")]
    Refused(u16),
    /// It answered with something that cannot be.
    #[error("the key service gave a wrong answer: {0}")]
    WrongAnswer(&'static str),
    /// The file with the token cannot be read.
    #[error("the token for the key service cannot be read")]
    TokenFile(#[source] std::io::Error),
    /// A setting cannot be used.
    #[error("{0} for the key service cannot be used")]
    Settings(&'static str),
}
