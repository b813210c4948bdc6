//! What every use case works with. The application (`app.rs`) composes it once.

use std::sync::Arc;

use sqlx::PgPool;

use crate::api_key::Pepper;
use crate::audit::AuditKey;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::vault::Vault;

/// The shared parts that use cases need, from the database up to sealing. Use cases take a reference to it.
pub struct Core {
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
    /// What API keys are hashed under.
    pub pepper: Arc<Pepper>,
}
