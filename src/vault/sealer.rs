//! Sealing new values: under the account's newest data key, which is replaced when it has sealed enough; very many of them
//! under as many data keys as their number takes.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::data_key::DataKey;
use super::kek::{Asked, DataKeyId};
use super::{Binding, Newest, OpenError, SealError, Sealed, Vault, keyring, store};
use crate::error::{Error, Missing};
use crate::postgres::{Tenant, violates};
use crate::types::AccountId;

/// How much an ordinary write seals at most: two pairs.
const SEALS_OF_A_WRITE: u32 = 4;
/// Most seals that are counted at once.
const AT_ONCE: u64 = 1 << 16;

/// Seals values of one account under one data key.
pub struct Sealer {
    account: AccountId,
    data_key: Arc<DataKey>,
}

impl Sealer {
    /// Makes a sealer whose key is not stored anywhere, for values that nobody is going to open.
    pub fn for_nobody(account: AccountId) -> Result<Self, SealError> {
        Ok(Self { account, data_key: Arc::new(DataKey::new(0, &keyring::random_key()?)) })
    }

    /// Seals a text for one place.
    pub fn seal(&self, text: &str, binding: &Binding) -> Result<Sealed, SealError> {
        self.data_key.seal(self.account, text, binding)
    }
}

/// Sealers, each with the number of seals that were counted for it and are left.
pub struct SealBudget(Vec<(u32, Sealer)>);

impl SealBudget {
    /// The one for the next seals, of which there are as many as one value or one pair needs.
    ///
    /// # Errors
    /// If more is to be sealed than was counted.
    pub fn take(&mut self, seals: u32) -> Result<&Sealer, SealError> {
        while self.0.last().is_some_and(|(left, _)| *left < seals) {
            self.0.pop();
        }
        let (left, sealer) = self.0.last_mut().ok_or(SealError)?;
        *left -= seals;
        Ok(sealer)
    }
}

impl Vault {
    /// Returns the sealer of the account's newest data key, which is made now if there is none or if that one is to be retired.
    ///
    /// To be asked for before a transaction begins: a slow key service must not delay those that wait for a row.
    pub async fn sealer(&self, account: AccountId, now: DateTime<Utc>) -> Result<Sealer, Error> {
        self.sealer_of(SEALS_OF_A_WRITE, account, now).await
    }

    /// The same for many seals at once, which count as so many.
    pub async fn sealer_of(&self, seals: u32, account: AccountId, now: DateTime<Utc>) -> Result<Sealer, Error> {
        let is_due = |newest: &Newest, before| self.retirement.is_due(newest.created_at, before, seals, now);
        let mut newest = match self.newest(account).await? {
            Some(newest) if !is_due(&newest, newest.seals) => newest,
            old => self.replace(account, old, now).await?,
        };
        let counted = self.retirement.counted(seals).cast_signed();
        if counted > 0 {
            // Other processes count, too; what was read may be old. What is sealed counts for the key that seals it.
            while let Some(before) = self.count(account, &newest, counted).await?
                && is_due(&newest, before)
            {
                newest = self.replace(account, Some(newest), now).await?;
            }
        }
        Ok(Sealer { account, data_key: Arc::clone(&newest.data_key) })
    }

    /// Counts seals of a data key; how many there were before, if it is still there.
    async fn count(&self, account: AccountId, newest: &Newest, seals: i64) -> Result<Option<i64>, Error> {
        let mut change = self.cluster.begin(account).await?;
        let total = store::count_seals(&mut change, account, newest.data_key.generation(), seals).await?;
        change.commit().await?;
        Ok(total.map(|total| total - seals))
    }

    /// Puts a new data key after the newest one of the account. Boxed: it is rare, and every write would carry its state.
    fn replace(&self, account: AccountId, old: Option<Arc<Newest>>, now: DateTime<Utc>) -> Asked<'_, Arc<Newest>> {
        Box::pin(async move {
            let generation = old.map_or(0, |old| old.data_key.generation()) + 1;
            self.store_fresh(account.into(), &[DataKeyId { account, generation }], now).await?;
            // Two who replace at once both come here. One insert wins, and both seal with the winner's key.
            self.newest(account).await?.ok_or(OpenError::NoDataKey(generation).into())
        })
    }

    /// Makes data keys and stores them, except of generations that there are by now. They are wrapped under the first
    /// key-encryption key that is not closed.
    pub(super) async fn store_fresh(&self, tenant: Tenant, ids: &[DataKeyId], now: DateTime<Utc>) -> Result<(), Error> {
        let fresh = ids.iter().map(|id| Ok((*id, keyring::random_key()?))).collect::<Result<Vec<_>, SealError>>()?;
        let mut refused = Error::Unreadable(OpenError::NoKek);
        for kek in self.keyring.keks() {
            let wrapped = self.keyring.wrap_under(kek, &fresh).await?;
            let mut change = self.cluster.begin(tenant).await?;
            match store::insert(&mut change, &wrapped, now).await {
                Ok(()) => return change.commit().await,
                Err(error) if violates(&error, "data_keys_kek_open") => {
                    tracing::debug!(key = kek.name(), "a closed key stands before an open one");
                    refused = error.into();
                }
                Err(error) if violates(&error, "data_keys_account_fkey") => {
                    return Err(Error::missing(Missing::Account));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(refused)
    }

    /// Returns a sealer for this many values of the account; they are counted now. To be asked for before a transaction begins, like
    /// [`Vault::sealer`].
    pub async fn seal_budget(&self, seals: u64, account: AccountId, now: DateTime<Utc>) -> Result<SealBudget, Error> {
        // An even number, so that the halves of a pair never lack a seal between two sealers.
        let most = (AT_ONCE.min(self.retirement.seals) & !1).max(2);
        let (mut sealers, mut left) = (Vec::new(), seals);
        while left > 0 {
            let part = left.min(most);
            let part = u32::try_from(part).unwrap_or(u32::MAX);
            sealers.push((part, self.sealer_of(part, account, now).await?));
            left -= u64::from(part);
        }
        // Taken from the end.
        sealers.reverse();
        Ok(SealBudget(sealers))
    }
}
