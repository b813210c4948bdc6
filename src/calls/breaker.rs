//! Counts the failures of a supplier's host in a row. Decision 180 has the numbers.

/// Failures in a row after which a host is down.
const FAILURES: u8 = 5;

/// Whether a host is down: whether its last calls failed, all of them.
///
/// A host that is down gets one call at a time, and the first answer ends it. No time passes in between: a supplier that is
/// back is found by the next caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u8,
}

impl Breaker {
    /// Counts an answer, of any kind.
    pub fn answered(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Whether the host is down.
    pub fn is_open(self) -> bool {
        self.failures >= FAILURES
    }

    /// Whether no failure is remembered.
    pub fn is_clear(self) -> bool {
        self.failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_one_answer_closes_it() {
        let mut breaker = Breaker::default();
        // `f` is a failure and `a` an answer; the digits are the state after them.
        for (step, is_open) in "ffffaffffffafffff".chars().zip("00000000011000001".chars()) {
            match step {
                'f' => breaker.failed(),
                _ => breaker.answered(),
            }
            assert_eq!(breaker.is_open(), is_open == '1');
        }
        for _ in 0..300 {
            breaker.failed();
        }
        assert!(breaker.is_open());
        breaker.answered();
        assert!(breaker.is_clear());
    }
}
