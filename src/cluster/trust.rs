//! Whether a cached value may be answered from: its owner's generation, the holds on it, and this process's lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::cache_metrics::Sizes;
use super::generations::{Generation, Generations, Stripe};
use super::holds::Holds;
use super::lease::Lease;
use super::mutant::Mutant;
use super::owner::Owner;
use super::stale::Outage;
use crate::clock::Monotonic;

/// The time for which connections are checked after one of them gave no answer.
const DOUBT: Duration = Duration::from_secs(10);

/// A reading of a cache that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    stripe: Stripe,
    /// Under which the value is cached.
    pub generation: Generation,
}

/// The state that every cache of the process checks before it answers. Shared between the caches, the change feed that keeps it up to
/// date, and writes.
pub struct Trust {
    generations: Generations,
    holds: Holds,
    pub(super) lease: Lease,
    pub(super) outage: Outage,
    serve_stale_for: Duration,
    /// Until when connections are doubted, in milliseconds of the lease's clock.
    doubted_until: AtomicU64,
    pub(super) mutant: Option<Mutant>,
    pub(super) sizes: Sizes,
}

impl Trust {
    /// Nothing is trusted until there is a lease. Readings may be answered without one for `serve_stale_for` after it
    /// ended, if the database does not answer.
    pub fn new(clock: Monotonic, serve_stale_for: Duration, mutant: Option<Mutant>) -> Arc<Self> {
        Arc::new(Self {
            generations: Generations::default(),
            holds: Holds::default(),
            lease: Lease::new(clock),
            outage: Outage::default(),
            serve_stale_for,
            doubted_until: AtomicU64::new(0),
            mutant,
            sizes: Sizes::default(),
        })
    }

    /// Begins a reading, before anything else; `None` while the owner is being changed, so that only the database knows.
    pub fn begin(&self, owner: &Owner) -> Option<Reading> {
        let stripe = self.generations.stripe(owner);
        Some(Reading { stripe, generation: self.generation(stripe)? })
    }

    /// Whether what a cache had under the reading's generation may be answered. To be asked *after* the cache was read:
    /// the process may have been stopped in between. First the lease, then the generation once more: each announcement
    /// that precedes the renewal of the lease is in the generation by now.
    pub fn confirms(&self, reading: Reading) -> bool {
        self.confirms_each(self.now(), [&reading])
    }

    /// The same for what was made from several readings. `now` is read after the last of them.
    pub(super) fn confirms_each<'a>(&self, now: Duration, readings: impl IntoIterator<Item = &'a Reading>) -> bool {
        let has_lease = self.lease.holds_at(now) || Mutant::NoLeaseCheck.is(self.mutant);
        has_lease && readings.into_iter().all(|reading| self.generation(reading.stripe) == Some(reading.generation))
    }

    fn generation(&self, stripe: Stripe) -> Option<Generation> {
        let generation = self.generations.of(stripe)?;
        Some(if Mutant::NoGeneration.is(self.mutant) { Generation(0) } else { generation })
    }

    /// Whether there is a lease at this moment.
    pub fn has_lease(&self) -> bool {
        self.lease.holds()
    }

    /// Whether connections that were fine a moment ago are fine: the lease came by another one, and none has been without
    /// an answer lately.
    pub(super) fn vouches_for_connections(&self) -> bool {
        self.has_lease() && millis(self.now()) >= self.doubted_until.load(Ordering::Relaxed)
    }

    /// Notes that a connection gave no answer. Others may be as dead, so each is checked for a while.
    pub fn doubt_connections(&self) {
        self.doubted_until.store(millis(self.now() + DOUBT), Ordering::Relaxed);
    }

    /// Makes every entry of the owner void.
    pub fn bump(&self, owner: &Owner) {
        self.generations.bump(owner);
    }

    /// Lets no entry of the owners be answered or cached until the change is released.
    pub fn hold(&self, change: Uuid, owners: Vec<Owner>) {
        self.holds.hold(&self.generations, change, owners, self.now());
    }

    /// Ends the hold of a change, if there is one.
    pub fn release(&self, change: Uuid) {
        self.holds.release(&self.generations, change);
    }

    /// The time on the lease's clock.
    pub fn now(&self) -> Duration {
        self.lease.now()
    }

    /// How long the lease still lasts; zero without one.
    pub fn lease_remaining(&self) -> Duration {
        self.lease.remaining()
    }

    /// Ends the holds that are overdue.
    pub fn expire_holds(&self) {
        let expired = self.holds.expire(&self.generations, self.now());
        if expired > 0 {
            tracing::warn!(expired, "changes whose end nobody told: their writer died");
        }
    }

    /// Changes arrive from now on. Missed changes are unknown, so everything before is void.
    pub fn start_over(&self) {
        self.holds.clear(&self.generations);
        self.bump(&Owner::Everything);
    }

    /// There is a lease until this time of its clock.
    pub fn extend_lease(&self, until: Duration) {
        self.lease.extend(until);
    }

    /// Changes may be missed from now on: no lease.
    pub fn end_lease(&self) {
        self.lease.end();
    }

    /// How long ago the lease ended, if readings may be answered without one all the same.
    pub(super) fn stale_for(&self) -> Option<Duration> {
        self.lease.ended_for().filter(|ended_for| *ended_for < self.serve_stale_for)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
