//! The application: every shared part, composed once, in one visible place.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use crate::accounts::AccountStatuses;
use crate::api_key::Pepper;
use crate::audit::AuditKey;
use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::cluster::{Cluster, Limits};
use crate::core::Core;
use crate::resolver::Resolver;
use crate::vault::{Keyring, Vault};

/// The secrets of an installation. None is in the database, and none has a default.
pub struct Secrets {
    /// Key-encryption keys.
    pub keyring: Keyring,
    /// What API keys are hashed under.
    pub pepper: Pepper,
    /// What the audit chains are authenticated with.
    pub audit_key: AuditKey,
}

/// The core, and what answers from memory on top of it. Dereferences to the core, so that a handler passes `&app` to a
/// use case.
pub struct App {
    core: Core,
    /// Whether accounts are active.
    pub statuses: AccountStatuses,
    /// Who calls.
    pub authenticator: Authenticator,
    /// Which pair a call uses.
    pub resolver: Resolver,
}

impl App {
    /// Puts the parts together. `cache` is the budget of the resolver's cache; the small caches beside it have budgets of
    /// their own, of which most installations never fill a tenth.
    pub fn new(pool: PgPool, clock: Clock, secrets: Secrets, cache: Limits) -> Self {
        let small = |mebibytes: u64| Limits { bytes: mebibytes << 20, ..cache };
        let cluster = Cluster::new(pool.clone());
        // Unwrapped keys do not stay longer than they are of use.
        let data_keys = Limits { ttl: cache.ttl.min(Duration::from_hours(1)), ..small(32) };
        let vault = Vault::new(secrets.keyring, pool.clone(), &cluster, data_keys);
        let pepper = Arc::new(secrets.pepper);
        let statuses = AccountStatuses::new(pool.clone(), &cluster, small(16));
        let authenticator =
            Authenticator::new(pool.clone(), clock.clone(), Arc::clone(&pepper), statuses.clone(), &cluster, small(16));
        let resolver = Resolver::new(pool.clone(), vault.clone(), statuses.clone(), &cluster, cache);
        let core = Core { pool, clock, cluster, vault, audit_key: secrets.audit_key, pepper };
        Self { core, statuses, authenticator, resolver }
    }
}

impl Deref for App {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}
