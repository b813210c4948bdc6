//! The result of a check, as a line for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::error;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// Worth a look; the service works.
    Warning,
    /// The service does not work, or not as it should.
    Wrong,
    /// It could not be looked at.
    Skipped,
}

/// The outcome of one check.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub check: &'static str,
    pub status: Status,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), advice: None }
    }

    pub fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    pub fn wrong(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, status: Status::Wrong, found: found.into(), advice: Some(advice.into()) }
    }

    pub fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, status: Status::Skipped, found: why.into(), advice: None }
    }

    /// A check that could not be done because the database did not answer as it should.
    pub fn failed(check: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::wrong(check, error::chain(error), "look at the database's log")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warning => "WARNING",
            Status::Wrong => "WRONG",
            Status::Skipped => "skipped",
        };
        write!(f, "{status:<8} {:<12} {}", self.check, self.found)?;
        self.advice.iter().try_for_each(|advice| write!(f, "\n{:>22}{advice}", "-> "))
    }
}
