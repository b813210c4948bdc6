//! Holds the events of resolves that wait to be written, and decides whether another may be accepted: a bounded number of
//! events may wait, and none for longer than [`MAX_AGE`].

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, timeout};

use super::event::Event;
use crate::clock::Clock;
use crate::error::Error;
use crate::principal::Actor;
use crate::types::AccountId;

/// Longest time that an event may wait to be written. When one has waited for longer, no password leaves: of its account if
/// its account's chain is the reason, else of any account.
pub(super) const MAX_AGE: Duration = Duration::from_secs(2);
/// Longest wait for room in the backlog, or for an event to be written.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(5);

/// When an answer may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordMode {
    /// When its event is in memory. A crash can lose the events of the last moments, and the operator's chain shows the gap.
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

/// A resolve to record. Cheap to make: it copies nothing that is shared.
#[derive(Clone, Debug)]
pub struct Resolve {
    /// The account whose chain gets the event.
    pub account: AccountId,
    /// The caller and the request.
    pub actor: Actor,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The call and its outcome.
    pub event: Event,
}

/// An event that waits to be written.
pub(super) struct Waiting {
    pub resolve: Resolve,
    pub waiter: Waiter,
    /// When it was accepted.
    pub since: Instant,
}

/// The answer that depends on an event.
pub(super) enum Waiter {
    /// It has left, so the event must be written.
    Answered,
    /// It leaves when the event is written.
    Awaited(oneshot::Sender<()>),
    /// It was that the service is not available, so the event is dropped.
    Refused,
}

impl Waiter {
    /// Returns whether the event still has to be written.
    pub fn needs_the_event(&self) -> bool {
        match self {
            Self::Answered => true,
            Self::Awaited(answer) => !answer.is_closed(),
            Self::Refused => false,
        }
    }
}

/// The time during which the resolves of an account are refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub from: Instant,
    pub until: Option<Instant>,
}

impl Refusal {
    fn is_in_force(self, now: Instant) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

/// The queue, shared by those who resolve and the writer.
pub(super) struct Queue {
    pub mode: RecordMode,
    pub clock: Clock,
    state: Mutex<State>,
    /// Room in the backlog. An event takes its place here until it is written or dropped.
    room: Semaphore,
    backlog: usize,
    arrivals: Notify,
    /// Wakes those who wait for the writer.
    progress: Notify,
    /// Whether the last attempt to write failed.
    is_failing: AtomicBool,
    /// Whether the beginning of this instance's recording is in the operator's chain. Until then answers wait for their
    /// events to be written.
    has_begun: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// When the oldest event was accepted that the writer has taken and not set apart.
    oldest_taken: Option<Instant>,
    /// Accounts whose events the writer has set apart.
    apart: HashMap<AccountId, Refusal>,
    /// When events were written last.
    written_at: Option<Instant>,
}

/// Decision about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is accepted.
    Accepted,
    /// An event has waited for too long, but events are being written: it may be accepted in a moment.
    Later,
    /// It is refused.
    Refused,
}

impl State {
    fn oldest(&self) -> Option<Instant> {
        self.oldest_taken.or_else(|| self.waiting.front().map(|waiting| waiting.since))
    }

    fn verdict(&self, account: AccountId, now: Instant) -> Verdict {
        let is_recent = |time: Option<Instant>| time.is_some_and(|time| now.duration_since(time) < MAX_AGE);
        let oldest = self.oldest();
        if self.apart.get(&account).is_some_and(|refusal| refusal.is_in_force(now)) {
            Verdict::Refused
        } else if oldest.is_none() || is_recent(oldest) {
            Verdict::Accepted
        } else if is_recent(self.written_at) {
            Verdict::Later
        } else {
            Verdict::Refused
        }
    }
}

