//! Tries whether a change feed could do its work, on a channel of its own that disturbs no other.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use tokio::time::timeout;
use uuid::Uuid;

use super::feed;
use super::store;
pub use super::store::Instance;
use crate::postgres::Servers;

/// Another channel than the feed's, on which a message that is not understood makes every instance drop its caches.
const CHANNEL: &str = "credenza_check";
/// Longest wait for a connection, and for a message to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a feed would not receive what is sent.
#[derive(Debug, thiserror::Error)]
pub enum FeedFault {
    /// The connection cannot listen at all.
    #[error("LISTEN cannot be used")]
    Listener(#[source] sqlx::Error),
    /// Nothing can be sent.
    #[error("nothing can be sent")]
    Sender(#[source] sqlx::Error),
    /// The server does not answer.
    #[error("no answer within {PATIENCE:?}")]
    Silent,
    /// A notification of the one connection does not arrive on the other.
    #[error("a notification did not arrive within {PATIENCE:?}")]
    NotReceived,
}

/// Sends a notification through the pool and waits for it on a connection like the feed's. Returns how long it took.
pub async fn try_feed(pool: &PgPool, listener: &Servers) -> Result<Duration, FeedFault> {
    let options = feed::session(listener.current().clone());
    // A pool would try again, and then report no more than that time is up.
    let alone =
        timeout(PATIENCE, options.connect()).await.map_err(|_| FeedFault::Silent)?.map_err(FeedFault::Listener)?;
    alone.close().await.map_err(FeedFault::Listener)?;
    let single = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options);
    let listen = async {
        let mut listener = PgListener::connect_with(&single).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    let mut listener = timeout(PATIENCE, listen).await.map_err(|_| FeedFault::Silent)?.map_err(FeedFault::Listener)?;
    let message = Uuid::new_v4().to_string();
    let begun = tokio::time::Instant::now();
    store::notify(pool, CHANNEL, &message).await.map_err(FeedFault::Sender)?;
    let heard = async {
        // Somebody else may be asking, too.
        while listener.recv().await?.payload() != message {}
        Ok(begun.elapsed())
    };
    timeout(PATIENCE, heard).await.map_err(|_| FeedFault::NotReceived)?.map_err(FeedFault::Listener)
}

/// Lists the instances that writes wait for.
pub async fn instances(pool: &PgPool) -> Result<Vec<Instance>, sqlx::Error> {
    store::instances(pool).await
}
