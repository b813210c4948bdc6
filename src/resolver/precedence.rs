//! The choice: which level of the hierarchy answers a call. A pure function; it knows no database, no cache, no HTTP.
//!
//! Source: the contract's "Credential Resolution Hierarchy". The first level with a *complete* pair wins; a user name of
//! one level is never joined with a password of another.

use serde::Serialize;

/// A level of the hierarchy, highest priority first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The pair that came with the request itself.
    Request,
    /// The account's credentials for the service and environment.
    Service,
    /// The account's base credentials for the environment.
    Account,
    /// The operator's shared credentials for the supplier and environment.
    Default,
}

impl Level {
    /// Every level, highest priority first.
    pub const ALL: [Level; 4] = [Level::Request, Level::Service, Level::Account, Level::Default];

    /// The name in answers and in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Request => "request",
            Level::Service => "service",
            Level::Account => "account",
            Level::Default => "default",
        }
    }
}

/// The offer of a level for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate<P> {
    /// Nothing. For the request's own level this reads "not provided".
    Absent,
    /// Half a pair.
    Incomplete,
    /// A pair that may not be used for the service.
    NotAllowed,
    /// A pair.
    Complete(P),
}

/// The outcome of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its pair is the answer.
    Used,
    /// The request brought no pair of its own.
    NotProvided,
    /// No pair is stored.
    NotConfigured,
    /// Only half a pair is there.
    Incomplete,
    /// The pair may not be used for the service.
    NotAllowed,
    /// A higher level had answered already.
    NotReached,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 6] = [
        Outcome::Used,
        Outcome::NotProvided,
        Outcome::NotConfigured,
        Outcome::Incomplete,
        Outcome::NotAllowed,
        Outcome::NotReached,
    ];
}

/// The answer of the hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<P> {
    /// The level that answers, with its pair; `None` if no level does.
    pub answer: Option<(Level, P)>,
    /// The outcome of each level, in the order of [`Level::ALL`].
    pub outcomes: [Outcome; 4],
}

/// Lets the first complete pair win. `candidates` are in the order of [`Level::ALL`].
pub fn choose<P>(candidates: [Candidate<P>; 4]) -> Choice<P> {
    let mut answer = None;
    let mut outcomes = [Outcome::NotReached; 4];
    for ((level, candidate), outcome) in Level::ALL.into_iter().zip(candidates).zip(&mut outcomes) {
        *outcome = match candidate {
            Candidate::Complete(pair) => {
                answer = Some((level, pair));
                Outcome::Used
            }
            Candidate::Incomplete => Outcome::Incomplete,
            Candidate::NotAllowed => Outcome::NotAllowed,
            Candidate::Absent if level == Level::Request => Outcome::NotProvided,
            Candidate::Absent => Outcome::NotConfigured,
        };
        if answer.is_some() {
            break;
        }
    }
    Choice { answer, outcomes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complete_pair_wins_and_lower_levels_are_not_reached() {
        let choice = choose([
            Candidate::Incomplete,
            Candidate::Absent,
            Candidate::Complete("account"),
            Candidate::Complete("default"),
        ]);
        assert_eq!(choice.answer, Some((Level::Account, "account")));
        assert_eq!(choice.outcomes, [Outcome::Incomplete, Outcome::NotConfigured, Outcome::Used, Outcome::NotReached]);
    }

    #[test]
    fn nothing_complete_is_no_answer() {
        let choice = choose::<()>([Candidate::Absent, Candidate::Absent, Candidate::Absent, Candidate::NotAllowed]);
        assert_eq!(choice.answer, None);
        assert_eq!(
            choice.outcomes,
            [Outcome::NotProvided, Outcome::NotConfigured, Outcome::NotConfigured, Outcome::NotAllowed]
        );
    }
}
