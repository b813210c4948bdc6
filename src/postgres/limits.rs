//! Limits of a session: how long Postgres may work on a statement, and how long we wait for its answer.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::time::timeout;

/// Longest time that Postgres may work on one statement of ours, and that a statement or a commit of ours may wait for a lock.
const STATEMENT_TIMEOUT_MS: &str = "10000";
/// Longest time that a transaction of ours may stand idle, which only a stuck process lets happen.
const IDLE_IN_TRANSACTION_TIMEOUT_MS: &str = "10000";

/// Longest wait for the answer to a statement: what Postgres takes at most, and the way. After that the network is gone, or
/// a commit waits for a standby.
pub const STATEMENT_LIMIT: Duration = Duration::from_secs(12);

/// Returns the same way in, with limits on how long the server works or waits for us, and on how long it takes a connection
/// for alive whose other end is gone; and with the isolation level that transactions are written for, also if the role or the
/// database has another default. Connections through a pooler get the same from the role (`grant_application_role.sql`).
pub fn with_limits(options: &PgConnectOptions) -> PgConnectOptions {
    let options = match options.get_application_name() {
        Some(_) => options.clone(),
        None => options.clone().application_name("credenza"),
    };
    options.options([
        ("statement_timeout", STATEMENT_TIMEOUT_MS),
        ("lock_timeout", STATEMENT_TIMEOUT_MS),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT_MS),
        ("default_transaction_isolation", "read committed"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// Waits for the answer to a statement no longer than it may take. Without an answer the connection is of no use any more.
pub async fn within_limit<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(STATEMENT_LIMIT, statement).await.unwrap_or_else(|_| Err(no_answer()))
}

/// Makes the error of a statement whose answer does not come.
pub fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer from the database"))
}

/// Returns whether an error is that of a statement whose answer did not come.
pub fn is_no_answer(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}
