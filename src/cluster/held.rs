//! What is asked together with something else again and again is held on to beside that, with the readings that it rests
//! on. Whether it may be used then costs a few loads and a look at the clock, in place of a look into each cache.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use smallvec::SmallVec;

use super::trust::{Reading, Trust};

/// How long something that is held is used. Then the caches are asked again, so that they know what is in use, and what is
/// too old for them is not used for much longer here.
const HELD_FOR: Duration = Duration::from_mins(1);

/// What something rests on: the readings of caches that it was made from.
pub struct Basis {
    readings: SmallVec<[Reading; 4]>,
    /// Whether all of it came by a cache. What came past one can be said to be current once, but not again.
    is_whole: bool,
}

impl Default for Basis {
    fn default() -> Self {
        Self { readings: SmallVec::new(), is_whole: true }
    }
}

impl Basis {
    /// Adds a reading; `None` for what came past its cache.
    pub(super) fn note(&mut self, reading: Option<Reading>) {
        match reading {
            None => self.is_whole = false,
            Some(reading) if self.readings.contains(&reading) => {}
            Some(reading) => self.readings.push(reading),
        }
    }
}

/// A value and what it rests on, if there is one. It is current on the same terms as cached values: the generations of its
/// owners are what they were before it was read, and there is a lease.
pub struct Held<V>(RwLock<Option<Kept<V>>>);

struct Kept<V> {
    basis: Basis,
    /// On the lease's clock.
    until: Duration,
    value: V,
}

impl<V> Kept<V> {
    fn is_current(&self, trust: &Trust, also: Option<Reading>) -> bool {
        let now = trust.now();
        now < self.until && trust.confirms_each(now, also.iter().chain(&self.basis.readings))
    }
}

impl<V> Default for Held<V> {
    fn default() -> Self {
        Self(RwLock::new(None))
    }
}

impl<V> Held<V> {
    /// What the work makes of the value, if the value is current when the work is done, and a reading that the work relied
    /// on as well.
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

    /// Holds on to a value from now on, made with the one that is held if that is current. Not to one that cannot be known
    /// to be current.
    pub(super) fn hold(&self, trust: &Trust, mut basis: Basis, value: impl FnOnce(Option<&V>) -> V) {
        if !basis.is_whole {
            return;
        }
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = slot.as_ref().filter(|kept| kept.is_current(trust, None));
        for reading in before.iter().flat_map(|kept| &kept.basis.readings) {
            basis.note(Some(*reading));
        }
        let until = before.map_or_else(|| trust.now() + HELD_FOR, |kept| kept.until);
        let value = value(before.map(|kept| &kept.value));
        *slot = Some(Kept { basis, until, value });
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
        slot: Held<Vec<i32>>,
    }

    impl Fixture {
        fn new() -> Self {
            let seconds = Arc::new(AtomicU64::new(1));
            let told = Arc::clone(&seconds);
            let clock = Monotonic::from_fn(move || Duration::from_secs(told.load(Ordering::Relaxed)));
            let trust = Trust::new(clock, Duration::ZERO, None);
            trust.extend_lease(Duration::from_hours(1));
            Self { seconds, trust, slot: Held::default() }
        }

        fn basis(&self, owners: &[&Owner]) -> Basis {
            let mut basis = Basis::default();
            for owner in owners {
                basis.note(Some(self.trust.begin(owner).unwrap()));
            }
            basis
        }

        fn hold(&self, owners: &[&Owner], value: i32) {
            let with = |before: Option<&Vec<i32>>| before.into_iter().flatten().copied().chain([value]).collect();
            self.slot.hold(&self.trust, self.basis(owners), with);
        }

        fn held(&self) -> Option<Vec<i32>> {
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
        assert_eq!(fixture.held(), None);
        for owner in [&one, &two, &Owner::Everything] {
            fixture.hold(&[&one, &two], 1);
            trust.bump(&other);
            assert_eq!(fixture.held(), Some(vec![1]));
            trust.bump(owner);
            assert_eq!(fixture.held(), None, "{owner:?}");
        }
        fixture.hold(&[&one, &two], 2);
        assert_eq!(fixture.held(), Some(vec![2]), "nothing that was void is in it");
        let change = Uuid::nil();
        trust.hold(change, vec![two.clone()]);
        assert_eq!(fixture.held(), None);
        trust.release(change);
        assert_eq!(fixture.held(), None, "loaded before the change");
        fixture.hold(&[&one], 3);
        trust.end_lease();
        assert_eq!(fixture.held(), None);
    }

    #[test]
    fn a_change_during_the_work_is_noticed_also_one_of_what_the_work_relied_on() {
        let fixture = Fixture::new();
        let (one, other) = (account(1), account(2));
        let trust = &fixture.trust;
        for changed in [&one, &other] {
            fixture.hold(&[&one], 1);
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
        fixture.hold(&[&one], 1);
        let late = || {
            trust.end_lease();
            Some(())
        };
        assert_eq!(fixture.slot.with(trust, None, |_| late()), None);
    }

    #[test]
    fn more_is_held_on_the_basis_of_both_and_no_longer_than_the_first() {
        let fixture = Fixture::new();
        let (one, two) = (account(1), account(2));
        let pass = |seconds| fixture.seconds.fetch_add(seconds, Ordering::Relaxed);
        fixture.hold(&[&one], 1);
        pass(HELD_FOR.as_secs() - 1);
        fixture.hold(&[&two], 2);
        assert_eq!(fixture.held(), Some(vec![1, 2]));
        pass(1);
        assert_eq!(fixture.held(), None);
        fixture.hold(&[&two], 3);
        fixture.hold(&[&one], 4);
        assert_eq!(fixture.held(), Some(vec![3, 4]));
        fixture.trust.bump(&two);
        assert_eq!(fixture.held(), None);
    }

    #[test]
    fn a_value_that_bypassed_the_cache_is_not_held() {
        let fixture = Fixture::new();
        let mut basis = fixture.basis(&[&account(1)]);
        basis.note(None);
        fixture.slot.hold(&fixture.trust, basis, |_| vec![1]);
        assert_eq!(fixture.held(), None);
    }
}
