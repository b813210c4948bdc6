//! A write: a transaction that is committed after every instance has acknowledged the hold of what it changes.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{PgConnection, Postgres, Transaction};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, debug_span};
use uuid::Uuid;

use super::message::{self, Message};
use super::mutant::Mutant;
use super::store::{self, Member, Notice};
use super::{Cluster, holds};
use crate::background;
use crate::error::{self, Error};
use crate::types::AccountId;

/// A write that waits longer than this for others is logged.
const SLOW: Duration = Duration::from_millis(100);
/// Longest wait of a write for the feed's connection before it takes one of the pool.
const PATIENCE: Duration = Duration::from_millis(500);

/// A write under way. Dropping it rolls back.
pub struct Change {
    pub(super) cluster: Cluster,
    pub(super) transaction: Transaction<'static, Postgres>,
    /// Given back when the transaction has ended.
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Change {
    /// Announces one owner for all that an account stores, in place of so many that it would have to be everything.
    pub async fn announce_bundles(&mut self, account: AccountId) -> Result<(), Error> {
        Ok(store::announce(&mut self.transaction, &format!("bundles {account}")).await?)
    }

    /// Commits, and returns when no read that begins from now on, in any process, can be answered from the older value. The
    /// database's triggers have noted the owners that the transaction changed.
    ///
    /// Once begun it is carried to its end, also if the caller goes away.
    pub async fn commit(self) -> Result<(), Error> {
        let span = debug_span!(target: "credenza::traces", "commit");
        background::spawn(self.carry_out().instrument(span)).await.map_err(error::stopped)?
    }

    /// Rolls back, and returns when its locks are free. Nothing is announced.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.transaction.rollback().await?)
    }

    async fn carry_out(mut self) -> Result<(), Error> {
        let (cluster, change) = (self.cluster.clone(), Uuid::new_v4());
        let done = cluster.key.sign(&Message::Done(change));
        let prepare = store::prepare_commit(&mut self.transaction, change, cluster.instance, &done);
        let prepared = cluster.within_limit(prepare).await?;
        if prepared.changed.is_empty() {
            return Ok(cluster.within_limit(self.transaction.commit()).await?);
        }
        let members = prepared.members.0;
        let begun = Instant::now();
        cluster.trust.hold(change, message::owners(&prepared.changed));
        if !members.is_empty() {
            let hold = Message::Hold { change, by: cluster.instance, changed: prepared.changed };
            if let Err(error) = cluster.acknowledged(change, &hold, &members).await {
                cluster.never_committed(change, &members).await;
                return Err(error);
            }
        }
        if Mutant::ReleaseBeforeCommit.is(cluster.trust.mutant) {
            cluster.never_committed(change, &members).await;
        }
        // Without a limit a commit that waits for a standby would keep its connection for as long as the standby is away.
        match cluster.within_limit(self.transaction.commit()).await {
            Ok(()) => cluster.trust.release(change),
            // The database refused.
            Err(error) if !crate::postgres::is_unavailable(&error) => {
                cluster.never_committed(change, &members).await;
                return Err(error.into());
            }
            // It is unknown whether it was committed. If it was, the feed brings the end of the hold; if not, the hold ends by
            // itself.
            Err(error) => return Err(error.into()),
        }
        if begun.elapsed() >= holds::LONGEST && !members.is_empty() {
            // The others may have stopped holding before the commit. The values that they loaded meanwhile are void when they
            // have received the commit, and they have received it when they acknowledge something that was sent later.
            let after = Message::Hold { change, by: cluster.instance, changed: String::new() };
            cluster.acknowledged(change, &after, &members).await?;
        }
        Ok(())
    }
}

impl Cluster {
    /// Sends a message about a change, and returns when every member has acknowledged it, or has no lease any more from before
    /// it received the message.
    async fn acknowledged(&self, change: Uuid, message: &Message, members: &[Member]) -> Result<(), Error> {
        let expected = self.acknowledgements.expect(change, members);
        self.send(message, members).await?;
        // A member renews its lease only by receiving the echo of a renewal, and receives this message before the echo of any
        // renewal that it sends from now on. So it holds the owners, or has no lease, by then.
        let sent = Instant::now();
        let longest_lease = members.iter().map(|member| member.lease_ms).max().unwrap_or_default();
        let end = sent + Duration::from_millis(longest_lease);
        if Mutant::NoWait.is(self.trust.mutant) {
            return Ok(());
        }
        if timeout(SLOW, expected.all()).await.is_err() {
            let slow = expected.missing().join(", ");
            // At the end of its lease an instance that is still missing no longer answers from memory.
            let _ = timeout_at(end, expected.all()).await;
            let waited_ms = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(waited_ms, instances = slow, "a write waited for other instances");
        }
        metrics::histogram!("credenza_acknowledgement_wait_seconds").record(sent.elapsed().as_secs_f64());
        Ok(())
    }

    /// Announces to every instance, this one included, that a change will never be committed. If that cannot be sent, their holds end
    /// after a while.
    async fn never_committed(&self, change: Uuid, members: &[Member]) {
        self.trust.release(change);
        if let Err(error) = self.send(&Message::Done(change), members).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the end of a hold could not be sent");
        }
    }

    /// Sends a message to every instance: on the feed's connection, or if that is away, on one of the pool.
    async fn send(&self, message: &Message, members: &[Member]) -> Result<(), Error> {
        let has_older = members.iter().any(|member| member.protocol < message::AUTHENTICATED);
        let notices = self.notices(message, has_older);
        let sent = timeout(PATIENCE, self.outbox.send(notices.clone())).await;
        if sent != Ok(true) {
            self.within_limit(store::send(self.pool(), &notices)).await?;
        }
        Ok(())
    }

    /// Returns a message in the form for instances of this version, and if there are older ones, in theirs as well.
    pub(super) fn notices(&self, message: &Message, has_older: bool) -> Vec<Notice> {
        let mut notices = vec![Notice { channel: message::MEMBERS, text: self.key.sign(message) }];
        if has_older {
            notices.push(Notice { channel: message::CHANGES, text: message.to_string() });
        }
        notices
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
