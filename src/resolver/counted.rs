//! Resolutions, counted by what came of them.

use metrics::{Counter, counter};

use super::precedence::Level;
use crate::error::Error;

/// The counters.
pub(super) struct Counted {
    levels: [Counter; 4],
    none: Counter,
    refused: Counter,
    failed: Counter,
}

impl Counted {
    /// Nothing is counted yet.
    pub fn new() -> Self {
        let by = |source: &'static str| counter!("credenza_resolutions_total", "source" => source);
        Self {
            levels: Level::ALL.map(|level| by(level.as_str())),
            none: by("none"),
            refused: by("refused"),
            failed: by("failed"),
        }
    }

    /// Counts one.
    pub fn note<T>(&self, result: &Result<(Level, T), Error>) {
        let counter = match result {
            Ok((level, _)) => &self.levels[*level as usize],
            Err(Error::OwnCredentialsRequired { .. }) => &self.none,
            Err(Error::NotFound { .. } | Error::Denied(_)) => &self.refused,
            Err(_) => &self.failed,
        };
        counter.increment(1);
    }
}
