//! The application: every shared part, composed once, in one visible place.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::timeout;

use crate::accounts::AccountStatuses;
use crate::admission::{Admission, AdmissionSettings, ConnectionSettings};
use crate::api_credentials::LastUse;
use crate::api_key::Pepper;
use crate::audit::{AuditKey, RecordSettings, Resolves};
use crate::auth::{self, Authenticator, FailedAttempts};
use crate::calls::health::LoginHealth;
use crate::calls::kept::KeptAnswers;
use crate::calls::transport::TransportSettings;
use crate::calls::{self, Calls};
use crate::clock::{Clock, Monotonic};
use crate::cluster::{Cluster, Leases, Limits, Role, feed};
use crate::context::Context;
use crate::disclosure::Disclosure;
use crate::idempotency;
use crate::oauth::{self, OutsideIssuer, OutsideSettings, Tokens};
use crate::postgres::{Pool, SchemaState, Servers};
use crate::recent::Recent;
use crate::resolver::Resolver;
use crate::suppliers::endpoints::Endpoints;
use crate::vault::{Keyring, Retirement, Vault};

/// Longest time to give up the lease and the connections when the service stops. A request that was cut off may hold its
/// connection to the database until that has an answer.
const CLOSE: Duration = Duration::from_secs(3);

/// The secrets of an installation. None is in the database, and none has a default.
pub struct Secrets {
    /// Key-encryption keys.
    pub keyring: Keyring,
    /// The pepper of API keys.
    pub pepper: Pepper,
    /// The key of the audit chains.
    pub audit_key: AuditKey,
}

/// The operator's settings, apart from secrets and addresses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our own URL, as clients see it: the issuer and audience of our tokens.
    pub public_url: String,
    /// Budget of the resolver's cache.
    pub cache: Limits,
    /// How long this process may answer from memory without renewing its lease.
    pub leases: Leases,
    /// The limits of requests.
    pub admission: AdmissionSettings,
    /// How connections are kept.
    pub connections: ConnectionSettings,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The external issuer whose tokens are accepted with ours.
    pub outside_issuer: Option<OutsideSettings>,
    /// When data keys are replaced.
    pub retirement: Retirement,
    /// How resolves are recorded.
    pub audit: RecordSettings,
    /// Most bytes of suppliers' answers that are kept; none with 0.
    pub call_cache_bytes: u64,
    /// Authorities of suppliers' certificates that are trusted with the system's, in PEM.
    pub supplier_authorities: Option<Vec<u8>>,
}

/// The context, and what answers from memory on top of it. Dereferences to the context, so that a handler passes `&app` to a
/// use case.
pub struct App {
    context: Context,
    /// Whether accounts are active.
    pub statuses: AccountStatuses,
    /// When keys were last used.
    pub last_use: LastUse,
    /// Failed attempts by address.
    pub failed_attempts: FailedAttempts,
    /// The limits that a request passes.
    pub admission: Admission,
    /// Our own tokens.
    pub tokens: Tokens,
    /// The authentication of callers.
    pub authenticator: Authenticator,
    /// Why a call uses the pair that it uses.
    pub resolver: Resolver,
    /// The choice and opening of pairs.
    pub disclosure: Arc<Disclosure>,
    /// The endpoints of suppliers.
    pub endpoints: Endpoints,
    /// Whether logins work.
    pub health: LoginHealth,
    /// Calls to suppliers.
    pub calls: Calls,
    /// The records of resolves.
    pub recorder: Resolves,
    /// The operator's settings.
    pub settings: Settings,
    /// Whether it is stopping.
    pub stopping: Stopping,
    /// Checks that many ask for.
    pub checks: Checks,
    /// The last answer of `/readyz`, so that a change is logged once.
    pub was_ready: AtomicBool,
}

/// Results of checks that anybody may ask for, each good for a moment.
pub struct Checks {
    /// The state of the database's schema.
    pub schema: Recent<Result<SchemaState, ()>>,
    /// Whether the key service answers; none without one.
    pub key_service: Recent<Option<bool>>,
}

/// Whether the service is stopping. It goes on answering for a while, but is no longer ready for more.
#[derive(Debug, Default)]
pub struct Stopping(AtomicBool);

