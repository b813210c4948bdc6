//! Whether the key-encryption keys at hand are those that the stored data keys need.

use std::collections::BTreeSet;

use super::{DataKeyId, Vault};
use crate::error::Error;

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
}
