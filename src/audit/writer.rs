//! Writes the events of resolves: a batch in one transaction, every chain that it touches extended by one statement.
//!
//! Heads are locked only if nobody holds them, so that a batch neither waits for a write of one account while it keeps
//! others from theirs, nor takes part in a deadlock. What belongs to a head that is held, or that does not exist yet, is
//! written by itself afterwards.
//!
//! A connection can break while a commit is on its way, and then nobody knows whether it was done. So the writer remembers
//! one record of it, and asks for that before it writes the events again: none is written twice.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::chain::AuditKey;
use super::event::{Action, Event};
use super::resolves::{Fate, RecordMode, Shared, Waiting};
use super::store::{self, AccountHead, Batch, Head};
use crate::postgres::{self, Tenant};
use crate::principal::Actor;
use crate::types::AccountId;

/// Most events of a transaction. It holds the heads of their chains for as long as it takes to insert them.
const BATCH: usize = 1000;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// An event is queued a moment after the time that it bears. So what is older than the oldest that waits by this much is
/// written.
const MARGIN: TimeDelta = TimeDelta::seconds(1);

/// The one who writes. Its connection is its own, so that resolves and changes do not wait for each other's.
pub(super) struct Writer {
    id: Uuid,
    key: AuditKey,
    pool: Option<PgPool>,
    /// The connection that says that this instance lives.
    presence: Option<PgPool>,
    /// Taken from the queue, and not known to be written.
    batch: Vec<Waiting>,
    /// Whether a commit was begun whose end is not known.
    sent: Option<Sent>,
}

/// A commit on its way.
struct Sent {
    /// One of its records.
    witness: AccountHead,
    /// How many events it covers, from the beginning of the batch.
    count: usize,
}

impl Writer {
    pub fn new(key: AuditKey) -> Self {
        Self { id: Uuid::new_v4(), key, pool: None, presence: None, batch: Vec::new(), sent: None }
    }

