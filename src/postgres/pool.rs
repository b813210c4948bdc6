//! The pool of the service. It takes connections only to a server that takes writes: what a standby answers may be old.
//!
//! A connection is checked when it is made, and before it is used while nobody vouches for the database. The change feed
//! vouches for it by the lease, so that a read of an instance that has one costs no round trip more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use super::servers::{Servers, takes_writes};

/// Longest wait for a free connection. Short, because a caller that waits has a client that waits, and counts as a request
/// in flight.
const ACQUIRE: Duration = Duration::from_secs(2);
/// A connection that was used this short a time ago is not checked while somebody vouches for the database. One that died
/// since fails its next use, as it would have a moment after a check.
const TRUSTED: Duration = Duration::from_secs(1);
/// Longest wait for the answer to a check. A connection that takes longer is closed, and another one is made.
const CHECK: Duration = Duration::from_millis(500);

/// A pool, and what decides about its connections. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connections: PgPool,
    servers: Servers,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    vouches: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
    /// Whether the last server that was asked takes no writes.
    refuses: AtomicBool,
}

impl Pool {
    /// Makes a pool that connects when it is first used.
    pub fn new(servers: &Servers, max_connections: u32) -> Self {
        let state = Arc::new(State::default());
        let (made, used, returned) = (Arc::clone(&state), Arc::clone(&state), Arc::clone(&state));
        let options = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE)
            // A ping before every use would double the round trips of a read.
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let state = Arc::clone(&made);
                Box::pin(async move { state.admit(connection).await })
            })
            .before_acquire(move |connection, usage| {
                let state = Arc::clone(&used);
                let is_checked = usage.idle_for >= TRUSTED || !state.is_vouched_for();
                Box::pin(async move { if is_checked { state.check(connection).await } else { Ok(true) } })
            })
            .after_release(move |connection, _| {
                let state = Arc::clone(&returned);
                // A connection whose other end is gone must not keep its place in the pool until the kernel notices.
                let is_checked = !state.is_vouched_for();
                Box::pin(async move { if is_checked { state.check(connection).await } else { Ok(true) } })
            });
        let connections = servers.lazy_pool(options);
        Self { connections, servers: servers.clone(), state }
    }

    /// Returns the same pool with another longest wait for a free connection.
    #[must_use]
    pub fn waiting(self, longest: Duration) -> Self {
        let options = self.connections.options().clone().acquire_timeout(longest);
        Self { connections: self.servers.lazy_pool(options), ..self }
    }

    /// Returns the connections.
    pub fn connections(&self) -> &PgPool {
        &self.connections
    }

    /// Returns where the connections lead.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Leaves out the check before use while `vouches` returns true. Without a call every use is checked.
    pub fn vouched_for(&self, vouches: impl Fn() -> bool + Send + Sync + 'static) {
        // The first one stays.
        let _ = self.state.vouches.set(Box::new(vouches));
    }

    /// Returns whether the server that was reached last takes no writes: it is in recovery, or read-only.
    pub fn refuses_server(&self) -> bool {
        self.state.refuses.load(Ordering::Relaxed)
    }

    /// Goes on with the server that takes writes, if `DATABASE_URL` names several.
    pub async fn follow(&self) -> Result<(), sqlx::Error> {
        self.servers.follow().await
    }
}

impl State {
    fn is_vouched_for(&self) -> bool {
        self.vouches.get().is_some_and(|vouches| vouches())
    }

    /// Refuses a new connection to a server that takes no writes.
    async fn admit(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.check(connection).await? {
            return Ok(());
        }
        // The pool logs this for each attempt, of which there are many; that is switched off (`config/logging.rs`).
        Err(sqlx::Error::Protocol("the server is in recovery or read-only".to_owned()))
    }

    async fn check(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let takes_writes = timeout(CHECK, takes_writes(connection)).await.map_err(|_| {
            sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer"))
        })??;
        if self.refuses.swap(!takes_writes, Ordering::Relaxed) == takes_writes {
            if takes_writes {
                tracing::info!("the database takes writes again");
            } else {
                tracing::warn!("the database is in recovery or read-only: nothing is read from it");
            }
        }
        Ok(takes_writes)
    }
}
