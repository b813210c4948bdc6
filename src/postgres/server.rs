//! The properties of a server.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Oldest major version that the schema works with.
pub const OLDEST_SERVER: i32 = 15;

/// A server, and its clock.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Server {
    /// The version as people write it.
    pub version: String,
    /// The major version.
    pub major: i32,
    /// The time by its clock.
    pub now: DateTime<Utc>,
}

/// Asks the server that the connection leads to.
pub async fn server(connection: &mut PgConnection) -> Result<Server, sqlx::Error> {
    sqlx::query_as(
        "select current_setting('server_version') as version,
             current_setting('server_version_num')::integer / 10000 as major, clock_timestamp() as now",
    )
    .fetch_one(connection)
    .await
}
