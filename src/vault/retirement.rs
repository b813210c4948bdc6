//! When a data key has sealed enough: then the next value is sealed under a new one, and the old one only opens.
//!
//! A random 96-bit nonce allows 2^32 seals under a key at a risk of 2^-32 (NIST SP 800-38D, 8.3); the limit is a quarter of
//! that. Seals are counted by sampling: one write in `stride` counts for all of them. That costs nothing in most writes,
//! needs no state in the process, and at the limit is off by less than a thousandth.

use chrono::{DateTime, TimeDelta, Utc};

/// When a data key is retired: at the first of these.
#[derive(Clone, Copy, Debug)]
pub struct Retirement {
    /// After this many seals.
    pub seals: u64,
    /// At this age.
    pub age: TimeDelta,
    /// One write in so many is counted, for as many.
    pub stride: u32,
}

impl Default for Retirement {
    fn default() -> Self {
        Self { seals: 1 << 30, age: TimeDelta::days(90), stride: 256 }
    }
}

impl Retirement {
    /// Whether a data key that has sealed so often is to be replaced before it seals so many values more. One that has
    /// sealed nothing takes any number: another new one would have no more room.
    pub(super) fn is_due(&self, created_at: DateTime<Utc>, seals: i64, more: u32, now: DateTime<Utc>) -> bool {
        let seals = u64::try_from(seals).unwrap_or(0);
        now - created_at >= self.age || (seals > 0 && seals.saturating_add(more.into()) > self.seals)
    }

    /// How much a write of this many seals counts: mostly nothing.
    pub(super) fn counted(&self, seals: u32) -> u64 {
        let stride = self.stride.max(1);
        if seals >= stride {
            u64::from(seals)
        } else if rand::random_range(0..stride) == 0 {
            u64::from(seals) * u64::from(stride)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sampled_count_is_right_on_average() {
        let retirement = Retirement { stride: 16, ..Retirement::default() };
        let counted: u64 = (0..100_000).map(|_| retirement.counted(4)).sum();
        // Five standard deviations around 400,000.
        assert!((360_000..440_000).contains(&counted), "{counted}");
        assert_eq!(retirement.counted(16), 16);
        assert_eq!(Retirement { stride: 1, ..retirement }.counted(1), 1);
    }

    #[test]
    fn the_limits_are_reached_and_not_passed() {
        let retirement = Retirement::default();
        let made = DateTime::UNIX_EPOCH;
        let due = |age, seals, more| retirement.is_due(made, seals, more, made + age);
        assert!(!due(TimeDelta::days(90) - TimeDelta::microseconds(1), (1 << 30) - 4, 4));
        assert!(due(TimeDelta::days(90), 0, 1));
        assert!(due(TimeDelta::zero(), (1 << 30) - 3, 4));
        assert!(due(TimeDelta::zero(), 1, 1 << 30));
        assert!(!due(TimeDelta::zero(), 0, u32::MAX));
    }
}
