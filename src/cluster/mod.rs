//! Keeps cached answers current on any number of instances. The argument is in `docs/CONSISTENCY.md`; in short: every cached
//! entry has an owner, whose *generation* is part of the key under which the entry is cached. A write makes every instance that
//! has a *lease* hold the owners that it changes, and commits only then. An instance without a lease answers from the database.
//!
//! - [`Owner`]: the unit of invalidation, and the message that announces it.
//! - [`Trust`]: generations, holds and the lease, which every answer from memory is checked against.
//! - [`Coherent`]: a moka cache with that check; [`Memo`]: a moka cache without it, for values that cannot become stale.
//! - [`Change`]: a transaction that is committed after every instance has acknowledged the hold of what it changes.
//! - [`feed`]: receives changes, acknowledges them, renews the lease.
//! - [`stale`]: answers without a lease while the database is away, if the operator chose that.

mod acknowledgements;
mod cache_metrics;
mod change;
mod check;
mod coherent;
pub mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod generations;
mod holds;
mod lease;
mod message;
mod mutant;
mod outbox;
mod owner;
mod pinned;
mod signed;
pub mod stale;
mod store;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use uuid::Uuid;

pub use change::Change;
pub use check::{FeedFault, Instance, instances, try_feed};
pub use coherent::{Coherent, Limits, Memo};
pub use generations::Generation;
pub use mutant::Mutant;
pub use owner::Owner;
pub use pinned::{Pinned, Readings};
pub use trust::Trust;

use crate::api_key::Pepper;
use crate::clock::Monotonic;
use crate::error::Error;
use crate::postgres::{self, Pool, Tenant, is_no_answer};
use acknowledgements::Acknowledgements;
use message::Message;
use outbox::Outbox;
use signed::MessageKey;

/// The operator's choices about leases.
#[derive(Clone, Debug)]
pub struct Leases {
    /// The name of this instance in the logs of others.
    pub name: String,
    /// The time that a renewal lasts: an instance that stops answering delays a write by no more.
    pub lease: Duration,
    /// The time after the end of its lease for which this instance may answer from memory if the database does not answer.
    pub serve_stale_for: Duration,
    /// A deliberate fault, for tests.
    pub mutant: Option<Mutant>,
}

/// The role of a process among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It answers from memory, so writes wait for it.
    Member,
    /// It only writes: a command. It receives the acknowledgements of others.
    Writer,
}

/// This process's part in keeping caches current. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    database: Pool,
    /// Permits of writes: as many as there are connections without those that are kept for reads.
    writes: Arc<Semaphore>,
    /// Id of this process, made anew at every start.
    instance: Uuid,
    name: Arc<str>,
    lease: Duration,
    trust: Arc<Trust>,
    key: MessageKey,
    acknowledgements: Acknowledgements,
    outbox: Outbox,
}

impl Cluster {
    /// Makes a process that has received nothing yet. Until [`feed::run`] listens, caches are bypassed.
    pub fn new(database: Pool, clock: Monotonic, leases: &Leases, pepper: &Pepper) -> Self {
        let trust = Trust::new(clock, leases.serve_stale_for, leases.mutant);
        // A lease comes from a server that takes writes.
        let feed = Arc::clone(&trust);
        database.vouched_for(move || feed.vouches_for_connections());
        Self {
            writes: Arc::new(Semaphore::new(for_writes(database.connections().options().get_max_connections()))),
            database,
            instance: Uuid::new_v4(),
            name: leases.name.as_str().into(),
            lease: leases.lease,
            trust,
            key: MessageKey::new(pepper.macs_for("messages of instances")),
            acknowledgements: Acknowledgements::default(),
            outbox: Outbox::default(),
        }
    }

    /// Returns what every answer from memory is checked against.
    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// Sets the gauges of the sizes of every cache.
    pub async fn tell_cache_sizes(&self) {
        self.trust.sizes.tell().await;
    }

    /// Starts a write to the tenant's rows.
    pub async fn begin(&self, tenant: impl Into<Tenant>) -> Result<Change, Error> {
        let longest = self.pool().options().get_acquire_timeout();
        let permit = timeout(longest, Arc::clone(&self.writes).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(Error::Unavailable(sqlx::Error::PoolTimedOut)) };
        let transaction = self.within_limit(postgres::begin(self.pool(), tenant)).await?;
        Ok(Change { transaction, cluster: self.clone(), _permit: permit })
    }

    /// Waits for the answer to a statement no longer than it may take.
    async fn within_limit<T>(&self, statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        let result = postgres::within_limit(statement).await;
        if result.as_ref().is_err_and(is_no_answer) {
            self.trust.doubt_connections();
        }
        result
    }

    /// Returns the pool.
    pub fn database(&self) -> &Pool {
        &self.database
    }

    fn pool(&self) -> &PgPool {
        self.database.connections()
    }

    /// Waits until the feed is connected, so that acknowledgements are received; for ever in a process without a feed.
    pub async fn connected(&self) {
        self.outbox.carried().await;
    }

    /// Returns whether changes of other processes are received.
    pub fn is_connected(&self) -> bool {
        self.outbox.is_carried()
    }

    /// Gives up the lease and removes the instance's row, so that no write waits for this instance when it is gone.
    pub async fn leave(&self) {
        self.trust.end_lease();
        // Without the database nobody writes, and the row is removed by others when it comes back.
        let gone = self.key.sign(&Message::Gone(self.instance));
        if let Err(error) = store::remove(self.pool(), self.instance, None, &gone).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the instance's row stays");
        }
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Returns how many of the connections writes may use at once. Writes that hang, because a standby does not acknowledge them,
/// leave the rest to reads.
fn for_writes(connections: u32) -> usize {
    let reserved = connections / 4;
    usize::try_from(connections - reserved).unwrap_or(1)
}
