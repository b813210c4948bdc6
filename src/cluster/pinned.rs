//! Pins values that are read together again and again to one of them, with the readings that they rest on. To check whether
//! they are current then costs a few loads and a look at the clock, in place of a look into each cache.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use smallvec::SmallVec;

use super::trust::{Reading, Trust};

/// How long a pinned value is used. Then the caches are asked again, so that they know which entries are in use, and an entry
/// that is too old for them is not used for much longer here.
const PINNED_FOR: Duration = Duration::from_mins(1);

/// The readings of caches that a value was made from.
pub struct Readings {
    readings: SmallVec<[Reading; 4]>,
    /// Whether all of it came by a cache. A value that came past one is known to be current once, but not again.
    is_whole: bool,
}

impl Default for Readings {
    fn default() -> Self {
        Self { readings: SmallVec::new(), is_whole: true }
    }
}

impl Readings {
    /// Adds a reading; `None` for what came past its cache.
    pub(super) fn note(&mut self, reading: Option<Reading>) {
        match reading {
            None => self.is_whole = false,
            Some(reading) if self.readings.contains(&reading) => {}
            Some(reading) => self.readings.push(reading),
        }
    }
}

/// A place for a value and its readings. The value is current on the same terms as cached values: the generations of its owners
/// are those from before it was read, and there is a lease.
pub struct Pinned<V>(RwLock<Option<Kept<V>>>);

struct Kept<V> {
    readings: Readings,
    /// On the lease's clock.
    until: Duration,
    value: V,
}

impl<V> Kept<V> {
    fn is_current(&self, trust: &Trust, also: Option<Reading>) -> bool {
        let now = trust.now();
        now < self.until && trust.confirms_each(now, also.iter().chain(&self.readings.readings))
    }
}

impl<V> Default for Pinned<V> {
    fn default() -> Self {
        Self(RwLock::new(None))
    }
}

impl<V> Pinned<V> {
    /// Returns what the work makes of the value, if the value is current when the work is done, and a reading that the work
    /// relied on as well.
    pub(super) fn with<T>(
        &self,
        trust: &Trust,
        also: Option<Reading>,
        work: impl FnOnce(&V) -> Option<T>,
    ) -> Option<T> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref()?;
        let done = work(&kept.value)?;
        kept.is_current(trust, also).then_some(done)
    }

    /// Pins a value, made with the one that is pinned if that is current. Leaves out one that cannot be known to be current.
    pub(super) fn pin(&self, trust: &Trust, mut readings: Readings, value: impl FnOnce(Option<&V>) -> V) {
        if !readings.is_whole {
            return;
        }
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = slot.as_ref().filter(|kept| kept.is_current(trust, None));
        for reading in before.iter().flat_map(|kept| &kept.readings.readings) {
            readings.note(Some(*reading));
        }
        let until = before.map_or_else(|| trust.now() + PINNED_FOR, |kept| kept.until);
        let value = value(before.map(|kept| &kept.value));
        *slot = Some(Kept { readings, until, value });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use uuid::Uuid;

    use super::*;
    use crate::clock::Monotonic;
    use crate::cluster::Owner;
    use crate::types::AccountId;

    struct Fixture {
        seconds: Arc<AtomicU64>,
        trust: Arc<Trust>,
        slot: Pinned<Vec<i32>>,
    }

    impl Fixture {
        fn new() -> Self {
            let seconds = Arc::new(AtomicU64::new(1));
            let told = Arc::clone(&seconds);
            let clock = Monotonic::from_fn(move || Duration::from_secs(told.load(Ordering::Relaxed)));
            let trust = Trust::new(clock, Duration::ZERO, None);
            trust.extend_lease(Duration::from_hours(1));
            Self { seconds, trust, slot: Pinned::default() }
        }

        fn readings(&self, owners: &[&Owner]) -> Readings {
            let mut readings = Readings::default();
            for owner in owners {
                readings.note(Some(self.trust.begin(owner).unwrap()));
            }
            readings
        }

        fn pin(&self, owners: &[&Owner], value: i32) {
            let with = |before: Option<&Vec<i32>>| before.into_iter().flatten().copied().chain([value]).collect();
            self.slot.pin(&self.trust, self.readings(owners), with);
        }

        fn pinned(&self) -> Option<Vec<i32>> {
            self.slot.with(&self.trust, None, |value| Some(value.clone()))
        }
    }

    fn account(id: i64) -> Owner {
        Owner::Account(AccountId(id))
    }

    #[test]
    fn a_held_value_is_current_until_an_owner_changes_or_the_lease_ends() {
        let fixture = Fixture::new();
        let (one, two, other) = (account(1), account(2), account(3));
        let trust = &fixture.trust;
        assert_eq!(fixture.pinned(), None);
        for owner in [&one, &two, &Owner::Everything] {
            fixture.pin(&[&one, &two], 1);
            trust.bump(&other);
            assert_eq!(fixture.pinned(), Some(vec![1]));
            trust.bump(owner);
            assert_eq!(fixture.pinned(), None, "{owner:?}");
        }
        fixture.pin(&[&one, &two], 2);
        assert_eq!(fixture.pinned(), Some(vec![2]), "nothing that was void is in it");
        let change = Uuid::nil();
        trust.hold(change, vec![two.clone()]);
        assert_eq!(fixture.pinned(), None);
        trust.release(change);
        assert_eq!(fixture.pinned(), None, "loaded before the change");
        fixture.pin(&[&one], 3);
        trust.end_lease();
        assert_eq!(fixture.pinned(), None);
    }

    #[test]
    fn a_change_during_the_work_is_noticed_also_one_of_what_the_work_relied_on() {
        let fixture = Fixture::new();
        let (one, other) = (account(1), account(2));
        let trust = &fixture.trust;
        for changed in [&one, &other] {
            fixture.pin(&[&one], 1);
            let also = trust.begin(&other);
            let during = |work: &dyn Fn()| {
                fixture.slot.with(trust, also, |value| {
                    work();
                    Some(value.len())
                })
            };
            assert_eq!(during(&|| {}), Some(1));
            assert_eq!(during(&|| trust.bump(changed)), None, "{changed:?}");
        }
        fixture.pin(&[&one], 1);
        let late = || {
            trust.end_lease();
            Some(())
        };
        assert_eq!(fixture.slot.with(trust, None, |_| late()), None);
    }

    #[test]
    fn a_second_value_rests_on_the_readings_of_both_and_lasts_no_longer_than_the_first() {
        let fixture = Fixture::new();
        let (one, two) = (account(1), account(2));
        let pass = |seconds| fixture.seconds.fetch_add(seconds, Ordering::Relaxed);
        fixture.pin(&[&one], 1);
        pass(PINNED_FOR.as_secs() - 1);
        fixture.pin(&[&two], 2);
        assert_eq!(fixture.pinned(), Some(vec![1, 2]));
        pass(1);
        assert_eq!(fixture.pinned(), None);
        fixture.pin(&[&two], 3);
        fixture.pin(&[&one], 4);
        assert_eq!(fixture.pinned(), Some(vec![3, 4]));
        fixture.trust.bump(&two);
        assert_eq!(fixture.pinned(), None);
    }

    #[test]
    fn a_value_that_bypassed_the_cache_is_not_pinned() {
        let fixture = Fixture::new();
        let mut readings = fixture.readings(&[&account(1)]);
        readings.note(None);
        fixture.slot.pin(&fixture.trust, readings, |_| vec![1]);
        assert_eq!(fixture.pinned(), None);
    }
}
