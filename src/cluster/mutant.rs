//! Deliberate faults, each of which breaks the promise of `docs/CONSISTENCY.md`. The history checker
//! (`tests/it/history/`) has to find every one of them. Only debug builds know them, and only when a test asks for one.

use std::str::FromStr;

/// A fault to run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Caches are let go before the commit instead of after it.
    ReleaseBeforeCommit,
    /// The generation is no part of the cache key.
    NoGeneration,
    /// The lease is not looked at after the cache was read.
    NoLeaseCheck,
    /// A change is acknowledged before it is applied.
    AcknowledgeFirst,
    /// The writer does not wait for acknowledgements.
    NoWait,
    /// The listener continues as if nothing happened after its connection was lost.
    IgnoreLostListener,
}

impl Mutant {
    /// Whether this is the fault to run with. Never in a release build.
    pub(super) fn is(self, chosen: Option<Mutant>) -> bool {
        cfg!(debug_assertions) && chosen == Some(self)
    }
}

impl FromStr for Mutant {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "release-before-commit" => Self::ReleaseBeforeCommit,
            "no-generation" => Self::NoGeneration,
            "no-lease-check" => Self::NoLeaseCheck,
            "acknowledge-first" => Self::AcknowledgeFirst,
            "no-wait" => Self::NoWait,
            "ignore-lost-listener" => Self::IgnoreLostListener,
            _ => return Err(()),
        })
    }
}
