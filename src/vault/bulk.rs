//! Many data keys at once, for those who go through all values.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::PgConnection;

use super::data_key::DataKey;
use super::kek::{DataKeyId, WrappedKey};
use super::{Binding, OpenError, SealError, Sealed, Vault, store};
use crate::error::Error;
use crate::postgres::Tenant;
use crate::types::AccountId;

/// Data keys as they are stored, with the newest of each account: to be read beside the values that they seal, in the same
/// transaction.
pub struct StoredDataKeys {
    keys: Vec<WrappedKey>,
    newest: HashMap<AccountId, u32>,
}

/// Data keys, ready to use.
pub struct DataKeys {
    keys: HashMap<DataKeyId, Result<Arc<DataKey>, OpenError>>,
    newest: HashMap<AccountId, u32>,
}

impl DataKeys {
    /// Opens a value of the account that was sealed for this place.
    pub fn open(&self, account: AccountId, sealed: &Sealed, binding: &Binding) -> Result<SecretString, OpenError> {
        let generation = sealed.generation();
        match self.keys.get(&DataKeyId { account, generation }) {
            Some(Ok(key)) => key.open(account, sealed, binding),
            Some(Err(error)) => Err(*error),
            None => Err(OpenError::NoDataKey(generation)),
        }
    }

    /// Seals a text for one place, under the account's newest data key. An error of the second kind says that this key
    /// does not open.
    pub fn seal(
        &self,
        account: AccountId,
        text: &str,
        binding: &Binding,
    ) -> Result<Result<Sealed, OpenError>, SealError> {
        let generation = self.newest.get(&account).copied().unwrap_or_default();
        match self.keys.get(&DataKeyId { account, generation }) {
            Some(Ok(key)) => key.seal(account, text, binding).map(Ok),
            Some(Err(error)) => Ok(Err(*error)),
            None => Ok(Err(OpenError::NoDataKey(generation))),
        }
    }

    /// Whether a value is sealed under the account's newest data key.
    pub fn is_newest(&self, account: AccountId, sealed: &Sealed) -> bool {
        self.newest.get(&account) == Some(&sealed.generation())
    }
}

impl Vault {
    /// Reads the data keys of these values, and the newest of each account.
    pub async fn read_data_keys(
        &self,
        connection: &mut PgConnection,
        values: impl IntoIterator<Item = (AccountId, Option<&Sealed>)>,
    ) -> Result<StoredDataKeys, Error> {
        let (mut ids, mut accounts) = (BTreeSet::new(), BTreeSet::new());
        for (account, sealed) in values {
            accounts.insert(account);
            ids.extend(sealed.map(|sealed| DataKeyId { account, generation: sealed.generation() }));
        }
        let accounts: Vec<_> = accounts.into_iter().collect();
        let newest = store::newest_of(&mut *connection, &accounts).await?;
        for row in &newest {
            ids.remove(&row.key.id);
        }
        let ids: Vec<_> = ids.into_iter().collect();
        let mut keys = store::some(connection, &ids).await?;
        let generations = newest.iter().map(|row| (row.key.id.account, row.key.id.generation)).collect();
        keys.extend(newest.into_iter().map(|row| row.key));
        Ok(StoredDataKeys { keys, newest: generations })
    }

    /// Makes data keys ready. Asks the key service, if there is one: not to be called within a transaction.
    pub async fn unwrap_data_keys(&self, stored: StoredDataKeys) -> Result<DataKeys, Error> {
        let StoredDataKeys { keys, newest } = stored;
        let unwrapped = self.keyring.unwrap_all(&keys).await?;
        let keys = keys
            .into_iter()
            .zip(unwrapped)
            .map(|(key, raw)| (key.id, raw.map(|raw| Arc::new(DataKey::new(key.id.generation, &raw)))));
        Ok(DataKeys { keys: keys.collect(), newest })
    }

    /// A page of the accounts that have data keys, behind `after` and up to `last`.
    pub async fn accounts(&self, (after, last): (AccountId, AccountId), limit: i64) -> Result<Vec<AccountId>, Error> {
        let mut transaction = self.cluster.begin(Tenant::Every).await?;
        Ok(store::accounts(&mut transaction, (after, last), limit).await?)
    }

    /// Gives a new data key to each of these accounts whose newest one is older than `since`; how many that were.
    pub async fn renew(
        &self,
        accounts: &[AccountId],
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<usize, Error> {
        let mut transaction = self.cluster.begin(Tenant::Every).await?;
        let newest = store::newest_of(&mut transaction, accounts).await?;
        drop(transaction);
        let ids: Vec<_> = newest
            .iter()
            .filter(|row| row.created_at < since)
            .map(|row| DataKeyId { generation: row.key.id.generation + 1, ..row.key.id })
            .collect();
        if !ids.is_empty() {
            self.store_fresh(Tenant::Every, &ids, now).await?;
        }
        Ok(ids.len())
    }

    /// Counts seals that were made with [`DataKeys::seal`]: how many of which account.
    pub async fn count_seals(
        &self,
        connection: &mut PgConnection,
        keys: &DataKeys,
        seals: &HashMap<AccountId, u64>,
    ) -> Result<(), Error> {
        let counts: Vec<_> = seals
            .iter()
            .filter_map(|(account, seals)| {
                let generation = *keys.newest.get(account)?;
                Some((DataKeyId { account: *account, generation }, seals.cast_signed()))
            })
            .collect();
        Ok(store::count_seals_of(connection, &counts).await?)
    }

    /// How many data keys there are.
    pub async fn count_data_keys(&self) -> Result<i64, Error> {
        let mut transaction = self.cluster.begin(Tenant::Every).await?;
        Ok(store::count(&mut transaction, None).await?)
    }

    /// Unwraps a page of data keys behind this one: each with why it does not unwrap, if it does not. Empty at the end.
    pub async fn try_page(
        &self,
        after: DataKeyId,
        limit: i64,
    ) -> Result<Vec<(DataKeyId, Result<(), OpenError>)>, Error> {
        let mut transaction = self.cluster.begin(Tenant::Every).await?;
        let page = store::page(&mut transaction, after, None, limit).await?;
        drop(transaction);
        let unwrapped = self.keyring.unwrap_all(&page).await?;
        Ok(page.into_iter().zip(unwrapped).map(|(key, raw)| (key.id, raw.map(drop))).collect())
    }
}
