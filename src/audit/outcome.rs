//! The outcome of what is recorded.

use crate::error::{Denied, Error};

/// The outcome of an act. The code on record is stable: the chain authenticates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The request itself was wrong.
    Invalid,
    /// The caller may not do it, or there is no pair for it.
    Denied,
    /// Something that the request names does not exist.
    NotFound,
    /// Another request with the same key is under way.
    InProgress,
    /// A condition of the request does not hold.
    PreconditionFailed,
    /// The key of the request was used for another one.
    KeyReused,
    /// The caller asks for too much at once.
    TooMany,
    /// Something is broken.
    Failed,
    /// A supplier answered with something that is no answer.
    BadAnswer,
    /// Something that is needed cannot be reached just now.
    Unavailable,
    /// A supplier took too long.
    TimedOut,
}

impl Outcome {
    /// The code on record. The numbers are those of HTTP, which readers of the evidence know.
    pub const fn code(self) -> i16 {
        match self {
            Outcome::Done => 200,
            Outcome::Invalid => 400,
            Outcome::Denied => 403,
            Outcome::NotFound => 404,
            Outcome::InProgress => 409,
            Outcome::PreconditionFailed => 412,
            Outcome::KeyReused => 422,
            Outcome::TooMany => 429,
            Outcome::Failed => 500,
            Outcome::BadAnswer => 502,
            Outcome::Unavailable => 503,
            Outcome::TimedOut => 504,
        }
    }
}

impl From<&Error> for Outcome {
    fn from(error: &Error) -> Self {
        match error {
            Error::HalfPairs(_) | Error::Limit(_) | Error::Taken(_) | Error::BrokenRule(_) => Outcome::Invalid,
            Error::NotFound { .. } => Outcome::NotFound,
            Error::UnderWay => Outcome::InProgress,
            Error::KeyReused => Outcome::KeyReused,
            Error::PreconditionFailed => Outcome::PreconditionFailed,
            Error::Denied(Denied::TooManyFailures | Denied::RateLimited(_) | Denied::TooManyAtOnce) => Outcome::TooMany,
            Error::Denied(_) | Error::OwnCredentialsRequired { .. } => Outcome::Denied,
            Error::KeyService(_)
            | Error::Unavailable(_)
            | Error::Overloaded
            | Error::IssuerUnavailable
            | Error::NotRecorded => Outcome::Unavailable,
            Error::Unreadable(_) | Error::Seal(_) | Error::Database(_) => Outcome::Failed,
            Error::Shared(error) => Outcome::from(error.as_ref()),
        }
    }
}
