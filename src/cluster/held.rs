//! A value from a cache, held on to where it is used again and again, so that the next reading need not look for it.

use std::sync::{PoisonError, RwLock};

use super::trust::{Reading, Trust};

/// A value and the reading that it came by, if there is one. It is current on the same terms as a cached value: the
/// generation of its owner is what it was before the value was read, and there is a lease.
pub struct Held<V>(RwLock<Option<(Reading, V)>>);

impl<V> Default for Held<V> {
    fn default() -> Self {
        Self(RwLock::new(None))
    }
}

impl<V: Clone> Held<V> {
    /// The value, if it is current at this moment.
    pub(super) fn current(&self, trust: &Trust) -> Option<V> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (reading, value) = held.as_ref()?;
        trust.confirms(*reading).then(|| value.clone())
    }

    /// Holds on to this value from now on.
    pub(super) fn hold(&self, reading: Reading, value: V) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((reading, value));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::clock::Monotonic;
    use crate::cluster::Owner;
    use crate::types::AccountId;

    #[test]
    fn what_is_held_is_current_until_its_owner_changes_or_the_lease_ends() {
        let trust = Trust::new(Monotonic::from_fn(|| Duration::from_secs(1)), Duration::ZERO, None);
        let (owner, other) = (Owner::Account(AccountId(1)), Owner::Account(AccountId(2)));
        trust.extend_lease(Duration::from_secs(2));
        let slot = Held::default();
        let hold = |value| slot.hold(trust.begin(&owner).unwrap(), value);
        assert_eq!(slot.current(&trust), None);
        hold(1);
        trust.bump(&other);
        assert_eq!(slot.current(&trust), Some(1));
        trust.bump(&owner);
        assert_eq!(slot.current(&trust), None);
        hold(2);
        assert_eq!(slot.current(&trust), Some(2));
        let change = Uuid::nil();
        trust.hold(change, vec![owner.clone()]);
        assert_eq!(slot.current(&trust), None);
        trust.release(change);
        assert_eq!(slot.current(&trust), None, "loaded before the change");
        hold(3);
        trust.bump(&Owner::Everything);
        assert_eq!(slot.current(&trust), None);
        hold(4);
        trust.end_lease();
        assert_eq!(slot.current(&trust), None);
    }
}
