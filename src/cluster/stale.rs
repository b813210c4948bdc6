//! Answers from memory without a lease, for operators who prefer an old answer to none while the database is away
//! (`CREDENZA_SERVE_STALE_FOR`). Such an answer is always marked: [`watched`] returns its age.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

tokio::task_local! {
    static STALE: Cell<Option<Duration>>;
}

/// Runs work that reads caches, and returns for how long the lease had ended when the oldest of its readings was
/// answered without one; `None` if every reading was current.
///
/// Takes the work where it is pinned: by value its state would be in the future twice.
pub async fn watched<T>(work: Pin<&mut impl Future<Output = T>>) -> (T, Option<Duration>) {
    STALE
        .scope(Cell::new(None), async {
            let result = work.await;
            (result, STALE.with(Cell::get))
        })
        .await
}

/// Notes that a reading was answered without a lease.
pub(super) fn note(ended_for: Duration) {
    metrics::counter!("credenza_stale_answers_total").increment(1);
    // Outside a watched task there is nobody to tell; the counter has it.
    let _ = STALE.try_with(|stale| stale.set(stale.get().max(Some(ended_for))));
}

/// Remembers for a moment that the database did not answer, so that not every reading waits to find that out.
#[derive(Default)]
pub(super) struct Outage {
    /// In nanoseconds of the lease's clock.
    until: AtomicU64,
}

impl Outage {
    /// How long one failure stands for the next readings.
    const REMEMBERED: Duration = Duration::from_millis(250);
    /// Longest wait for the database when there is an old answer.
    pub const PATIENCE: Duration = Duration::from_millis(500);

    /// The database did not answer.
    pub fn begin(&self, now: Duration) {
        let until = now + Self::REMEMBERED;
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether it did not answer a moment ago.
    pub fn is_recent(&self, now: Duration) -> bool {
        now.as_nanos() < u128::from(self.until.load(Ordering::Relaxed))
    }
}
