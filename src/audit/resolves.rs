//! Records resolves. A resolve changes nothing, so it has no transaction of its own to be recorded in, and it is answered from
//! memory, faster than a database can follow one by one. So its event is put into a queue (`queue.rs`), and one task writes
//! the events in batches (`writer.rs`).
//!
//! No password leaves before its event is accepted here: in memory in [`RecordMode::Batched`], written in
//! [`RecordMode::Sync`]. While events cannot be written, resolves are refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::chain::AuditKey;
use super::queue::{MAX_WAIT, Queue, RecordMode, RecordSettings, Resolve};
use super::writer::Writer;
use crate::clock::Clock;
use crate::error::Error;
use crate::postgres::Servers;

/// How long events are collected for one batch. With the time to write it an event is late by less than 200 ms.
const COLLECT: Duration = Duration::from_millis(50);
/// Pause before another attempt to write.
const RETRY: Duration = Duration::from_millis(250);
/// How often the instance looks for others that are gone.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Longest wait for the last events to be written when the service stops.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(8);

/// Records resolves. Cheap to clone.
#[derive(Clone)]
pub struct Resolves {
    queue: Arc<Queue>,
    /// Locked while it writes. Events that it has taken from the queue stay in it when the task is dropped.
    writer: Arc<Mutex<Writer>>,
}

impl Resolves {
    /// Makes an empty queue and its writer.
    pub fn new(settings: RecordSettings, key: AuditKey, clock: Clock) -> Self {
        Self { queue: Arc::new(Queue::new(settings, clock)), writer: Arc::new(Mutex::new(Writer::new(key))) }
    }

    /// Records a resolve. When this returns, the answer may leave.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] when the event cannot be accepted, or cannot be written where the answer has to wait for that.
    pub async fn record(&self, resolve: Resolve) -> Result<(), Error> {
        match self.queue.accept(resolve).await? {
            None => Ok(()),
            Some(written) => Box::pin(wait(written)).await,
        }
    }

    /// Records resolves whose answers leave together.
    ///
    /// # Errors
    /// As [`Resolves::record`], if that happens to any of them.
    pub async fn record_all(&self, resolves: Vec<Resolve>) -> Result<(), Error> {
        let mut awaited = Vec::new();
        for resolve in resolves {
            awaited.extend(self.queue.accept(resolve).await?);
        }
        for written in awaited {
            wait(written).await?;
        }
        Ok(())
    }

    /// Counts the events that wait to be written.
    pub fn backlog(&self) -> usize {
        self.queue.backlog()
    }

    /// Returns how long the oldest event has waited that is not of a stopped account.
    pub fn oldest_age(&self) -> Duration {
        self.queue.oldest_age()
    }

    /// Counts the accounts whose resolves are refused because their chains cannot be extended.
    pub fn stopped_accounts(&self) -> usize {
        self.queue.stopped_accounts()
    }

    /// Writes the events, until the task is dropped. `direct` must lead to Postgres without a transaction pooler between: the
    /// connection holds a lock for as long as this instance lives.
    pub async fn run(self, database: impl Into<Servers>, direct: impl Into<Servers>) {
        let (database, direct) = (database.into(), direct.into());
        let queue = &self.queue;
        self.writer.lock().await.connect(&database, &direct);
        let mut looked = None;
        loop {
            if looked.is_none_or(|last: Instant| last.elapsed() >= HEARTBEAT) {
                looked = Some(Instant::now());
                if let Err(error) = self.writer.lock().await.find_gaps(queue).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "gaps of the audit cannot be looked for");
                }
            }
            if queue.is_empty() {
                let writer = self.writer.lock().await;
                let (is_idle, waits_for_others) = (writer.is_idle(), writer.has_only_events_apart());
                drop(writer);
                if is_idle {
                    queue.wait_for_arrivals(HEARTBEAT).await;
                } else if waits_for_others {
                    queue.wait_for_arrivals(RETRY).await;
                }
            }
            if queue.mode == RecordMode::Batched && queue.has_begun() {
                sleep(COLLECT).await;
            }
            let result = self.writer.lock().await.write(queue).await;
            if queue.note_attempt(result.as_ref().err()) {
                sleep(RETRY).await;
            }
        }
    }

    /// Writes the last events and records that none is lost. To be called when no more requests come. Returns after
    /// [`CLOSE_LIMIT`] at the latest.
    pub async fn close(&self) {
        let queue = &self.queue;
        queue.close();
        let mut writer = self.writer.lock().await;
        let closing = async {
            loop {
                let failed = queue.note_attempt(writer.write(queue).await.as_ref().err());
                if !failed && writer.is_idle() && queue.is_empty() {
                    break writer.end(queue).await;
                }
                sleep(RETRY).await;
            }
        };
        match timeout(CLOSE_LIMIT, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the audit could not be closed");
            }
            Err(_) => tracing::error!(lost = self.backlog(), "events of resolves could not be written"),
        }
    }
}

async fn wait(written: oneshot::Receiver<()>) -> Result<(), Error> {
    match timeout(MAX_WAIT, written).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Error::NotRecorded),
    }
}