impl Stopping {
    /// It was.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl App {
    /// Puts the parts together. The resolver's cache has the budget of the settings; the small caches have
    /// budgets of their own, of which most installations never fill a tenth.
    pub fn new(database: Pool, clock: Clock, secrets: Secrets, settings: Settings) -> Self {
        let small = |mebibytes: u64| Limits { bytes: mebibytes << 20, ..settings.cache };
        let pool = database.connections().clone();
        let cluster = Cluster::new(database, Monotonic::system(), &settings.leases, &secrets.pepper);
        // Unwrapped keys do not stay longer than they are of use.
        let data_keys = Limits { ttl: settings.cache.ttl.min(Duration::from_hours(1)), ..small(32) };
        let vault = Vault::new(secrets.keyring, pool.clone(), &cluster, data_keys, settings.retirement);
        let pepper = Arc::new(secrets.pepper);
        let statuses = AccountStatuses::new(pool.clone(), Arc::clone(&pepper), &cluster, small(16));
        let last_use = LastUse::default();
        let failed_attempts = FailedAttempts::default();
        let admission = Admission::new(&settings.admission, &Monotonic::system());
        let tokens = Tokens::new(
            oauth::Parts {
                issuer: settings.public_url.clone(),
                pool: pool.clone(),
                vault: vault.clone(),
                pepper: Arc::clone(&pepper),
                statuses: statuses.clone(),
            },
            &cluster,
            small(8),
        );
        let authenticator = Authenticator::new(
            auth::Parts {
                pool: pool.clone(),
                clock: clock.clone(),
                pepper: Arc::clone(&pepper),
                statuses: statuses.clone(),
                last_use: last_use.clone(),
                failed_attempts: failed_attempts.clone(),
                tokens: tokens.clone(),
                outside: settings.outside_issuer.clone().map(OutsideIssuer::new),
            },
            &cluster,
            small(16),
        );
        let (resolver, opener) =
            Resolver::new(pool.clone(), Arc::clone(&pepper), vault.clone(), statuses.clone(), &cluster, settings.cache);
        let recorder = Resolves::new(settings.audit, secrets.audit_key.clone(), clock.clone());
        let disclosure = Arc::new(Disclosure::new(opener, recorder.clone(), statuses.clone(), clock.clone()));
        let endpoints = Endpoints::new(pool.clone(), Arc::clone(&pepper), &cluster, small(4));
        let health = LoginHealth::new(pool.clone(), clock.clone(), &cluster, small(8));
        let calls = Calls::new(calls::Parts {
            clock: clock.clone(),
            endpoints: endpoints.clone(),
            resolver: resolver.clone(),
            disclosure: Arc::clone(&disclosure),
            authenticator: authenticator.clone(),
            health: health.clone(),
            kept: KeptAnswers::new(settings.call_cache_bytes),
            transport: TransportSettings { authorities: settings.supplier_authorities.clone(), lookup: None },
        });
        let context = Context { pool, clock, cluster, vault, audit_key: secrets.audit_key, pepper };
        Self {
            context,
            statuses,
            last_use,
            failed_attempts,
            admission,
            tokens,
            authenticator,
            resolver,
            disclosure,
            endpoints,
            health,
            calls,
            recorder,
            settings,
            stopping: Stopping::default(),
            checks: Checks { schema: Recent::new(Monotonic::system()), key_service: Recent::new(Monotonic::system()) },
            was_ready: AtomicBool::new(true),
        }
    }

    /// Runs the background work until the task is dropped: following changes, recording resolves, noting when keys were
    /// used, forgetting old failures, keys that ask no more and outcomes that nobody may ask for any more. `listener` must lead to Postgres directly.
    pub async fn run_in_background(self: Arc<Self>, listener: impl Into<Servers>) {
        let listener = listener.into();
        tokio::join!(
            feed::run(self.cluster.clone(), listener.clone(), Role::Member),
            self.recorder.clone().run(self.cluster.database().servers(), &listener),
            self.last_use.clone().run(self.pool.clone()),
            self.failed_attempts.clone().run(),
            self.health.clone().run(),
            self.calls.run(),
            self.admission.run(),
            idempotency::run(self.pool.clone(), self.clock.clone()),
        );
    }

    /// Writes the events and times that are still in memory, gives up the lease, and closes the pool. The recorder limits its
    /// time itself; the rest has [`CLOSE`].
    pub async fn close(&self) {
        let rest = async {
            if let Err(error) = Box::pin(self.health.write()).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the health of logins is not written");
            }
            self.cluster.leave().await;
            self.last_use.write(&self.pool).await;
            self.pool.close().await;
        };
        let ((), closed) = tokio::join!(self.recorder.close(), timeout(CLOSE, rest));
        if closed.is_err() {
            tracing::warn!("the database did not let go within {CLOSE:?}");
        }
    }
}

impl Deref for App {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}
