//! Whether the key-encryption keys at hand are those that the stored data keys need.

use std::collections::BTreeSet;

use super::{OpenError, Vault, store};
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
        let mut transaction = postgres::begin(&self.pool, Tenant::Every).await?;
        let (mut check, mut after) = (DataKeyCheck::default(), (AccountId(i64::MIN), 0));
        loop {
            let page = store::page(&mut transaction, after.0, after.1, BATCH).await?;
            let Some(last) = page.last() else { return Ok(check) };
            after = (last.account, last.key.generation);
            for store::OwnedRow { account, key } in &page {
                check.total += 1;
                if let Err(why) = key.unwrap(&self.keyring, *account) {
                    check.unreadable += 1;
                    if matches!(why, OpenError::NoMasterKey) {
                        check.missing.insert(key.kek_id.clone());
                    }
                }
            }
        }
    }
}
