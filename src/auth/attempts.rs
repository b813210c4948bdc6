//! Failed attempts, counted by client address. Nobody guesses a random key, so this protects resources and not keys: an
//! address that goes on failing is refused for a while, and keys that are good and in use go on working from there.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::time::{Instant, sleep};

use crate::types::ClientAddress;

/// Failures that an address has at once ...
const BURST: NonZeroU32 = NonZeroU32::new(5000).unwrap();
/// ... and gets back every second.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// How long an address that had too many stays without lookups.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two looks for addresses that can be forgotten.
const TIDY: Duration = Duration::from_mins(1);

/// The counts. Cheap to clone.
#[derive(Clone)]
pub struct FailedAttempts {
    counts: Arc<DefaultKeyedRateLimiter<ClientAddress>>,
    /// Addresses that had too many, each with the moment of the last one too many.
    over: Arc<Mutex<HashMap<ClientAddress, Instant>>>,
}

impl Default for FailedAttempts {
    fn default() -> Self {
        let counts = RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST));
        Self { counts: Arc::new(counts), over: Arc::default() }
    }
}

impl FailedAttempts {
    /// Counts a failure. Returns whether the address had too many.
    pub fn too_many(&self, address: &ClientAddress) -> bool {
        let network = address.network();
        let too_many = self.counts.check_key(&network).is_err();
        if too_many {
            self.over.lock().unwrap_or_else(PoisonError::into_inner).insert(network, Instant::now());
        }
        too_many
    }

    /// Whether the address had one failure too many within the last second. Only keys that were found lately are looked up for
    /// it.
    pub fn is_over(&self, address: &ClientAddress) -> bool {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        over.get(&address.network()).is_some_and(|last| last.elapsed() < PAUSE)
    }

    /// Forgets addresses that have failed no more, until the task is dropped.
    pub async fn run(self) {
        loop {
            sleep(TIDY).await;
            self.counts.retain_recent();
            self.counts.shrink_to_fit();
            self.over.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, last| last.elapsed() < PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_goes_on_failing_is_refused_and_its_neighbours_are_not() {
        let attempts = FailedAttempts::default();
        let address = |text: &str| ClientAddress::read(text.as_bytes());
        for _ in 0..BURST.get() {
            assert!(!attempts.too_many(&address("2001:db8::1")));
        }
        // The clock of the limiter runs on, so a few more may pass.
        assert!((0..PER_SECOND.get()).any(|_| attempts.too_many(&address("2001:db8::2"))));
        assert!(attempts.is_over(&address("2001:db8::3")));
        assert!(!attempts.is_over(&address("2001:db8:0:1::1")));
        assert!(!attempts.too_many(&address("2001:db8:0:1::1")));
        assert!(!attempts.too_many(&address("192.0.2.1")));
        // What cannot be read is limited by itself.
        assert!(!attempts.too_many(&address("unknown")));
    }
}
