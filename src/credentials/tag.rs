//! Entity tags (RFC 9110 §8.8.3): which state of the credentials for a supplier somebody has seen.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Bytes of a digest that a tag shows.
const SHOWN: usize = 16;

/// Names one state of what an account has configured for a supplier. Two states differ in their tags if they differ in
/// anything that is shown or in a password; the tag is made of random numbers and of the supplier's name, and reveals
/// nothing of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag of a state: the supplier's display name, the version of the base row, those of the service rows in their
    /// order. A version is new at every write of its row (`migrations/0050_versions.sql`).
    pub(super) fn of(supplier_name: &str, base: Uuid, services: impl IntoIterator<Item = Uuid>) -> Self {
        // Versions have one length, so nothing runs into the name.
        let mut digest = Sha256::new();
        digest.update(base);
        for version in services {
            digest.update(version);
        }
        digest.update(supplier_name);
        Self(BASE64_URL_SAFE_NO_PAD.encode(&digest.finalize()[..SHOWN]))
    }

    /// The opaque part, without the quotation marks of a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}
