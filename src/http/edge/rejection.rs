//! Counts refused requests by kind. No label comes from a request.

use crate::error::{Denied, Error};
use crate::http::error::HttpError;

/// Kind of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Rejection {
    /// Too many requests under way on the listener.
    Overloaded,
    /// No connection to the database in time, or no database.
    NoDatabase,
    /// Refused by authentication, authorization or a limit.
    Denied(Denied),
}

impl Rejection {
    fn reason(self) -> &'static str {
        match self {
            Rejection::Overloaded => "overloaded",
            Rejection::NoDatabase => "no database",
            Rejection::Denied(denied) => match denied {
                Denied::RateLimited(_) => "rate",
                Denied::TooManyAtOnce => "too many at once",
                Denied::TooManyFailures => "too many failures",
                Denied::NotAuthenticated => "not authenticated",
                Denied::BadKey(_) => "bad key",
                Denied::BadToken(_) => "bad token",
                Denied::PublicKey => "public key",
                Denied::MissingScope(_) | Denied::CannotGrant(_) | Denied::BeyondLimits => "scope",
                Denied::InactiveAccount => "inactive account",
                Denied::OtherAccount | Denied::TwoAccounts | Denied::NotForOthers => "other account",
                Denied::NoSubAccounts => "no sub-accounts",
                Denied::Address => "address",
                Denied::Origin => "origin",
                Denied::OperatorKey => "operator key",
            },
        }
    }

    /// Counts it.
    pub fn count(self) {
        metrics::counter!("credenza_rejections_total", "reason" => self.reason()).increment(1);
    }
}

impl HttpError {
    /// Returns the kind of a refusal; none if the error is something else.
    pub(in crate::http) fn rejection(&self) -> Option<Rejection> {
        match self {
            HttpError::Domain(error) => of(error),
            _ => None,
        }
    }
}

fn of(error: &Error) -> Option<Rejection> {
    match error {
        Error::Overloaded => Some(Rejection::Overloaded),
        Error::Unavailable(_) => Some(Rejection::NoDatabase),
        Error::Denied(denied) => Some(Rejection::Denied(*denied)),
        Error::Shared(error) => of(error),
        _ => None,
    }
}
