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
