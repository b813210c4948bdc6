//! Events of resolves on their way into the chains. A resolve changes nothing, so it has no transaction of its own to be
//! recorded in, and it is answered from memory, at a speed that a database cannot follow one by one. So events are
//! collected here, and one task writes them in batches (`writer.rs`).
//!
//! No password leaves before its event is accepted here. Accepted means in memory in [`RecordMode::Batched`], and written
//! in [`RecordMode::Sync`]. The backlog is bounded; when it is full, or nothing can be written in `Sync`, the answer is that
//! the service is not available.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::chain::AuditKey;
use super::event::Event;
use super::writer::Writer;
use crate::clock::Clock;
use crate::error::Error;
use crate::principal::Actor;
use crate::types::AccountId;

/// How long events are collected for one batch. With the time to write it an event is less than 200 ms behind.
const COLLECT: Duration = Duration::from_millis(50);
/// Pause before another attempt to write.
const RETRY: Duration = Duration::from_millis(250);
/// Longest wait for room in the backlog, or for an event to be written.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often an idle instance says that it lives, and looks for others that do not.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Longest wait for the last events to be written when the service stops.
const FAREWELL: Duration = Duration::from_secs(8);

/// When an answer may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordMode {
    /// When its event is in memory. A crash loses the last batch, and the next start records that.
    Batched,
    /// When its event is written.
    Sync,
}

/// How resolves are recorded.
#[derive(Clone, Copy, Debug)]
pub struct RecordSettings {
    /// When an answer may leave.
    pub mode: RecordMode,
    /// Most events that wait to be written.
    pub backlog: usize,
}

/// What is recorded of one resolve. Cheap to make: nothing of it is copied that is shared.
#[derive(Clone, Debug)]
pub struct Resolve {
    /// In whose chain.
    pub account: AccountId,
    /// Who asked.
    pub actor: Actor,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// For what, and what came of it.
    pub event: Event,
}

/// An event that waits to be written.
pub(super) struct Waiting {
    pub resolve: Resolve,
    pub fate: Fate,
}

/// Who depends on a waiting event.
pub(super) enum Fate {
    /// Nobody any more: its answer has left.
    Answered,
    /// An answer that leaves when it is written.
    Awaited(oneshot::Sender<()>),
    /// Nobody: the answer was that the service is not available.
    Refused,
}

/// The queue. Cheap to clone.
#[derive(Clone)]
pub struct Resolves(Arc<Shared>);

pub(super) struct Shared {
    pub mode: RecordMode,
    pub clock: Clock,
    queue: Mutex<VecDeque<Waiting>>,
    /// Room in the backlog. An event has its place from here until it is written.
    room: Semaphore,
    backlog: usize,
    work: Notify,
    /// Whether the last attempt to write failed.
    failing: AtomicBool,
    /// Whether the database knows that this instance may hold events. Until then the first ones are awaited.
    pub announced: AtomicBool,
    /// Held while it writes. What it has taken from the queue stays in it when the task is dropped.
    writer: tokio::sync::Mutex<Writer>,
}

