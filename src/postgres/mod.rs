//! Postgres: the pool, the tenant of a transaction, the migrations, roles, and the meaning of errors.

pub mod bootstrap;
mod limits;
mod migrate;
mod pool;
mod pooler;
mod role;
mod server;
mod servers;
mod tenant;
pub mod walls;

pub use limits::{STATEMENT_LIMIT, is_no_answer, no_answer, with_limits, within_limit};
pub use migrate::{MigrateError, SchemaState, Step, grant_application_role, migrate, migrate_in_steps, schema_state};
pub use pool::Pool;
pub use pooler::mixes_up_statements;
pub use role::{Unbound, unbound, unreadable_table};
pub use server::{OLDEST_SERVER, Server, server};
pub use servers::{Servers, UrlError};
pub use tenant::{Tenant, begin, snapshot, switch_tenant};

/// Makes the pool that the service works with. It connects when it is first used.
pub fn pool(servers: impl Into<Servers>, max_connections: u32) -> Pool {
    Pool::new(&servers.into(), max_connections)
}

/// Returns whether an error means that the database cannot be reached or cannot do its work just now, so that the same request
/// makes sense later.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        // A proxy whose server is away, or another program: nobody there speaks Postgres's protocol to its end.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_unavailable_code(&code)),
        _ => false,
    }
}

fn is_unavailable_code(code: &str) -> bool {
    // Class 08: connection; 53: out of resources; 57: operator intervention (shutdown, statement timeout).
    ["08", "53", "57"].iter().any(|class| code.starts_with(class))
        || matches!(
            code,
            // Read-only: a standby, a full disk, an operator's choice.
            "25006"
            // A transaction stood idle, or took, too long.
            | "25P03" | "25P04"
            // A standby takes back what a reader still reads.
            | "40001"
            // A lock was not free in time.
            | "55P03"
        )
}

/// Whether Postgres ended one of several transactions that each waited for another: done again, it goes through.
pub fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("40P01"))
}

/// Whether an error is the violation of this named constraint: the name becomes the answer.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some(constraint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_faults_are_distinguished_from_lasting_ones() {
        for code in ["08006", "53300", "57P01", "57P03", "57014", "25006", "25P03", "55P03", "40001"] {
            assert!(is_unavailable_code(code), "{code}");
        }
        for code in ["23505", "40P01", "42501", "25001", "22P02", "XX000"] {
            assert!(!is_unavailable_code(code), "{code}");
        }
        assert!(is_unavailable(&sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".to_owned())));
    }
}
