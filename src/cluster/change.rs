//! A write: a transaction that is not committed before everybody has let go of what it changes.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{PgConnection, Postgres, Transaction};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, debug_span};
use uuid::Uuid;

use super::message::{self, Message};
use super::mutant::Mutant;
use super::store::{self, Member};
use super::{Cluster, holds};
use crate::error::Error;
use crate::types::AccountId;

/// A write that waited longer than this for others is worth a line in the log.
const SLOW: Duration = Duration::from_millis(100);
/// How long a write waits for the feed's connection before it takes one of the pool.
const PATIENCE: Duration = Duration::from_millis(500);

/// A write on its way. Dropping it rolls back.
pub struct Change {
    pub(super) cluster: Cluster,
    pub(super) transaction: Transaction<'static, Postgres>,
}

impl Change {
    /// Says beforehand that many rows of what an account stores change: one owner for all of them, whom everybody lets go
    /// of, instead of so many that it would have to be everything.
    pub async fn announce_bundles(&mut self, account: AccountId) -> Result<(), Error> {
        Ok(store::announce(&mut self.transaction, &format!("bundles {account}")).await?)
    }

    /// Commits, and returns when no read that begins from now on, in any process, can be answered from the older value.
    /// Whom the transaction changed, the database's triggers have noted.
    ///
    /// Once begun it is carried to its end, also if the caller goes away.
    pub async fn commit(self) -> Result<(), Error> {
        match tokio::spawn(self.carry_out().instrument(debug_span!(target: "credenza::traces", "commit"))).await {
            Ok(result) => result,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that is shutting down cancels the task.
                Err(_cancelled) => Err(Error::Unavailable(sqlx::Error::PoolClosed)),
            },
        }
    }

    /// Takes everything back, and returns when its locks are free. Nobody hears of it.
    pub async fn take_back(self) -> Result<(), Error> {
        Ok(self.transaction.rollback().await?)
    }

    async fn carry_out(mut self) -> Result<(), Error> {
        let Self { cluster, transaction } = &mut self;
        let change = Uuid::new_v4();
        let prepared = store::prepare_commit(transaction, change, cluster.instance).await?;
        if prepared.changed.is_empty() {
            return Ok(self.transaction.commit().await?);
        }
        let (cluster, members) = (cluster.clone(), prepared.members.0);
        let begun = Instant::now();
        cluster.trust.hold(change, message::owners(&prepared.changed));
        if !members.is_empty() {
            let hold = Message::Hold { change, by: cluster.instance, changed: prepared.changed };
            if let Err(error) = cluster.acknowledged(change, &hold, &members).await {
                cluster.never_committed(change).await;
                return Err(error);
            }
        }
        if Mutant::ReleaseBeforeCommit.is(cluster.trust.mutant) {
            cluster.never_committed(change).await;
        }
        match self.transaction.commit().await {
            Ok(()) => cluster.trust.release(change),
            // The database said no.
            Err(error) if !crate::postgres::is_unavailable(&error) => {
                cluster.never_committed(change).await;
                return Err(error.into());
            }
            // Nobody knows whether it was committed. If it was, the feed brings the end of the hold; if not, the hold ends
            // by itself.
            Err(error) => return Err(error.into()),
        }
        if begun.elapsed() >= holds::LONGEST && !members.is_empty() {
            // The others may have stopped holding before the commit. What they loaded meanwhile is void when they have heard
            // of the commit, and they have heard of it when they acknowledge something that was said later.
            let after = Message::Hold { change, by: cluster.instance, changed: String::new() };
            cluster.acknowledged(change, &after, &members).await?;
        }
        Ok(())
    }
}

impl Cluster {
    /// Says something about a change, and returns when every member has acknowledged it or has no lease any more that it got
    /// before it heard.
    async fn acknowledged(&self, change: Uuid, message: &Message, members: &[Member]) -> Result<(), Error> {
        let expected = self.acknowledgements.expect(change, members);
        self.say(message).await?;
        // A member renews its lease only by hearing the echo of a renewal, and hears this message before the echo of any
        // renewal that it sends from now on. So what it does not let go of by hearing, it lets go of by then.
        let said = Instant::now();
        let longest_lease = members.iter().map(|member| member.lease_ms).max().unwrap_or_default();
        let end = said + Duration::from_millis(longest_lease);
        if Mutant::NoWait.is(self.trust.mutant) {
            return Ok(());
        }
        if timeout(SLOW, expected.all()).await.is_err() {
            let slow = expected.missing().join(", ");
            // At the end of its lease, whoever is still missing answers from memory no longer.
            let _ = timeout_at(end, expected.all()).await;
            let waited_ms = u64::try_from(said.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(waited_ms, instances = slow, "a write waited for other instances");
        }
        metrics::histogram!("credenza_acknowledgement_wait_seconds").record(said.elapsed().as_secs_f64());
        Ok(())
    }

    /// Tells everybody, itself included, that a change will never be committed. If that cannot be told, the others find out
    /// after a while.
    async fn never_committed(&self, change: Uuid) {
        self.trust.release(change);
        if let Err(error) = self.say(&Message::Done(change)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the end of a hold could not be told");
        }
    }

    /// Says something to every instance: on the feed's connection, or if it is away, on one of the pool.
    async fn say(&self, message: &Message) -> Result<(), Error> {
        let text = message.to_string();
        let sent = timeout(PATIENCE, self.outbox.send(text.clone())).await;
        if sent != Ok(true) {
            store::say(&self.pool, &[text]).await?;
        }
        Ok(())
    }
}

impl Deref for Change {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
