//! The dependencies of every use case. The application (`app.rs`) composes it once.

use std::sync::Arc;

use sqlx::{PgPool, Postgres, Transaction};

use crate::api_key::Pepper;
use crate::audit::AuditKey;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::postgres::{self, Tenant};
use crate::vault::Vault;

/// The shared parts that use cases need, from the database up to sealing. Use cases take a reference to it.
pub struct Context {
    /// The database.
    pub pool: PgPool,
    /// The time.
    pub clock: Clock,
    /// Writes, and what they invalidate.
    pub cluster: Cluster,
    /// Sealing.
    pub vault: Vault,
    /// The key of the audit chains.
    pub audit_key: AuditKey,
    /// The pepper of API keys.
    pub pepper: Arc<Pepper>,
}

impl Context {
    /// Starts to read the tenant's rows. There is nothing to commit: it ends when it is dropped.
    pub async fn read(&self, tenant: impl Into<Tenant>) -> Result<Transaction<'static, Postgres>, Error> {
        Ok(postgres::begin(&self.pool, tenant).await?)
    }
}
