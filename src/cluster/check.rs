//! Whether the change feed could do its work, asked from outside, without disturbing anybody's.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use tokio::time::timeout;
use uuid::Uuid;

use super::feed;
use super::store;
pub use super::store::Instance;

/// A channel of its own: on that of the feed, what is not understood makes every instance forget everything.
const CHANNEL: &str = "credenza_check";
/// Longest wait for a connection, and for a message to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a listener would not hear what is said.
#[derive(Debug, thiserror::Error)]
pub enum Deaf {
    /// It cannot listen at all.
    #[error("LISTEN cannot be used")]
    Listener(#[source] sqlx::Error),
    /// Nothing can be said.
    #[error("nothing can be said")]
    Speaker(#[source] sqlx::Error),
    /// It does not answer.
    #[error("no answer within {PATIENCE:?}")]
    Silent,
    /// What is said on the one does not arrive on the other.
    #[error("a notification did not arrive within {PATIENCE:?}")]
    Unheard,
}

/// Says something through the pool and waits for it on a connection like the feed's. How long it took.
pub async fn hears(pool: &PgPool, listener: &PgConnectOptions) -> Result<Duration, Deaf> {
    let options = feed::session(listener.clone());
    // A pool would try again, and then say no more than that time is up.
    let alone = timeout(PATIENCE, options.connect()).await.map_err(|_| Deaf::Silent)?.map_err(Deaf::Listener)?;
    alone.close().await.map_err(Deaf::Listener)?;
    let single = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options);
    let listen = async {
        let mut listener = PgListener::connect_with(&single).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    let mut listener = timeout(PATIENCE, listen).await.map_err(|_| Deaf::Silent)?.map_err(Deaf::Listener)?;
    let message = Uuid::new_v4().to_string();
    let begun = tokio::time::Instant::now();
    store::notify(pool, CHANNEL, &message).await.map_err(Deaf::Speaker)?;
    let heard = async {
        // Somebody else may be asking, too.
        while listener.recv().await?.payload() != message {}
        Ok(begun.elapsed())
    };
    timeout(PATIENCE, heard).await.map_err(|_| Deaf::Unheard)?.map_err(Deaf::Listener)
}

/// The instances that writes wait for.
pub async fn instances(pool: &PgPool) -> Result<Vec<Instance>, sqlx::Error> {
    store::instances(pool).await
}
