//! Sealing: AES-256-GCM under a data key per account, each wrapped by a key-encryption key of the operator, every value
//! bound to its place. Knows accounts and bytes; what the bytes mean is its callers' business.
//!
//! ```text
//! key-encryption key (Kek: of the Keyring, or behind a key service; never in the database)
//!   └─ wraps ─ data key (account, generation)          data_keys.wrapped
//!                └─ seals ─ value, bound to its place   any sealed column
//! ```

mod binding;
mod bulk;
mod check;
mod check_value;
mod data_key;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod kek;
mod keyring;
mod local;
mod opener;
mod retirement;
mod rewrap;
mod sealed;
mod sealers;
mod store;
mod table;
mod transit;
mod wrapped;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sqlx::{PgConnection, PgPool};

pub use binding::Binding;
pub use bulk::{DataKeys, StoredDataKeys};
pub use check::DataKeyCheck;
pub use check_value::{CheckValue, KeyCheck};
pub use kek::DataKeyId;
pub use keyring::{Keyring, KeyringError};
pub use opener::{HeldOpeners, Open, Openers};
pub use retirement::Retirement;
pub use rewrap::{KekStatus, Rewrapped};
pub use sealed::Sealed;
pub use sealers::Sealers;
pub use table::{Resealed, SealedRow, SealedTable, Span};
pub use transit::{Transit, TransitSettings};

use crate::cluster::{Basis, Cluster, Coherent, Limits, Memo, Owner};
use crate::error::{Error, Missing};
pub use crate::error::{OpenError, SealError};
use crate::postgres::{self, Tenant, violates};
use crate::types::AccountId;
use data_key::DataKey;
use kek::{Asked, WrappedKey};
use store::NewestRow;

/// How much an ordinary write seals at most: two pairs.
const SEALS_OF_A_WRITE: u32 = 4;

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
    /// What was unwrapped, by its wrapped form: while changes are not heard every use of a data key reads its row, and a
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

    /// What seals the account's values: its newest data key, made now if it has none or if that one is to be retired.
    ///
    /// To be asked for before a transaction begins: a key service that is slow must not hold up whoever waits for a row.
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

    /// Puts a new data key behind the newest one of the account. Boxed: it is rare, and every write would carry its state.
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
    async fn store_fresh(&self, tenant: Tenant, ids: &[DataKeyId], now: DateTime<Utc>) -> Result<(), Error> {
        let fresh = ids.iter().map(|id| Ok((*id, keyring::random_key()?))).collect::<Result<Vec<_>, SealError>>()?;
        let mut refused = Error::Unreadable(OpenError::NoMasterKey);
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

    /// Opens a value of the account that was sealed for this place.
    pub async fn open(&self, account: AccountId, sealed: &Sealed, binding: &Binding) -> Result<SecretString, Error> {
        let data_key = self.data_key(&mut Basis::default(), account, sealed.generation()).await?;
        Ok(data_key.open(account, sealed, binding)?)
    }

    async fn data_key(&self, basis: &mut Basis, account: AccountId, generation: u32) -> Result<Arc<DataKey>, Error> {
        let load = || {
            let vault = self.clone();
            async move {
                // A hot read: one statement, without a transaction, which gives the connection back before a key service
                // is asked.
                let row = store::of_generation(&vault.pool, account, generation).await?;
                vault.unwrap(row.ok_or(OpenError::NoDataKey(generation))?).await
            }
        };
        self.data_keys.get_on(basis, &Owner::Account(account), (account, generation), load).await
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

/// Seals values of one account under its newest data key.
pub struct Sealer {
    account: AccountId,
    data_key: Arc<DataKey>,
}

impl Sealer {
    /// Seals what nobody is going to open: its key is not stored anywhere.
    pub fn for_nobody(account: AccountId) -> Result<Self, SealError> {
        Ok(Self { account, data_key: Arc::new(DataKey::new(0, &keyring::random_key()?)) })
    }

    /// Seals a text for one place.
    pub fn seal(&self, text: &str, binding: &Binding) -> Result<Sealed, SealError> {
        self.data_key.seal(self.account, text, binding)
    }
}
