//! Check values of key-encryption keys: random values that a key wrapped when it was first used with a database. Another
//! key under the same name does not unwrap them.

use super::kek::{DataKeyId, Kek, WrappedKey};
use super::{OpenError, Vault, keyring, store};
use crate::error::Error;
use crate::postgres::{self, Tenant};
use crate::types::AccountId;

/// The place that check values are bound to: of no account, so that none is ever taken for a data key.
const PLACE: DataKeyId = DataKeyId { account: AccountId(-2), generation: 0 };

/// A check value as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckValue {
    /// Id of the key-encryption key, with the version of a key service's key.
    pub kek_id: String,
    /// The wrapped form.
    pub wrapped: Vec<u8>,
}

/// The outcome of checking a key of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// It is the key that was used here before.
    Same,
    /// It is another key.
    Other,
    /// No check value is stored under its name.
    New,
    /// The check value is of a version that the key service has given up.
    Outdated,
    /// The key service does not answer. The check is made up for before the key wraps anything.
    Unanswered,
}

impl Vault {
    /// Checks each key-encryption key of the settings against the check value that is stored under its name. Without one,
    /// data keys that are stored under its name decide.
    pub async fn check_keys(
        &self,
        stored: impl Fn(&str) -> Option<CheckValue>,
    ) -> Result<Vec<(String, KeyCheck)>, Error> {
        let mut checks = Vec::new();
        for kek in self.keyring.keks() {
            let check = match stored(kek.name()) {
                Some(value) => self.check(kek, value).await?,
                None => self.check_by_data_keys(kek).await?,
            };
            checks.push((kek.name().to_owned(), check));
        }
        Ok(checks)
    }

    /// Makes a check value with the key of this name; `None` if there is no such key, or the key service does not answer.
    pub async fn make_check_value(&self, name: &str) -> Result<Option<CheckValue>, Error> {
        let Some(kek) = self.keyring.keks().find(|kek| kek.name() == name) else { return Ok(None) };
        let fresh = [(PLACE, keyring::random_key()?)];
        match self.keyring.wrap_under(kek, &fresh).await {
            Ok(wrapped) => {
                Ok(wrapped.into_iter().next().map(|key| CheckValue { kek_id: key.kek_id, wrapped: key.bytes }))
            }
            Err(Error::KeyService(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn check(&self, kek: &dyn Kek, value: CheckValue) -> Result<KeyCheck, Error> {
        let value = WrappedKey { id: PLACE, kek_id: value.kek_id, bytes: value.wrapped };
        match kek.unwrap(&[&value]).await {
            Ok(unwrapped) => Ok(match unwrapped.into_iter().next() {
                Some(Ok(_)) => KeyCheck::Same,
                Some(Err(OpenError::NoKek)) => KeyCheck::Outdated,
                Some(Err(_)) | None => KeyCheck::Other,
            }),
            Err(Error::KeyService(_)) => {
                self.keyring.check_before_wrapping(kek.name(), value);
                Ok(KeyCheck::Unanswered)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks at a few data keys, because one that was tampered with must not decide.
    async fn check_by_data_keys(&self, kek: &dyn Kek) -> Result<KeyCheck, Error> {
        let mut transaction = postgres::begin(&self.pool, Tenant::Every).await?;
        let some = store::some_under(&mut transaction, kek.name()).await?;
        drop(transaction);
        let some: Vec<_> = some.iter().filter(|key| kek.owns(&key.kek_id)).collect();
        if some.is_empty() {
            return Ok(KeyCheck::New);
        }
        match kek.unwrap(&some).await {
            Ok(unwrapped) if unwrapped.iter().all(|key| matches!(key, Err(OpenError::Rejected))) => Ok(KeyCheck::Other),
            Ok(_) => Ok(KeyCheck::New),
            Err(Error::KeyService(_)) => Ok(KeyCheck::Unanswered),
            Err(error) => Err(error),
        }
    }
}
