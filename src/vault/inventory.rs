//! Every data key of the installation: counted, unwrapped in pages, renewed, and checked against the key-encryption keys at
//! hand.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{DataKeyId, OpenError, Vault, store};
use crate::error::Error;
use crate::postgres::{self, Tenant};
use crate::types::AccountId;

/// How many data keys are read at once.
const BATCH: i64 = 1000;

/// How the stored data keys stand to the keyring.
#[derive(Clone, Debug, Default)]
pub struct DataKeyCheck {
    /// How many there are.
    pub total: u64,
    /// How many of them do not unwrap.
    pub unreadable: u64,
    /// Ids of key-encryption keys that they need and the keyring lacks.
    pub missing: BTreeSet<String>,
}

impl Vault {
    /// Unwraps every data key, in batches.
    pub async fn check_data_keys(&self) -> Result<DataKeyCheck, Error> {
        let (mut check, mut after) = (DataKeyCheck::default(), DataKeyId::BEFORE_ALL);
        loop {
            let page = self.try_page(after, BATCH).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            check.total += page.len() as u64;
            check.unreadable += page.iter().filter(|(_, key)| key.is_err()).count() as u64;
        }
        let lacking = self.kek_statuses().await?.into_iter().filter(|kek| kek.position.is_none() && kek.data_keys > 0);
        check.missing = lacking.map(|kek| kek.id).collect();
        Ok(check)
    }

    /// How many data keys there are.
    pub async fn count_data_keys(&self) -> Result<i64, Error> {
        let mut transaction = postgres::begin(&self.pool, Tenant::Every).await?;
        Ok(store::count(&mut transaction, None).await?)
    }

    /// Unwraps a page of data keys after this one: each with why it does not unwrap, if it does not. Empty at the end.
    pub async fn try_page(
        &self,
        after: DataKeyId,
        limit: i64,
    ) -> Result<Vec<(DataKeyId, Result<(), OpenError>)>, Error> {
        let mut transaction = postgres::begin(&self.pool, Tenant::Every).await?;
        let page = store::page(&mut transaction, after, None, limit).await?;
        drop(transaction);
        let unwrapped = self.keyring.unwrap_all(&page).await?;
        Ok(page.into_iter().zip(unwrapped).map(|(key, raw)| (key.id, raw.map(drop))).collect())
    }

    /// A page of the accounts that have data keys, after `after` and up to `last`.
    pub async fn accounts(&self, (after, last): (AccountId, AccountId), limit: i64) -> Result<Vec<AccountId>, Error> {
        let mut transaction = postgres::begin(&self.pool, Tenant::Every).await?;
        Ok(store::accounts(&mut transaction, (after, last), limit).await?)
    }

    /// Gives a new data key to each of these accounts whose newest one is older than `since`; how many that were.
    pub async fn renew(
        &self,
        accounts: &[AccountId],
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<usize, Error> {
        let mut transaction = postgres::begin(&self.pool, Tenant::Every).await?;
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
}
