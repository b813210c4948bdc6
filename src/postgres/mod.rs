//! Postgres: the pool, the tenant of a transaction, the migrations, roles, and the meaning of errors.

pub mod bootstrap;
mod migrate;
mod role;
mod server;
mod tenant;
pub mod walls;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

pub use migrate::{MigrateError, SchemaState, Step, grant_application_role, migrate, migrate_in_steps, schema_state};
pub use role::{Unbound, unbound, unreadable_table};
pub use server::{OLDEST_SERVER, Server, server};
pub use tenant::{Tenant, begin, go_on_as, snapshot};

/// Longest wait for a free connection. Short, because whoever waits has a client that waits, and counts as a request in
/// flight.
const ACQUIRE: Duration = Duration::from_secs(2);
/// A connection that was used this short a time ago is taken for alive without a question. One that died since fails its
/// next use, as it would have a moment after a question.
const TRUSTED: Duration = Duration::from_secs(1);
/// Longest time that Postgres may work on one statement of ours.
const STATEMENT_TIMEOUT_MS: &str = "10000";
/// Longest time that a transaction of ours may stand idle, which only a stuck process lets happen.
const IDLE_IN_TRANSACTION_TIMEOUT_MS: &str = "10000";

/// The pool that the service works with. Connects when first used.
pub fn pool(options: &PgConnectOptions, max_connections: u32) -> PgPool {
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE)
        // A ping before every use would double the round trips of a read.
        .test_before_acquire(false)
        .before_acquire(|connection, used| {
            Box::pin(async move {
                if used.idle_for >= TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
    pool.connect_lazy_with(with_limits(options))
}

/// The same way in, with limits on how long the server works or waits for us, and on how long it takes a connection for
/// alive whose other end is gone.
pub fn with_limits(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().application_name("credenza").options([
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT_MS),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// Whether an error says that the database cannot be reached or cannot keep up just now, so that trying again later makes
/// sense.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Class 08: connection; 53: out of resources; 57: operator intervention (shutdown, statement timeout).
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["08", "53", "57"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

/// Whether Postgres ended one of several transactions that each waited for another: done again, it goes through.
pub fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("40P01"))
}

/// Whether an error is the violation of this named constraint: the database says no, and the name becomes the answer.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some(constraint))
}
