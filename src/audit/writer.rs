//! Writes the events of resolves: up to a thousand in one transaction, in which one statement extends all chains.
//!
//! A batch locks only heads that are free, so that it neither waits for a write of one account while it keeps others from
//! theirs, nor takes part in a deadlock. Events whose head is held are set apart and tried again by themselves (`apart.rs`).
//! When the database refuses a batch because of what is in a chain, the batch is halved until the account is found, and its
//! events are set apart as well.
//!
//! A connection can break while a commit is on its way, and then it is not known whether it was done. So the writer remembers
//! one record of it, and looks for that before it writes the events again: none is written twice.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::Instant;

use super::apart::Apart;
use super::chain::AuditKey;
use super::queue::{Queue, RecordMode, Waiter, Waiting};
use super::recording::{self, Recording};
use super::store::{self, AccountHead, Batch, Head};
use crate::postgres::{self, STATEMENT_LIMIT, Servers, Tenant, no_answer};
use crate::standstill;
use crate::types::AccountId;

/// Most events of a transaction. It holds the heads of their chains for as long as it takes to insert them.
const BATCH: usize = 1000;
/// Time of a round for accounts that are set apart. One attempt may take as long again, for the wait for a lock.
const APART: Duration = Duration::from_millis(50);

/// The writer. It has connections of its own, so that resolves and changes do not wait for each other's.
pub(super) struct Writer {
    key: AuditKey,
    pool: Option<PgPool>,
    recording: Recording,
    /// Whether the beginning of the recording could not be written the last time.
    cannot_begin: bool,
    /// Taken from the queue, and not known to be written.
    batch: Vec<Waiting>,
    apart: Apart,
    unconfirmed: Option<Unconfirmed>,
}

/// A commit whose end is not known.
struct Unconfirmed {
    /// One of its records.
    witness: AccountHead,
    /// How many events it covers, from the beginning of the batch.
    count: usize,
}

impl Writer {
    pub fn new(key: AuditKey) -> Self {
        Self {
            recording: Recording::new(key.clone()),
            key,
            pool: None,
            cannot_begin: false,
            batch: Vec::new(),
            apart: Apart::default(),
            unconfirmed: None,
        }
    }

    /// Takes the ways to the database: for events, and a direct one for the lock of this instance. Connects when needed.
    pub fn connect(&mut self, database: &Servers, direct: &Servers) {
        self.pool = Some(database.lazy_pool(recording::pool_of_one()));
        self.recording.connect(direct);
    }

    /// Returns whether the writer has no events.
    pub fn is_idle(&self) -> bool {
        self.batch.is_empty() && self.apart.is_empty()
    }

    /// Returns whether it has events of accounts that are set apart, and no others.
    pub fn has_only_events_apart(&self) -> bool {
        self.batch.is_empty() && !self.apart.is_empty()
    }

    fn pool(&self) -> Result<&PgPool, sqlx::Error> {
        self.pool.as_ref().ok_or(sqlx::Error::PoolClosed)
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        // Resolves of every account, in one transaction.
        postgres::begin(self.pool()?, Tenant::Every).await
    }

    /// Writes the events that wait, as far as their chains can be extended.
    pub async fn write(&mut self, queue: &Queue) -> Result<(), sqlx::Error> {
        loop {
            let Self { batch, apart, .. } = self;
            let room = BATCH.saturating_sub(batch.len());
            let is_full = queue.take(room, |waiting| batch.extend(apart.add(waiting)));
            self.show(queue);
            // Nothing is lost with a round that is given up: the batch stays, and so does the witness of its commit.
            let round = standstill::limited(STATEMENT_LIMIT, Box::pin(self.write_round(queue))).await;
            let result = round.unwrap_or_else(|| Err(no_answer()));
            if result.is_err() {
                // Answers that wait for one of these are refused now. Those that have left need their events.
                for waiting in &mut self.batch {
                    if !matches!(waiting.waiter, Waiter::Answered) {
                        waiting.waiter = Waiter::Refused;
                    }
                }
            }
            self.show(queue);
            result?;
            if !is_full {
                return Ok(());
            }
        }
    }

    /// Shows those who resolve how old the events are that the writer has.
    fn show(&self, queue: &Queue) {
        queue.set_taken(self.batch.iter().map(|waiting| waiting.since).min(), self.apart.refusals());
    }

