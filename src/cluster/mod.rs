//! Why a cached answer may be trusted: every cached entry has an owner, every write names the owners that it changed,
//! and an owner's *generation* is part of the key under which its entries are cached.
//!
//! - [`Owner`]: the unit of invalidation, and the message that announces it.
//! - [`Generations`]: the numbers, bumped after a commit and before its answer.
//! - [`Coherent`]: moka behind the generations; [`Memo`]: moka alone, for what cannot become stale.
//! - [`Change`]: a transaction that cannot be committed without saying what it changed.
//! - [`feed`]: hears changes that other processes made.

mod coherent;
pub mod feed;
mod generations;
mod owner;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

pub use coherent::{Coherent, Limits, Memo};
pub use generations::{Generation, Generations};
pub use owner::Owner;

use crate::error::Error;
use crate::postgres::{self, Tenant};

/// This process's part in keeping caches right. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pool: PgPool,
    generations: Arc<Generations>,
}

impl Cluster {
    /// A member that has heard of nothing yet. Until [`feed::run`] listens, caches that rest on its generations are
    /// bypassed.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, generations: Arc::new(Generations::default()) }
    }

    /// The generations that caches rest on.
    pub fn generations(&self) -> &Arc<Generations> {
        &self.generations
    }

    /// Starts a write to the tenant's rows.
    pub async fn begin(&self, tenant: impl Into<Tenant>) -> Result<Change, Error> {
        let transaction = postgres::begin(&self.pool, tenant).await?;
        Ok(Change { transaction, generations: Arc::clone(&self.generations) })
    }
}

/// A write on its way: a transaction whose commit names the owners that changed. Dropping it rolls back.
pub struct Change {
    transaction: Transaction<'static, Postgres>,
    generations: Arc<Generations>,
}

impl Change {
    /// Commits, and returns when no read that begins from now on can be answered from the older value by this process.
    ///
    /// If the caller goes away between the commit and the bump, nobody was told that the write is done, and the change
    /// feed bumps a moment later.
    pub async fn commit(self, changed: &[Owner]) -> Result<(), Error> {
        self.transaction.commit().await?;
        for owner in changed {
            self.generations.bump(owner);
        }
        Ok(())
    }
}

impl Deref for Change {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