impl Queue {
    pub fn new(settings: RecordSettings, clock: Clock) -> Self {
        // A semaphore has no more permits than that.
        let backlog = settings.backlog.min(Semaphore::MAX_PERMITS);
        Self {
            mode: settings.mode,
            clock,
            state: Mutex::default(),
            room: Semaphore::new(backlog),
            backlog,
            arrivals: Notify::new(),
            progress: Notify::new(),
            is_failing: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts an event. Returns a signal that comes when it is written if the answer has to wait for that.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] when the backlog is full, or an event has waited for too long.
    pub async fn accept(&self, resolve: Resolve) -> Result<Option<oneshot::Receiver<()>>, Error> {
        let room = match self.room.try_acquire() {
            Ok(room) => room,
            // Waiting for a database that is away is of no use.
            Err(_) if self.is_failing() => return Err(Error::NotRecorded),
            Err(_) => match Box::pin(timeout(MAX_WAIT, self.room.acquire())).await {
                Ok(Ok(room)) => room,
                _ => return Err(Error::NotRecorded),
            },
        };
        let (waiter, written) = if self.mode == RecordMode::Batched && self.has_begun() {
            (Waiter::Answered, None)
        } else {
            let (sender, receiver) = oneshot::channel();
            (Waiter::Awaited(sender), Some(receiver))
        };
        let mut event = Some((resolve, waiter));
        match self.push(&mut event) {
            Verdict::Accepted => {}
            Verdict::Later if !self.is_failing() => Box::pin(self.push_later(&mut event)).await?,
            Verdict::Later | Verdict::Refused => return Err(Error::NotRecorded),
        }
        room.forget();
        Ok(written)
    }

    /// Puts an event into the queue if it is accepted.
    fn push(&self, event: &mut Option<(Resolve, Waiter)>) -> Verdict {
        let is_first = {
            let mut state = self.state();
            let since = Instant::now();
            let account = event.as_ref().map_or(AccountId::OPERATOR, |(resolve, _)| resolve.account);
            let verdict = state.verdict(account, since);
            if verdict != Verdict::Accepted {
                return verdict;
            }
            state.waiting.extend(event.take().map(|(resolve, waiter)| Waiting { resolve, waiter, since }));
            state.waiting.len() == 1
        };
        if is_first {
            self.arrivals.notify_one();
        }
        Verdict::Accepted
    }

    /// Puts an event into the queue when the writer, which is slower than the callers, has caught up enough.
    async fn push_later(&self, event: &mut Option<(Resolve, Waiter)>) -> Result<(), Error> {
        let given_up = Instant::now() + MAX_WAIT;
        while Instant::now() < given_up {
            let progress = self.progress.notified();
            match self.push(event) {
                Verdict::Accepted => return Ok(()),
                // Without any progress the verdict changes.
                Verdict::Later => drop(timeout(MAX_AGE / 4, progress).await),
                Verdict::Refused => break,
            }
        }
        Err(Error::NotRecorded)
    }

    fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Moves up to `most` events to the writer. Returns whether there were as many.
    pub fn take(&self, most: usize, mut into: impl FnMut(Waiting)) -> bool {
        let mut state = self.state();
        let count = most.min(state.waiting.len());
        if let Some(first) = state.waiting.front() {
            let first = first.since;
            state.oldest_taken = Some(state.oldest_taken.map_or(first, |oldest| oldest.min(first)));
        }
        state.waiting.drain(..count).for_each(&mut into);
        count == most
    }

    /// Notes which events the writer still has after an attempt: the oldest of those that were not set apart, and the
    /// accounts that were.
    pub fn set_taken(&self, oldest: Option<Instant>, apart: impl Iterator<Item = (AccountId, Refusal)>) {
        let mut state = self.state();
        state.oldest_taken = oldest;
        state.apart.clear();
        state.apart.extend(apart);
        drop(state);
        self.progress.notify_waiters();
    }

    /// Makes room for as many new events as were dropped.
    pub fn release(&self, count: usize) {
        self.room.add_permits(count);
    }

    /// Makes room for as many new events as were written.
    pub fn release_written(&self, count: usize) {
        self.release(count);
        self.state().written_at = Some(Instant::now());
    }

    /// Accepts no more events.
    pub fn close(&self) {
        self.room.close();
    }

    /// Counts the events that wait to be written.
    pub fn backlog(&self) -> usize {
        self.backlog - self.room.available_permits()
    }

    /// Returns how long the oldest event has waited that is not of an account whose chain is the reason.
    pub fn oldest_age(&self) -> Duration {
        self.state().oldest().map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Counts the accounts whose resolves are refused because their chains cannot be extended.
    pub fn stopped_accounts(&self) -> usize {
        let now = Instant::now();
        self.state().apart.values().filter(|refusal| refusal.is_in_force(now)).count()
    }

    /// Returns whether nothing waits here that the writer has not taken.
    pub fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// Waits for an event, for a limited time.
    pub async fn wait_for_arrivals(&self, longest: Duration) {
        // An event that came before this call has left its permit.
        let _ = timeout(longest, self.arrivals.notified()).await;
    }

    /// Returns whether answers leave before their events are written.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    /// Notes whether the beginning of this instance's recording is on record.
    pub fn set_begun(&self, has_begun: bool) {
        self.has_begun.store(has_begun, Ordering::Release);
    }

    /// Notes how an attempt to write went, logs a change, and returns whether it failed.
    pub fn note_attempt(&self, error: Option<&sqlx::Error>) -> bool {
        let failed_before = self.is_failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !failed_before => {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "resolves cannot be recorded; in two seconds, or when the backlog is full, no password leaves"
                );
            }
            None if failed_before => tracing::info!("resolves are recorded again"),
            _ => {}
        }
        error.is_some()
    }
}
