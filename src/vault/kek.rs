//! A key-encryption key, local or in a key service: it wraps data keys, and unwraps those that it wrapped. Many at once,
//! because one that is across a network answers many as fast as one.

use std::pin::Pin;

use zeroize::Zeroizing;

use super::{Binding, OpenError};
use crate::error::Error;
use crate::types::AccountId;

/// A data key in plain.
pub(super) type RawKey = Zeroizing<[u8; 32]>;

/// A call of a key-encryption key, as a future.
pub(super) type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Which data key: whose, and which of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataKeyId {
    /// The account whose values it seals.
    pub account: AccountId,
    /// From 1; the highest seals, the others only open.
    pub generation: u32,
}

impl DataKeyId {
    /// A position before every data key.
    pub const BEFORE_ALL: Self = Self { account: AccountId(i64::MIN), generation: 0 };

    /// The binding of its wrapped form: format, account, key-encryption key, generation.
    pub(super) fn authenticated(self, format: u8, kek: &str) -> Vec<u8> {
        let place = Binding::new(&[b"data key", &self.generation.to_be_bytes()]);
        place.authenticated(format, self.account, kek.as_bytes()).into_vec()
    }
}

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrappedKey {
    pub id: DataKeyId,
    /// Which key-encryption key unwraps it, and which version of that.
    pub kek_id: String,
    /// In a form of `wrapped.rs`.
    pub bytes: Vec<u8>,
}

/// A key-encryption key of the operator.
pub(super) trait Kek: Send + Sync {
    /// How it is called in settings, logs and listings.
    fn name(&self) -> &str;

    /// Some digits of a hash of it, by which people recognise it; none if nobody here holds the key.
    fn fingerprint(&self) -> Option<String>;

    /// Whether what is stored with this id was wrapped by it.
    fn owns(&self, kek_id: &str) -> bool;

    /// The id that it would store with a data key now.
    fn current_id(&self) -> Asked<'_, String>;

    /// Wraps data keys; as many, in the same order.
    fn wrap<'a>(&'a self, keys: &'a [(DataKeyId, RawKey)]) -> Asked<'a, Vec<WrappedKey>>;

    /// Unwraps data keys that it owns; as many, in the same order. An error of the whole means that the key cannot be had
    /// just now; an error of one, that this one does not open.
    fn unwrap<'a>(&'a self, keys: &'a [&'a WrappedKey]) -> Asked<'a, Vec<Result<RawKey, OpenError>>>;

    /// Whether the key can be had just now.
    fn reachable(&self) -> Asked<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