impl Resolves {
    /// An empty queue.
    pub fn new(settings: RecordSettings, key: AuditKey, clock: Clock) -> Self {
        // A semaphore takes no more than that.
        let backlog = settings.backlog.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            mode: settings.mode,
            clock,
            queue: Mutex::default(),
            room: Semaphore::new(backlog),
            backlog,
            work: Notify::new(),
            failing: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            writer: tokio::sync::Mutex::new(Writer::new(key)),
        }))
    }

    /// Records a resolve. When this returns, the answer may leave.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] when the event cannot be taken, or cannot be written where the answer has to wait for that.
    pub async fn record(&self, resolve: Resolve) -> Result<(), Error> {
        match self.accept(resolve).await? {
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
            awaited.extend(self.accept(resolve).await?);
        }
        for written in awaited {
            wait(written).await?;
        }
        Ok(())
    }

    /// How many events wait to be written.
    pub fn backlog(&self) -> usize {
        self.0.backlog - self.0.room.available_permits()
    }

    /// Takes an event; who waits for it is told when it is written.
    async fn accept(&self, resolve: Resolve) -> Result<Option<oneshot::Receiver<()>>, Error> {
        let shared = &*self.0;
        let room = match shared.room.try_acquire() {
            Ok(room) => room,
            // Full. There is no point in waiting for a database that is away.
            Err(_) if shared.failing.load(Ordering::Relaxed) => return Err(Error::NotRecorded),
            Err(_) => match Box::pin(timeout(PATIENCE, shared.room.acquire())).await {
                Ok(Ok(room)) => room,
                _ => return Err(Error::NotRecorded),
            },
        };
        room.forget();
        let leaves_at_once = shared.mode == RecordMode::Batched && shared.announced.load(Ordering::Acquire);
        let (fate, written) = if leaves_at_once {
            (Fate::Answered, None)
        } else {
            let (sender, receiver) = oneshot::channel();
            (Fate::Awaited(sender), Some(receiver))
        };
        let was_empty = {
            let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push_back(Waiting { resolve, fate });
            queue.len() == 1
        };
        if was_empty {
            shared.work.notify_one();
        }
        Ok(written)
    }

    /// Writes what is recorded, until the task is dropped. `direct` must lead to Postgres without a transaction pooler
    /// between: the connection says, for as long as it stands, that this instance lives.
    pub async fn run(self, database: PgConnectOptions, direct: PgConnectOptions) {
        let shared = &self.0;
        shared.writer.lock().await.connect(&database, &direct);
        let mut looked = None;
        loop {
            let is_idle = shared.is_idle().await;
            if looked.is_none_or(|last: Instant| is_idle && last.elapsed() >= HEARTBEAT) {
                looked = Some(Instant::now());
                if let Err(error) = shared.writer.lock().await.tend(shared).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "gaps of the audit cannot be looked for");
                }
            }
            if is_idle {
                // An event that came meanwhile has left its notice.
                let _ = timeout(HEARTBEAT, shared.work.notified()).await;
            }
            if shared.mode == RecordMode::Batched && shared.announced.load(Ordering::Relaxed) {
                sleep(COLLECT).await;
            }
            let result = shared.writer.lock().await.write(shared).await;
            if shared.note(result.as_ref().err()) {
                sleep(RETRY).await;
            }
        }
    }

    /// Writes what is left, and says that nothing is lost. To be called when no more requests come.
    pub async fn close(&self) {
        let shared = &*self.0;
        shared.room.close();
        let mut writer = shared.writer.lock().await;
        let farewell = async {
            while shared.note(writer.write(shared).await.as_ref().err()) {
                sleep(RETRY).await;
            }
            writer.say_farewell(shared).await
        };
        match timeout(FAREWELL, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the audit could not be closed");
            }
            Err(_) => tracing::error!(lost = self.backlog(), "events of resolves could not be written"),
        }
    }
}

async fn wait(written: oneshot::Receiver<()>) -> Result<(), Error> {
    match timeout(PATIENCE, written).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Error::NotRecorded),
    }
}

impl Shared {
    /// Moves events from the queue to the writer, until it has as many as it wants.
    pub fn take(&self, batch: &mut Vec<Waiting>, most: usize) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = most.saturating_sub(batch.len()).min(queue.len());
        batch.extend(queue.drain(..count));
    }

    /// Makes room for as many new events.
    pub fn written(&self, count: usize) {
        self.room.add_permits(count);
    }

    async fn is_idle(&self) -> bool {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty() && self.writer.lock().await.is_idle()
    }

    /// Notes how an attempt to write went, and logs what is new about that. Whether it failed.
    fn note(&self, error: Option<&sqlx::Error>) -> bool {
        let failed_before = self.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !failed_before => {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "resolves cannot be recorded; when the backlog is full no password leaves"
                );
            }
            None if failed_before => tracing::info!("resolves are recorded again"),
            _ => {}
        }
        error.is_some()
    }
}