    async fn write_round(&mut self, queue: &Queue) -> Result<(), sqlx::Error> {
        self.recover_commit(queue).await?;
        self.drop_unneeded(queue);
        if !self.batch.is_empty() && queue.mode == RecordMode::Batched && !queue.has_begun() {
            self.begin_recording(queue).await?;
        }
        let accounts: Vec<_> = accounts_of(&self.batch).into_iter().chain(self.apart.undamaged()).collect();
        self.write_accounts(queue, accounts).await?;
        // The others hold on to their heads.
        self.apart.set(mem::take(&mut self.batch));
        self.write_apart(queue).await
    }

    /// Drops the events of answers that were refused.
    fn drop_unneeded(&mut self, queue: &Queue) {
        let before = self.batch.len();
        self.batch.retain(|waiting| waiting.waiter.needs_the_event());
        queue.release(before - self.batch.len() + self.apart.drop_unneeded());
    }

    /// Records that this instance begins to record resolves. From then on answers need not wait.
    async fn begin_recording(&mut self, queue: &Queue) -> Result<(), sqlx::Error> {
        let now = queue.clock.now();
        let oldest = self.oldest().unwrap_or(now);
        let pool = self.pool()?.clone();
        match self.recording.begin(&pool, now, oldest).await {
            Ok(()) => queue.set_begun(true),
            Err(error) if postgres::is_unavailable(&error) && !store::waited_too_long(&error) => return Err(error),
            // The operator's chain cannot be extended. Answers go on to wait for their events.
            Err(error) if !self.cannot_begin => {
                self.cannot_begin = true;
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the operator's chain cannot be extended; each resolve waits until it is recorded"
                );
            }
            Err(_) => {}
        }
        self.cannot_begin &= !queue.has_begun();
        Ok(())
    }

    /// Writes the events of those of the accounts whose heads are free, and sets apart the accounts whose chains refuse them.
    async fn write_accounts(&mut self, queue: &Queue, accounts: Vec<AccountId>) -> Result<(), sqlx::Error> {
        let mut groups = vec![accounts];
        while let Some(mut group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            let mut transaction = self.begin().await?;
            let heads = store::lock_free_heads(&mut transaction, &group).await?;
            for head in &heads {
                let room = BATCH.saturating_sub(self.batch.len());
                self.batch.extend(self.apart.take(head.account_id, room));
            }
            match self.commit(queue, transaction, heads).await {
                Ok(()) => {}
                Err(error) if store::is_about_a_chain(&error) => {
                    if let [account] = group.as_slice() {
                        self.set_damaged(queue, *account, &error);
                    } else {
                        let rest = group.split_off(group.len() / 2);
                        groups.extend([rest, group]);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tries accounts that are set apart, in turn, and waits a moment for their heads.
    async fn write_apart(&mut self, queue: &Queue) -> Result<(), sqlx::Error> {
        let begun = Instant::now();
        let mut first = None;
        while let Some(account) = self.apart.next_due(Instant::now()) {
            if first == Some(account) || begun.elapsed() >= APART {
                break;
            }
            first.get_or_insert(account);
            self.write_account(queue, account).await?;
            self.apart.set(mem::take(&mut self.batch));
        }
        Ok(())
    }

    async fn write_account(&mut self, queue: &Queue, account: AccountId) -> Result<(), sqlx::Error> {
        let mut transaction = self.begin().await?;
        store::limit_lock_wait(&mut transaction).await?;
        let written = match store::lock_head(&mut transaction, account).await {
            Ok(head) => {
                self.batch.extend(self.apart.take(account, BATCH));
                self.commit(queue, transaction, vec![AccountHead { account_id: account, head }]).await
            }
            Err(error) => Err(error),
        };
        match written {
            Err(error) if store::waited_too_long(&error) => Ok(()),
            Err(error) if store::is_about_a_chain(&error) => {
                self.set_damaged(queue, account, &error);
                Ok(())
            }
            written => written,
        }
    }

    /// Sets an account apart whose chain is damaged.
    fn set_damaged(&mut self, queue: &Queue, account: AccountId, error: &sqlx::Error) {
        let (events, others) =
            mem::take(&mut self.batch).into_iter().partition(|waiting| waiting.resolve.account == account);
        self.batch = others;
        self.apart.set(events);
        let (dropped, is_new) = self.apart.set_damaged(account, Instant::now());
        queue.release(dropped);
        if is_new {
            tracing::error!(
                %account,
                error = error as &dyn std::error::Error,
                "the account's audit chain is damaged; its resolves are refused until `credenza audit verify` finds no damage"
            );
        }
    }

    /// Finds out whether a commit was done whose answer never came.
    async fn recover_commit(&mut self, queue: &Queue) -> Result<(), sqlx::Error> {
        let Some(Unconfirmed { witness, count }) = &self.unconfirmed else { return Ok(()) };
        let mut transaction = self.begin().await?;
        // The server may still be at it, and holds the head as long.
        store::limit_lock_wait(&mut transaction).await?;
        store::lock_head(&mut transaction, witness.account_id).await?;
        let done = store::has_record(&mut transaction, witness.account_id, &witness.head).await?;
        let count = *count;
        self.unconfirmed = None;
        if done {
            self.set_written(queue, count);
        }
        Ok(())
    }

    /// Writes the events of the accounts whose heads are locked, and commits.
    async fn commit(
        &mut self,
        queue: &Queue,
        mut transaction: Transaction<'static, Postgres>,
        heads: Vec<AccountHead>,
    ) -> Result<(), sqlx::Error> {
        let mut heads: HashMap<AccountId, Head> = heads.into_iter().map(|head| (head.account_id, head.head)).collect();
        // Events that can be written come first, account by account; those of an account stay in their order.
        self.batch.sort_by_cached_key(|waiting| {
            let account = waiting.resolve.account;
            (!heads.contains_key(&account), account)
        });
        let count = self.batch.partition_point(|waiting| heads.contains_key(&waiting.resolve.account));
        let mut batch = Batch::default();
        for events in self.batch[..count].chunk_by(|one, next| one.resolve.account == next.resolve.account) {
            let Some(account) = events.first().map(|first| first.resolve.account) else { continue };
            let Some(head) = heads.get_mut(&account) else { continue };
            batch.start(account, head);
            for Waiting { resolve, .. } in events {
                let event = (&resolve.actor, resolve.occurred_at, &resolve.event);
                batch.push(account, super::next(&self.key, account, head, event)?);
            }
        }
        let Some(witness) = batch.heads().last().cloned() else { return Ok(()) };
        store::avoid_table_scans(&mut transaction).await?;
        store::append(&mut transaction, batch).await?;
        if let Some(oldest) = self.oldest()
            && queue.has_begun()
            && !self.recording.note(&mut transaction, oldest).await?
        {
            // Answers wait for their events until it is clear that this instance's recording is still open.
            queue.set_begun(false);
        }
        self.unconfirmed = Some(Unconfirmed { witness, count });
        transaction.commit().await?;
        self.unconfirmed = None;
        self.set_written(queue, count);
        Ok(())
    }

    /// Returns the earliest time that an event on hand bears.
    fn oldest(&self) -> Option<DateTime<Utc>> {
        self.batch.iter().chain(self.apart.events()).map(|waiting| waiting.resolve.occurred_at).min()
    }

    /// Takes the first events of the batch as written.
    fn set_written(&mut self, queue: &Queue, count: usize) {
        for account in accounts_of(&self.batch[..count]) {
            if self.apart.set_sound(account) {
                tracing::info!(%account, "the account's audit chain is extended again");
            }
        }
        for waiting in self.batch.drain(..count) {
            if let Waiter::Awaited(answer) = waiting.waiter {
                // The request may have ended.
                let _ = answer.send(());
            }
        }
        queue.release_written(count);
    }

    /// Notes that this instance lives and has no events, and records the gaps that others left.
    pub async fn find_gaps(&mut self, queue: &Queue) -> Result<(), sqlx::Error> {
        let found = standstill::limited(STATEMENT_LIMIT, Box::pin(self.look_for_gaps(queue))).await;
        found.unwrap_or_else(|| Err(no_answer()))
    }

    async fn look_for_gaps(&mut self, queue: &Queue) -> Result<(), sqlx::Error> {
        let (now, pool) = (queue.clock.now(), self.pool()?.clone());
        if queue.has_begun() && self.is_idle() && queue.is_empty() {
            let mut transaction = self.begin().await?;
            self.recording.note(&mut transaction, now).await?;
            transaction.commit().await?;
        }
        let is_open = self.recording.find_gaps(&pool, now).await?;
        if queue.has_begun() && !is_open {
            // Another instance took this one for gone and recorded that: the recording begins again.
            queue.set_begun(false);
        }
        Ok(())
    }

    /// Records that this instance has written everything, and closes the connections.
    pub async fn end(&mut self, queue: &Queue) -> Result<(), sqlx::Error> {
        if let Some(pool) = self.pool.take() {
            self.recording.end(&pool, queue.clock.now()).await?;
            pool.close().await;
        }
        Ok(())
    }
}

/// Returns the accounts of events, each once.
fn accounts_of(events: &[Waiting]) -> Vec<AccountId> {
    let mut accounts: Vec<_> = events.iter().map(|waiting| waiting.resolve.account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}
