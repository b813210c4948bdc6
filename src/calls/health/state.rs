//! The state of a login, as suppliers' answers make it. Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// Refusals in a row after which a login is not sent for a while.
pub const REFUSALS: u32 = 3;

/// How long a login is not sent after its third, fourth and fifth refusal in a row, and after each later one. Suppliers lock
/// accounts that are refused again and again.
const PAUSES: [TimeDelta; 4] =
    [TimeDelta::minutes(1), TimeDelta::minutes(5), TimeDelta::minutes(30), TimeDelta::hours(6)];

/// The verdict of one answer on a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The supplier knew it.
    Accepted,
    /// The supplier refused it, with this code.
    Refused(u16),
}

/// The knowledge of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// When the state that lasts began.
    pub since: DateTime<Utc>,
    /// The last answer that accepted it.
    pub last_accepted_at: Option<DateTime<Utc>>,
    /// The last answer that refused it.
    pub last_refused_at: Option<DateTime<Utc>>,
    /// The code of that refusal.
    pub refused_code: Option<u16>,
    /// Refusals since it was accepted last.
    pub refusals_in_a_row: u32,
}

/// The word for a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The last answer that was about the login accepted it.
    Accepted,
    /// The last answer that was about the login refused it.
    Refused,
    /// It was refused too often, and is not sent until this moment.
    Suspended(DateTime<Utc>),
}

impl State {
    /// The state after a first verdict.
    pub fn new(verdict: Verdict, at: DateTime<Utc>) -> Self {
        let nothing =
            Self { since: at, last_accepted_at: None, last_refused_at: None, refused_code: None, refusals_in_a_row: 0 };
        nothing.after(verdict, at)
    }

    /// The state after one more verdict.
    #[must_use]
    pub fn after(self, verdict: Verdict, at: DateTime<Utc>) -> Self {
        match verdict {
            Verdict::Accepted => Self {
                since: if self.refusals_in_a_row > 0 { at } else { self.since },
                last_accepted_at: Some(at),
                refusals_in_a_row: 0,
                ..self
            },
            Verdict::Refused(code) => Self {
                since: if self.refusals_in_a_row == 0 { at } else { self.since },
                last_refused_at: Some(at),
                refused_code: Some(code),
                refusals_in_a_row: self.refusals_in_a_row.saturating_add(1),
                ..self
            },
        }
    }

    /// The word for it.
    pub fn condition(&self, now: DateTime<Utc>) -> Condition {
        let Some(refused_at) = self.last_refused_at.filter(|_| self.refusals_in_a_row > 0) else {
            return Condition::Accepted;
        };
        let Some(beyond) = self.refusals_in_a_row.checked_sub(REFUSALS) else { return Condition::Refused };
        let pause = usize::try_from(beyond).ok().and_then(|beyond| PAUSES.get(beyond)).unwrap_or(&PAUSES[3]);
        let until = refused_at + *pause;
        if now < until { Condition::Suspended(until) } else { Condition::Refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    #[test]
    fn three_refusals_in_a_row_suspend_for_longer_and_longer() {
        let mut state = State::new(Verdict::Refused(105), at(0));
        assert_eq!(state.condition(at(0)), Condition::Refused);
        state = state.after(Verdict::Refused(105), at(1));
        assert_eq!(state.condition(at(1)), Condition::Refused);
        for (minute, pause) in [(2, 1), (10, 5), (20, 30), (60, 360), (1000, 360)] {
            state = state.after(Verdict::Refused(105), at(minute));
            assert_eq!(state.condition(at(minute)), Condition::Suspended(at(minute + pause)));
            let last = at(minute + pause) - TimeDelta::microseconds(1);
            assert_eq!(state.condition(last), Condition::Suspended(at(minute + pause)));
            assert_eq!(state.condition(at(minute + pause)), Condition::Refused);
        }
        assert_eq!(state.since, at(0));
    }

    #[test]
    fn an_acceptance_ends_the_row() {
        let refused = State::new(Verdict::Refused(100), at(0)).after(Verdict::Refused(105), at(1));
        let accepted = refused.after(Verdict::Accepted, at(2));
        assert_eq!(accepted.condition(at(2)), Condition::Accepted);
        assert_eq!((accepted.since, accepted.refused_code, accepted.last_refused_at), (at(2), Some(105), Some(at(1))));
        let again = accepted.after(Verdict::Accepted, at(3)).after(Verdict::Refused(104), at(4));
        assert_eq!((again.refusals_in_a_row, again.since), (1, at(4)));
        assert_eq!(again.condition(at(4)), Condition::Refused);
    }
}
