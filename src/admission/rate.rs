//! Limits how many requests a key makes in a time, by the generic cell rate algorithm: there is no window at whose border twice
//! as many pass.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use crate::clock::Monotonic;
use crate::types::AccountId;

/// A number of requests in a time: as many at once, and as many again when the time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of requests.
    pub requests: NonZeroU32,
    /// The time.
    pub per: Duration,
}

impl FromStr for Rate {
    type Err = ();

    /// Reads `100/s`, `100/min` or `100/h`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (requests, unit) = text.split_once('/').ok_or(())?;
        let per = match unit.trim() {
            "s" => Duration::from_secs(1),
            "min" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return Err(()),
        };
        Ok(Self { requests: requests.trim().parse().map_err(|_| ())?, per })
    }
}

impl Rate {
    fn quota(self) -> Option<Quota> {
        // More than one in a nanosecond is no limit.
        Some(Quota::with_period(self.per / self.requests.get())?.allow_burst(self.requests))
    }
}

/// Holder of an allowance: its requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A key, or an OAuth2 client with all its tokens.
    Key(Uuid),
    /// An account, for tokens of an outside issuer, which have no key of ours.
    Account(AccountId),
}

/// Allowance of a holder, for the answer's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Most requests at once.
    pub limit: u32,
    /// Requests that are left now.
    pub remaining: u32,
}

/// Refusal of a request more than the rate allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    /// The holder's allowance.
    pub allowance: Allowance,
    /// Whole seconds until the next request passes.
    pub retry_after: u32,
    /// Whether the holder was refused often just now: it does not read its answers.
    pub goes_on: bool,
}

/// Refusals of a holder that are answered at once, at once ...
const REFUSALS: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// ... and in this time.
const REFUSALS_PER: Duration = Duration::from_secs(2);

type Limiter = RateLimiter<Holder, DefaultKeyedStateStore<Holder>, Monotonic, StateInformationMiddleware>;

/// The counts.
pub struct RateLimits(Option<Counts>);

struct Counts {
    limit: u32,
    requests: Limiter,
    refusals: Option<Limiter>,
}

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.now()
    }
}

impl RateLimits {
    /// Makes the counts. Without a rate nobody is counted.
    pub fn new(rate: Option<Rate>, clock: &Monotonic) -> Self {
        let limiter = |rate: Rate| Some(Limiter::new(rate.quota()?, DefaultKeyedStateStore::default(), clock.clone()));
        let counts = rate.and_then(|rate| {
            let refusals = limiter(Rate { requests: REFUSALS, per: REFUSALS_PER });
            Some(Counts { limit: rate.requests.get(), requests: limiter(rate)?, refusals })
        });
        Self(counts)
    }

    /// Counts a request. Returns none where there is no limit.
    pub fn count(&self, holder: Holder) -> Result<Option<Allowance>, RateLimited> {
        let Some(Counts { limit, requests, refusals }) = &self.0 else { return Ok(None) };
        let allowance = |remaining| Allowance { limit: *limit, remaining };
        match requests.check_key(&holder) {
            Ok(state) => Ok(Some(allowance(state.remaining_burst_capacity()))),
            Err(until) => {
                let wait = until.wait_time_from(requests.clock().now());
                Err(RateLimited {
                    allowance: allowance(0),
                    // A client that comes a moment too early is refused again.
                    retry_after: u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1),
                    goes_on: refusals.as_ref().is_some_and(|refusals| refusals.check_key(&holder).is_err()),
                })
            }
        }
    }

    /// Forgets holders whose allowance is whole.
    pub fn tidy(&self) {
        for limiter in self.0.iter().flat_map(|counts| [Some(&counts.requests), counts.refusals.as_ref()]).flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Returns how many holders are remembered.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |counts| counts.requests.len())
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn limits(rate: &str) -> (Arc<AtomicU64>, RateLimits) {
        let millis = Arc::new(AtomicU64::new(5_000_000));
        let told = Arc::clone(&millis);
        let clock = Monotonic::from_fn(move || Duration::from_millis(told.load(Ordering::Relaxed)));
        (millis, RateLimits::new(Some(rate.parse().unwrap()), &clock))
    }

    #[test]
    fn a_rate_is_a_number_and_a_time() {
        let rate = |text: &str| text.parse::<Rate>().ok().map(|rate| (rate.requests.get(), rate.per.as_secs()));
        assert_eq!(rate("100/s"), Some((100, 1)));
        assert_eq!(rate("5 / min"), Some((5, 60)));
        assert_eq!(rate("7/h"), Some((7, 3600)));
        for wrong in ["", "100", "0/s", "-1/s", "1.5/s", "100/ms", "/s", "many/s"] {
            assert_eq!(rate(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn each_holder_has_its_number_at_once_and_gets_them_back_one_by_one() {
        let (millis, limits) = limits("4/s");
        let (one, other) = (Holder::Key(Uuid::from_u128(1)), Holder::Account(AccountId(1)));
        for remaining in (0..4).rev() {
            assert_eq!(limits.count(one), Ok(Some(Allowance { limit: 4, remaining })));
        }
        let refused = limits.count(one).unwrap_err();
        assert_eq!((refused.allowance, refused.retry_after), (Allowance { limit: 4, remaining: 0 }, 1));
        assert!(limits.count(other).is_ok());
        millis.fetch_add(250, Ordering::Relaxed);
        assert!(limits.count(one).is_ok());
        assert!(limits.count(one).is_err());
        millis.fetch_add(1000, Ordering::Relaxed);
        assert_eq!(limits.count(one), Ok(Some(Allowance { limit: 4, remaining: 3 })));
    }

    #[test]
    fn a_holder_that_goes_on_after_many_refusals_is_reported() {
        let (millis, limits) = limits("1/h");
        let holder = Holder::Key(Uuid::from_u128(1));
        assert!(limits.count(holder).is_ok());
        for _ in 0..REFUSALS.get() {
            let refused = limits.count(holder).unwrap_err();
            assert_eq!((refused.retry_after, refused.goes_on), (3601, false));
        }
        assert!(limits.count(holder).unwrap_err().goes_on);
        millis.fetch_add(2000, Ordering::Relaxed);
        assert!(!limits.count(holder).unwrap_err().goes_on);
    }

    #[test]
    fn holders_that_ask_no_more_are_forgotten() {
        let (millis, limits) = limits("4/s");
        for id in 0..100 {
            assert!(limits.count(Holder::Key(Uuid::from_u128(id))).is_ok());
        }
        limits.tidy();
        assert_eq!(limits.len(), 100);
        millis.fetch_add(2000, Ordering::Relaxed);
        limits.tidy();
        assert!(limits.is_empty());
    }
}
