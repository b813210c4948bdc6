//! Watches what a connection does, so that one that does nothing can be ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::clock::Monotonic;

/// Longest times of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Between two requests.
    pub idle: Duration,
    /// For the head of a request, from its first byte on, and for an answer that makes no progress.
    pub stalled: Duration,
}

/// The state of a connection, shared by its stream, its requests, and the task that ends it.
pub(super) struct Activity {
    clock: Monotonic,
    /// The phase, in the two lowest bits, and the milliseconds of the clock at which it began.
    phase: AtomicU64,
    /// The milliseconds of the clock at which the client stopped taking what is written; 0 if it takes it.
    blocked_since: AtomicU64,
    /// Requests that have begun.
    requests: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No request is under way, and no byte of the next one has arrived.
    Idle,
    /// A head has begun to arrive.
    Head,
    /// A request is under way.
    Busy,
}

/// A request under way. Dropped when its answer is written and the rest of its body is read.
pub(super) struct UnderWay(Arc<Activity>);

impl Activity {
    /// Watches a connection that has just been opened.
    pub fn new(clock: &Monotonic) -> Arc<Self> {
        let activity = Self {
            clock: clock.clone(),
            phase: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        };
        activity.enter(Phase::Idle);
        Arc::new(activity)
    }

    /// Notes that the connection is ready for its first request.
    pub fn begin(&self) {
        self.enter(Phase::Idle);
    }

    /// Notes that bytes arrived.
    pub fn received(&self) {
        let (phase, _) = self.phase();
        if phase == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// Notes that the client took some of what was written.
    pub fn sent(&self) {
        self.blocked_since.store(0, Ordering::Relaxed);
    }

    /// Notes that the client does not take what is written.
    pub fn blocked(&self) {
        // 0 has another meaning.
        let now = self.millis().max(1);
        let _ = self.blocked_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes that the head of a request has arrived.
    pub fn begin_request(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.enter(Phase::Busy);
        UnderWay(Arc::clone(self))
    }

    /// Returns for how long no request has been under way.
    pub fn idle_for(&self) -> Option<Duration> {
        let (phase, since) = self.phase();
        (phase != Phase::Busy).then(|| self.clock.now().saturating_sub(since))
    }

    /// Whether the connection has had a request and is between two now, so that it can be closed without a loss.
    pub fn is_at_rest(&self) -> bool {
        self.phase().0 == Phase::Idle && self.requests.load(Ordering::Relaxed) > 0
    }

    /// Returns when the connection has done nothing for too long.
    pub async fn overdue(&self, patience: Patience) {
        // What changes after a look here is due later than this.
        let shortest = patience.idle.min(patience.stalled);
        loop {
            match self.due_in(patience) {
                Some(Duration::ZERO) => return,
                due_in => sleep(due_in.unwrap_or(shortest).min(shortest)).await,
            }
        }
    }

    /// Returns the time until the connection has done nothing for too long, as things stand.
    fn due_in(&self, patience: Patience) -> Option<Duration> {
        let (phase, since) = self.phase();
        let by_phase = match phase {
            Phase::Idle => Some(since + patience.idle),
            Phase::Head => Some(since + patience.stalled),
            Phase::Busy => None,
        };
        let by_writing = match self.blocked_since.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Duration::from_millis(millis) + patience.stalled),
        };
        let due = by_phase.into_iter().chain(by_writing).min()?;
        Some(due.saturating_sub(self.clock.now()))
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(encode(phase, self.millis()), Ordering::Relaxed);
    }

    fn phase(&self) -> (Phase, Duration) {
        let encoded = self.phase.load(Ordering::Relaxed);
        let phase = match encoded & 0b11 {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Busy,
        };
        (phase, Duration::from_millis(encoded >> 2))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX >> 2)
    }
}

fn encode(phase: Phase, millis: u64) -> u64 {
    millis << 2
        | match phase {
            Phase::Idle => 0,
            Phase::Head => 1,
            Phase::Busy => 2,
        }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { idle: Duration::from_secs(75), stalled: Duration::from_secs(30) };

    /// A connection, and its time in seconds.
    fn watched() -> (Arc<AtomicU64>, Arc<Activity>) {
        let seconds = Arc::new(AtomicU64::new(1000));
        let told = Arc::clone(&seconds);
        let clock = Monotonic::from_fn(move || Duration::from_secs(told.load(Ordering::Relaxed)));
        (seconds, Activity::new(&clock))
    }

    fn due_in(activity: &Activity) -> Option<u64> {
        activity.due_in(PATIENCE).map(|due| due.as_secs())
    }

    #[test]
    fn each_phase_has_its_own_patience() {
        let (seconds, activity) = watched();
        seconds.fetch_add(10, Ordering::Relaxed);
        assert_eq!(due_in(&activity), Some(65));
        activity.begin();
        assert_eq!((due_in(&activity), activity.is_at_rest()), (Some(75), false));
        activity.received();
        seconds.fetch_add(29, Ordering::Relaxed);
        // Further bytes give no further time.
        activity.received();
        assert_eq!(due_in(&activity), Some(1));
        let request = activity.begin_request();
        activity.received();
        seconds.fetch_add(1000, Ordering::Relaxed);
        assert_eq!((due_in(&activity), activity.idle_for()), (None, None));
        drop(request);
        seconds.fetch_add(5, Ordering::Relaxed);
        assert_eq!((due_in(&activity), activity.is_at_rest()), (Some(70), true));
        assert_eq!(activity.idle_for(), Some(Duration::from_secs(5)));
        seconds.fetch_add(100, Ordering::Relaxed);
        assert_eq!(due_in(&activity), Some(0));
    }

    #[test]
    fn an_answer_that_makes_no_progress_is_overdue_and_one_that_does_is_not() {
        let (seconds, activity) = watched();
        let _request = activity.begin_request();
        for _ in 0..10 {
            activity.blocked();
            seconds.fetch_add(29, Ordering::Relaxed);
            activity.blocked();
            assert_eq!(due_in(&activity), Some(1));
            activity.sent();
            assert_eq!(due_in(&activity), None);
        }
    }
}