    /// Says where to write, and where to say, on a direct connection, that this instance lives. Connects when needed.
    pub fn connect(&mut self, database: &PgConnectOptions, direct: &PgConnectOptions) {
        let one =
            PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).acquire_timeout(CONNECT);
        let id = self.id;
        let presence =
            one.clone().after_connect(move |connection, _| Box::pin(store::say_that_it_lives(connection, id)));
        self.pool = Some(one.connect_lazy_with(postgres::with_limits(database)));
        self.presence = Some(presence.connect_lazy_with(postgres::with_limits(direct)));
    }

    /// Sees to it that the connection stands that says that this instance lives. Without it others may take it for gone,
    /// and record a gap in which nothing is missing; that is no reason to record nothing.
    async fn be_present(&self) {
        if let Some(presence) = &self.presence
            && let Err(error) = presence.acquire().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "other instances may take this one for gone");
        }
    }

    /// Whether it holds nothing.
    pub fn is_idle(&self) -> bool {
        self.batch.is_empty()
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let pool = self.pool.as_ref().ok_or(sqlx::Error::PoolClosed)?;
        // Resolves of every account, in one transaction.
        postgres::begin(pool, Tenant::Every).await
    }

    /// Writes everything that waits.
    pub async fn write(&mut self, shared: &Shared) -> Result<(), sqlx::Error> {
        loop {
            shared.take(&mut self.batch, BATCH);
            if self.batch.is_empty() {
                return Ok(());
            }
            let result = self.write_batch(shared).await;
            if result.is_err() {
                // Whoever waits for one of these is refused now. Those that have been answered stay.
                for waiting in &mut self.batch {
                    if !matches!(waiting.fate, Fate::Answered) {
                        waiting.fate = Fate::Refused;
                    }
                }
            }
            result?;
            if !self.batch.is_empty() {
                // Somebody holds a head for long. The others come first, and the loop of the queue pauses.
                return Ok(());
            }
        }
    }

    async fn write_batch(&mut self, shared: &Shared) -> Result<(), sqlx::Error> {
        self.settle(shared).await?;
        let before = self.batch.len();
        self.batch.retain(|waiting| match &waiting.fate {
            Fate::Answered => true,
            Fate::Awaited(answer) => !answer.is_closed(),
            Fate::Refused => false,
        });
        shared.written(before - self.batch.len());
        let accounts = self.accounts();
        if accounts.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let heads = store::lock_free_heads(&mut transaction, &accounts).await?;
        self.commit(shared, transaction, heads).await?;
        for account in self.accounts() {
            let mut transaction = self.begin().await?;
            store::do_not_wait_long(&mut transaction).await?;
            match store::lock_head(&mut transaction, account).await {
                Ok(head) => {
                    self.commit(shared, transaction, vec![AccountHead { account_id: account, head }]).await?;
                }
                Err(error) if store::waited_too_long(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The accounts of the batch, each once.
    fn accounts(&self) -> Vec<AccountId> {
        let mut accounts: Vec<_> = self.batch.iter().map(|waiting| waiting.resolve.account).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }

    /// Finds out whether a commit was done whose answer never came.
    async fn settle(&mut self, shared: &Shared) -> Result<(), sqlx::Error> {
        let Some(Sent { witness, count }) = &self.sent else { return Ok(()) };
        let mut transaction = self.begin().await?;
        // The server may still be at it, and holds the head as long.
        store::do_not_wait_long(&mut transaction).await?;
        store::lock_head(&mut transaction, witness.account_id).await?;
        let done = store::has_record(&mut transaction, witness.account_id, &witness.head).await?;
        let count = *count;
        self.sent = None;
        if done {
            self.done(shared, count);
        }
        Ok(())
    }

    /// Writes the events of those accounts whose heads are held, and commits.
    async fn commit(
        &mut self,
        shared: &Shared,
        mut transaction: Transaction<'static, Postgres>,
        heads: Vec<AccountHead>,
    ) -> Result<(), sqlx::Error> {
        if heads.is_empty() {
            return Ok(());
        }
        let mut heads: HashMap<AccountId, Head> = heads.into_iter().map(|head| (head.account_id, head.head)).collect();
        // What can be written comes first, account by account; what an account did stays in its order.
        self.batch.sort_by_cached_key(|waiting| {
            let account = waiting.resolve.account;
            (!heads.contains_key(&account), account)
        });
        let count = self.batch.partition_point(|waiting| heads.contains_key(&waiting.resolve.account));
        let mut batch = Batch::default();
        for events in self.batch[..count].chunk_by(|one, next| one.resolve.account == next.resolve.account) {
            let Some(head) = events.first().and_then(|first| heads.get_mut(&first.resolve.account)) else { continue };
            for Waiting { resolve, .. } in events {
                let event = (&resolve.actor, resolve.occurred_at, &resolve.event);
                batch.push(resolve.account, super::next(&self.key, resolve.account, head, event));
            }
        }
        let Some(witness) = batch.heads().last().cloned() else { return Ok(()) };
        store::append(&mut transaction, batch).await?;
        if shared.mode == RecordMode::Batched {
            let oldest = self.batch.iter().map(|waiting| waiting.resolve.occurred_at).min();
            let written = oldest.unwrap_or_else(|| shared.clock.now()) - MARGIN;
            store::note_writer(&mut transaction, self.id, written).await?;
        }
        self.sent = Some(Sent { witness, count });
        transaction.commit().await?;
        self.sent = None;
        if shared.mode == RecordMode::Batched {
            shared.announced.store(true, Ordering::Release);
        }
        self.done(shared, count);
        Ok(())
    }

    /// The first events of the batch are written.
    fn done(&mut self, shared: &Shared, count: usize) {
        for waiting in self.batch.drain(..count) {
            if let Fate::Awaited(answer) = waiting.fate {
                // Who waited may have gone.
                let _ = answer.send(());
            }
        }
        shared.written(count);
    }

    /// Says that this instance lives and holds nothing, and records the gaps that others left. Only while it holds nothing.
    pub async fn tend(&mut self, shared: &Shared) -> Result<(), sqlx::Error> {
        let now = shared.clock.now();
        self.be_present().await;
        let mut transaction = self.begin().await?;
        if shared.announced.load(Ordering::Relaxed) {
            store::note_writer(&mut transaction, self.id, now - MARGIN).await?;
        }
        let others = store::other_writers(&mut transaction, self.id).await?;
        transaction.commit().await?;
        for other in others {
            let mut transaction = self.begin().await?;
            if !store::is_gone(&mut transaction, other).await? {
                continue;
            }
            if let Some(since) = store::forget_writer(&mut transaction, other).await? {
                let gap = Event { since: Some(since), ..Event::about(Action::ResolvesGap, other) };
                let (operator, actor) = (AccountId::OPERATOR, Actor::operator());
                super::record(&mut transaction, &self.key, operator, &actor, now, &[gap]).await?;
                transaction.commit().await?;
                tracing::warn!(instance = %other, %since, "an instance ended without writing its last events of resolves");
            }
        }
        Ok(())
    }

    /// Says that everything is written that this instance held.
    pub async fn say_farewell(&mut self, shared: &Shared) -> Result<(), sqlx::Error> {
        if shared.announced.load(Ordering::Relaxed) {
            let mut transaction = self.begin().await?;
            store::forget_writer(&mut transaction, self.id).await?;
            transaction.commit().await?;
        }
        for pool in [self.pool.take(), self.presence.take()].into_iter().flatten() {
            pool.close().await;
        }
        Ok(())
    }
}
