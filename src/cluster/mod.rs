//! Why a cached answer may be trusted, on any number of instances. The argument is in `docs/CONSISTENCY.md`; in short:
//! every cached entry has an owner, whose *generation* is part of the key under which the entry is cached. A write makes
//! every instance that holds a *lease* let go of the owners that it changes, and commits only then. An instance without a
//! lease answers from the database.
//!
//! - [`Owner`]: the unit of invalidation, and the message that announces it.
//! - [`Trust`]: generations, holds and the lease: what is asked before an answer from memory.
//! - [`Coherent`]: moka behind that; [`Memo`]: moka alone, for what cannot become stale.
//! - [`Change`]: a transaction that is not committed before everybody has let go of what it changes.
//! - [`feed`]: hears changes, acknowledges them, renews the lease.
//! - [`stale`]: the operator's choice to answer without a lease while the database is away.

mod acknowledgements;
mod cache_metrics;
mod change;
mod check;
mod coherent;
pub mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod generations;
mod held;
mod holds;
mod lease;
mod message;
mod mutant;
mod outbox;
mod owner;
pub mod stale;
mod store;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

pub use change::Change;
pub use check::{Deaf, Instance, hears, instances};
pub use coherent::{Coherent, Limits, Memo};
pub use generations::Generation;
pub use held::{Basis, Held};
pub use mutant::Mutant;
pub use owner::Owner;
pub use trust::Trust;

use crate::clock::Monotonic;
use crate::error::Error;
use crate::postgres::{self, Tenant};
use acknowledgements::Acknowledgements;
use outbox::Outbox;

/// What an operator can choose about leases.
#[derive(Clone, Debug)]
pub struct Leases {
    /// What other instances' logs call this one.
    pub name: String,
    /// How long a renewal lasts: the longest time by which an instance that stops answering delays a write.
    pub lease: Duration,
    /// For how long after its lease ended this instance may answer from memory if the database does not answer.
    pub serve_stale_for: Duration,
    /// A deliberate fault, for tests.
    pub mutant: Option<Mutant>,
}

/// What a process is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers from memory, so writes wait for it.
    Member,
    /// Only writes: a command. It listens for the acknowledgements of others.
    Writer,
}

/// This process's part in keeping caches right. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pool: PgPool,
    /// Of this process, made anew at every start.
    instance: Uuid,
    name: Arc<str>,
    lease: Duration,
    trust: Arc<Trust>,
    acknowledgements: Acknowledgements,
    outbox: Outbox,
}

impl Cluster {
    /// A process that has heard of nothing yet. Until [`feed::run`] listens, caches are bypassed.
    pub fn new(pool: PgPool, clock: Monotonic, leases: &Leases) -> Self {
        Self {
            pool,
            instance: Uuid::new_v4(),
            name: leases.name.as_str().into(),
            lease: leases.lease,
            trust: Trust::new(clock, leases.serve_stale_for, leases.mutant),
            acknowledgements: Acknowledgements::default(),
            outbox: Outbox::default(),
        }
    }

    /// What caches rest on.
    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// Sets the gauges that tell how much every cache holds.
    pub async fn tell_cache_sizes(&self) {
        self.trust.sizes.tell().await;
    }

    /// Starts a write to the tenant's rows.
    pub async fn begin(&self, tenant: impl Into<Tenant>) -> Result<Change, Error> {
        let transaction = postgres::begin(&self.pool, tenant).await?;
        Ok(Change { transaction, cluster: self.clone() })
    }

    /// Waits until the feed is connected, so that acknowledgements are heard; for ever in a process without a feed.
    pub async fn connected(&self) {
        self.outbox.carried().await;
    }

    /// Whether changes of other processes are heard.
    pub fn is_connected(&self) -> bool {
        self.outbox.is_carried()
    }

    /// Gives up the lease and tells the others, so that no write waits for this instance when it is gone.
    pub async fn leave(&self) {
        self.trust.end_lease();
        // Without the database nobody writes, and the row is removed by others when it comes back.
        if let Err(error) = store::remove(&self.pool, self.instance, None).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the instance's row stays");
        }
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
}
