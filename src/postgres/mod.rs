//! Postgres: the pool, the migrations, the embedded server of `credenza dev` and of the tests, and what errors mean.

pub mod bootstrap;
pub mod embedded;
mod migrate;
mod role;
mod tenant;

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use migrate::{MigrateError, SchemaState, grant_application_role, migrate, schema_state};
pub use role::{Unbound, unbound};
pub use tenant::{Tenant, begin, go_on_as};

/// Longest wait for a free connection. Short, because whoever waits has a client that waits, and counts as a request in
/// flight.
const ACQUIRE: Duration = Duration::from_secs(2);
/// Longest time that Postgres may work on one statement of ours.
const STATEMENT_TIMEOUT_MS: &str = "10000";
/// Longest time that a transaction of ours may stand idle, which only a stuck process lets happen.
const IDLE_IN_TRANSACTION_TIMEOUT_MS: &str = "10000";

/// The pool that the service works with. Connects when first used.
pub fn pool(options: &PgConnectOptions, max_connections: u32) -> PgPool {
    let options = options.clone().application_name("credenza").options([
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT_MS),
    ]);
    PgPoolOptions::new().max_connections(max_connections).acquire_timeout(ACQUIRE).connect_lazy_with(options)
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

/// Whether an error is the violation of this named constraint: the database says no, and the name becomes the answer.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some(constraint))
}
