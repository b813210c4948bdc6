//! Sealing: AES-256-GCM under a data key per account, each wrapped by a key-encryption key of the operator, every value
//! bound to its place. Knows accounts and bytes; what the bytes mean is its callers' business.
//!
//! ```text
//! key-encryption key (Keyring, outside the database)
//!   └─ wraps ─ data key (account, generation)          data_keys.wrapped
//!                └─ seals ─ value, bound to its place   any sealed column
//! ```

mod binding;
mod data_key;
mod keyring;
mod sealed;
mod store;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::{PgConnection, PgPool};

pub use binding::Binding;
pub use keyring::{Keyring, KeyringError};
pub use sealed::Sealed;

use crate::cluster::{Cluster, Coherent, Limits, Owner};
use crate::error::Error;
pub use crate::error::{OpenError, SealError};
use crate::types::AccountId;
use data_key::DataKey;

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    keyring: Arc<Keyring>,
    pool: PgPool,
    data_keys: Coherent<(AccountId, u32), Arc<DataKey>>,
}

impl Vault {
    /// A vault over the data keys in the database. At most `limits` of them stay in memory, unwrapped.
    pub fn new(keyring: Keyring, pool: PgPool, cluster: &Cluster, limits: Limits) -> Self {
        let data_keys = Coherent::new(cluster.trust(), "data keys", limits, |_, _| size_of::<DataKey>());
        Self { keyring: Arc::new(keyring), pool, data_keys }
    }

    /// What seals the account's values in this transaction: its newest data key, made now if it has none.
    pub async fn sealer(
        &self,
        connection: &mut PgConnection,
        account: AccountId,
        now: DateTime<Utc>,
    ) -> Result<Sealer, Error> {
        if let Some(row) = store::newest(&mut *connection, account).await? {
            return Ok(Sealer { account, data_key: row.unwrap(&self.keyring, account)? });
        }
        // Two first writes at once both come here. One insert wins, and both seal with the winner's key.
        let fresh = store::Row::wrap(&self.keyring, account, 1)?;
        store::insert(&mut *connection, account, &fresh, now).await?;
        let row = store::newest(connection, account).await?.ok_or(OpenError::NoDataKey(1))?;
        Ok(Sealer { account, data_key: row.unwrap(&self.keyring, account)? })
    }

    /// Opens a value of the account that was sealed for this place.
    pub async fn open(&self, account: AccountId, sealed: &Sealed, binding: &Binding) -> Result<SecretString, Error> {
        let data_key = self.data_key(account, sealed.generation()).await?;
        Ok(data_key.open(account, sealed, binding)?)
    }

    async fn data_key(&self, account: AccountId, generation: u32) -> Result<Arc<DataKey>, Error> {
        let load = || {
            let (pool, keyring) = (self.pool.clone(), Arc::clone(&self.keyring));
            async move {
                let row = store::of_generation(&pool, account, generation).await?;
                let row = row.ok_or(OpenError::NoDataKey(generation))?;
                Ok(Arc::new(row.unwrap(&keyring, account)?))
            }
        };
        self.data_keys.get(&Owner::Account(account), (account, generation), load).await
    }
}

/// Seals values of one account under its newest data key.
pub struct Sealer {
    account: AccountId,
    data_key: DataKey,
}

impl Sealer {
    /// Seals a text for one place.
    pub fn seal(&self, text: &str, binding: &Binding) -> Result<Sealed, SealError> {
        self.data_key.seal(self.account, text, binding)
    }
}
