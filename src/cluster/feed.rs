//! The change feed: hears, on a connection of its own, what the database's triggers announce, whoever made the change
//! (another instance, the command line, a person with psql), and bumps the owner's generation.
//!
//! Postgres keeps no messages for a listener that is away. So the caches are bypassed from the moment the connection is
//! in doubt, and everything cached before is void when it is back. `PgListener` reconnects by itself and hides the gap;
//! this module never lets it: any irregularity ends the connection, and a new one is made from nothing.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::{error::Elapsed, sleep, timeout};

use super::Cluster;
use super::owner::Owner;

/// The channel that the triggers use.
const CHANNEL: &str = "credenza_changes";
/// A half-open connection brings neither messages nor errors, so a statement on it has to answer this often ...
const HEARTBEAT: Duration = Duration::from_secs(1);
/// ... within this time.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause before a new attempt to connect.
const RETRY: Duration = Duration::from_millis(250);

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection failed")]
    Connection(#[from] sqlx::Error),
    #[error("the connection was closed")]
    Closed,
    #[error("the connection did not answer in time")]
    Silent(#[from] Elapsed),
}

/// Listens until the task is dropped. `options` must lead to Postgres directly, not through a transaction pooler.
pub async fn run(cluster: Cluster, options: PgConnectOptions) {
    loop {
        let lost = listen(&cluster, &options).await;
        cluster.generations.stop_hearing();
        let Err(lost) = lost;
        tracing::warn!(error = &lost as &dyn std::error::Error, "change feed lost, caches are bypassed");
        sleep(RETRY).await;
    }
}

/// Listens on one connection for as long as it is beyond doubt.
async fn listen(cluster: &Cluster, options: &PgConnectOptions) -> Result<std::convert::Infallible, Lost> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options.clone());
    let mut listener = timeout(PATIENCE, PgListener::connect_with(&pool)).await??;
    timeout(PATIENCE, listener.listen(CHANNEL)).await??;
    // Only now: whatever commits after LISTEN is heard, whatever was cached before is void.
    cluster.generations.start_hearing();
    tracing::debug!("change feed is listening");
    loop {
        match timeout(HEARTBEAT, listener.try_recv()).await {
            Ok(Ok(Some(message))) => cluster.generations.bump(&Owner::from_message(message.payload())),
            Ok(Ok(None)) => return Err(Lost::Closed),
            Ok(Err(error)) => return Err(error.into()),
            Err(_quiet) => {
                timeout(PATIENCE, sqlx::query("select 1").execute(&mut listener)).await??;
            }
        }
    }
}
