//! The lease: this process's right to answer from memory. It ends by itself, on a monotonic clock, unless it is renewed;
//! and it is renewed only by receiving the echo of a renewal on the change feed, after every change that was announced
//! before it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Monotonic;

/// When the lease ends.
pub(super) struct Lease {
    clock: Monotonic,
    /// In nanoseconds of the clock; 0 if there never was a lease.
    ends: AtomicU64,
}

impl Lease {
    /// No lease yet.
    pub fn new(clock: Monotonic) -> Self {
        Self { clock, ends: AtomicU64::new(0) }
    }

    /// The lease's clock.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Whether cached values may be answered at this moment.
    pub fn holds(&self) -> bool {
        self.holds_at(self.now())
    }

    /// The same for a caller that has just read the clock.
    pub fn holds_at(&self, now: Duration) -> bool {
        nanos(now) < self.ends.load(Ordering::SeqCst)
    }

    /// The lease lasts until this time of the clock, if it does not last longer already.
    pub fn extend(&self, until: Duration) {
        self.ends.fetch_max(nanos(until), Ordering::SeqCst);
    }

    /// The lease ends now.
    pub fn end(&self) {
        self.ends.fetch_min(nanos(self.now()), Ordering::SeqCst);
    }

    /// How long ago the lease ended; `None` while it holds, and if there never was one.
    pub fn ended_for(&self) -> Option<Duration> {
        let ends = self.ends.load(Ordering::SeqCst);
        let since = nanos(self.now()).checked_sub(ends)?;
        (ends > 0).then(|| Duration::from_nanos(since))
    }

    /// How long the lease still lasts; zero without one.
    pub fn remaining(&self) -> Duration {
        Duration::from_nanos(self.ends.load(Ordering::SeqCst).saturating_sub(nanos(self.now())))
    }
}

fn nanos(duration: Duration) -> u64 {
    // Five hundred years.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
