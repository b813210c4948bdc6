//! Remembers results of checks and names of things for a while.

use std::hash::Hash;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::Mutex;

use crate::clock::Monotonic;

/// The last result of a check, so that many who ask cost one check.
pub struct Recent<T> {
    clock: Monotonic,
    last: Mutex<Option<(Duration, T)>>,
}

impl<T: Clone> Recent<T> {
    /// Remembers nothing yet.
    pub fn new(clock: Monotonic) -> Self {
        Self { clock, last: Mutex::new(None) }
    }

    /// Returns the last result if it is younger than an age, or that of a new check, which others wait for.
    pub async fn get(&self, age: Duration, check: impl Future<Output = T>) -> T {
        let mut last = self.last.lock().await;
        if let Some((at, result)) = &*last
            && self.clock.now() < *at + age
        {
            return result.clone();
        }
        let result = check.await;
        *last = Some((self.clock.now(), result.clone()));
        result
    }
}

/// Most names that are remembered, and for how long.
const NAMES: u64 = 20_000;
const NAMES_AGE: Duration = Duration::from_hours(24);

/// Names of things that were found lately. They are looked up again also for an address that fails too often, because they
/// exist. Cheap to clone.
#[derive(Clone)]
pub struct LatelyFound<K>(Cache<K, ()>);

impl<K: Hash + Eq + Send + Sync + 'static> Default for LatelyFound<K> {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(NAMES).time_to_live(NAMES_AGE).build())
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> LatelyFound<K> {
    /// Notes that a thing was found.
    pub async fn note(&self, name: K) {
        self.0.insert(name, ()).await;
    }

    /// Whether a thing was found lately.
    pub fn contains(&self, name: &K) -> bool {
        self.0.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_result_is_good_for_its_age() {
        let millis = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&millis);
        let recent = Recent::new(Monotonic::from_fn(move || Duration::from_millis(told.load(Ordering::Relaxed))));
        let age = Duration::from_secs(1);
        assert_eq!(recent.get(age, async { 1 }).await, 1);
        millis.store(999, Ordering::Relaxed);
        assert_eq!(recent.get(age, async { 2 }).await, 1);
        millis.store(1000, Ordering::Relaxed);
        assert_eq!(recent.get(age, async { 3 }).await, 3);
    }
}
