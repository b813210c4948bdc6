//! Sealing: AES-256-GCM under a data key per account, each wrapped by a key-encryption key of the operator, every value
//! bound to its place. Knows accounts and bytes; what the bytes mean is its callers' business.
//!
//! ```text
//! key-encryption key (Kek: of the Keyring, or of a key service; never in the database)
//!   └─ wraps ─ data key (account, generation)          data_keys.wrapped
//!                └─ seals ─ value, bound to its place   any sealed column
//! ```

mod binding;
mod check_value;
mod data_key;
mod data_keys;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod inventory;
mod kek;
mod keyring;
mod local;
mod retirement;
mod rewrap;
mod sealed;
mod sealer;
mod store;
mod table;
mod transit;
mod wrapped;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

pub use binding::Binding;
pub use check_value::{CheckValue, KeyCheck};
pub use data_keys::{DataKeys, StoredDataKeys, WeakDataKeys};
pub use inventory::DataKeyCheck;
pub use kek::DataKeyId;
pub use keyring::{Keyring, KeyringError};
pub use retirement::Retirement;
pub use rewrap::{KekStatus, Rewrapped};
pub use sealed::Sealed;
pub use sealer::{SealBudget, Sealer};
pub use table::{Resealed, SealedRow, SealedTable, Span, column};
pub use transit::{Transit, TransitSettings};

use crate::cluster::{Cluster, Coherent, Limits, Memo, Owner, Readings};
use crate::error::Error;
pub use crate::error::{OpenError, SealError};
use crate::postgres;
use crate::types::AccountId;
use data_key::DataKey;
use kek::{Asked, WrappedKey};
use store::NewestRow;

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    keyring: Arc<Keyring>,
    pool: PgPool,
    cluster: Cluster,
    retirement: Retirement,
    /// The data keys that values name.
    data_keys: Coherent<(AccountId, u32), Arc<DataKey>>,
    /// The data key that seals; `None` if an account has none yet.
    newest: Coherent<AccountId, Option<Arc<Newest>>>,
    /// Unwrapped data keys by their wrapped form: without the change feed every use of a data key reads its row, and a
    /// key service must not be asked every time.
    unwrapped: Memo<Unwrapping, Arc<DataKey>>,
}

/// Everything that the outcome of an unwrapping follows from.
type Unwrapping = (DataKeyId, String, Vec<u8>);

/// An account's newest data key.
struct Newest {
    data_key: Arc<DataKey>,
    created_at: DateTime<Utc>,
    /// As of the time that it was read.
    seals: i64,
}

impl Vault {
    /// A vault over the data keys in the database. At most three times `limits` of them stay in memory, unwrapped.
    pub fn new(keyring: Keyring, pool: PgPool, cluster: &Cluster, limits: Limits, retirement: Retirement) -> Self {
        let trust = cluster.trust();
        Self {
            keyring: Arc::new(keyring),
            pool,
            cluster: cluster.clone(),
            retirement,
            data_keys: Coherent::new(trust, "data keys", limits, |_, _| size_of::<DataKey>()),
            newest: Coherent::new(trust, "newest data keys", limits, |_, _| size_of::<Newest>() + size_of::<DataKey>()),
            unwrapped: Memo::new(limits, |(_, kek_id, wrapped): &Unwrapping, _| {
                size_of::<Unwrapping>() + kek_id.len() + wrapped.len() + size_of::<DataKey>()
            }),
        }
    }

    async fn newest(&self, account: AccountId) -> Result<Option<Arc<Newest>>, Error> {
        let load = || {
            let vault = self.clone();
            async move {
                let mut transaction = postgres::begin(&vault.pool, account).await?;
                let row = store::newest(&mut transaction, account).await?;
                // Given back before a key service is asked.
                drop(transaction);
                let Some(NewestRow { key, created_at, seals }) = row else { return Ok(None) };
                Ok(Some(Arc::new(Newest { data_key: vault.unwrap(key).await?, created_at, seals })))
            }
        };
        self.newest.get(&Owner::Account(account), account, load).await
    }

    async fn data_key(
        &self,
        readings: &mut Readings,
        account: AccountId,
        generation: u32,
    ) -> Result<Arc<DataKey>, Error> {
        let load = || {
            let vault = self.clone();
            async move {
                // A hot read: one statement, without a transaction, which gives the connection back before a key service
                // is asked.
                let row = store::of_generation(&vault.pool, account, generation).await?;
                vault.unwrap(row.ok_or(OpenError::NoDataKey(generation))?).await
            }
        };
        self.data_keys.get_on(readings, &Owner::Account(account), (account, generation), load).await
    }

    /// Boxed, like the other rare ways: every request would carry its state.
    fn unwrap(&self, key: WrappedKey) -> Asked<'_, Arc<DataKey>> {
        Box::pin(async move {
            let WrappedKey { id, kek_id, bytes } = &key;
            let unwrapping = (*id, kek_id.clone(), bytes.clone());
            if let Some(known) = self.unwrapped.get(&unwrapping).await {
                return Ok(known);
            }
            let data_key = Arc::new(DataKey::new(id.generation, &self.keyring.unwrap(&key).await?));
            self.unwrapped.insert(unwrapping, Arc::clone(&data_key)).await;
            Ok(data_key)
        })
    }

    /// Destroys the account's data keys: nothing that they sealed opens any more. How many there were.
    pub async fn destroy_data_keys(&self, connection: &mut PgConnection, account: AccountId) -> Result<u64, Error> {
        Ok(store::delete_all(connection, account).await?)
    }

    /// Whether every key-encryption key can be had just now; `None` if all of them are in this process.
    pub async fn key_service_answers(&self) -> Option<bool> {
        let mut answers = None;
        for kek in self.keyring.keks().filter(|kek| kek.fingerprint().is_none()) {
            answers = Some(answers.unwrap_or(true) && kek.reachable().await.is_ok());
        }
        answers
    }
}
