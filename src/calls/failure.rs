//! Why a call to a supplier has no answer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use promostandards::AnswerError;

use super::transport::TransportError;
use crate::audit::Outcome;
use crate::error::Error;
use crate::resolver::precedence::Level;
use crate::types::{Environment, Service};

/// A call that has no answer.
#[derive(Debug)]
pub struct Failed {
    /// The level of the login, once it was chosen.
    pub source: Option<Level>,
    /// The reason.
    pub why: Failure,
}

/// Why a call has no answer.
#[derive(Debug)]
pub enum Failure {
    /// A use case refused or failed, as it does for everybody.
    Domain(Error),
    /// The operator's table has no endpoint for the call.
    NoEndpoint {
        /// The supplier's display name.
        supplier_name: String,
        /// The service.
        service: Service,
        /// Its version.
        version: String,
        /// The environment.
        environment: Environment,
    },
    /// The operator's table has no endpoint by which a login could be tried.
    NoTrial {
        /// The supplier's display name.
        supplier_name: String,
        /// The environment.
        environment: Environment,
    },
    /// The login is known to be wrong, so nothing was sent.
    Suspended(Suspended),
    /// The login has a character that XML cannot carry, so nothing was sent.
    UnsendableLogin {
        /// The level of the login.
        level: Level,
        /// Its half.
        half: LoginHalf,
    },
    /// The supplier failed.
    Supplier {
        /// Its display name.
        supplier_name: String,
        /// How it failed.
        how: SupplierFailure,
        /// Whether an order was on its way, which may have been received.
        is_order: bool,
    },
}

/// The half of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginHalf {
    /// The user name.
    Username,
    /// The password.
    Password,
}

/// A login that was refused too often to be sent again.
#[derive(Clone, Debug)]
pub struct Suspended {
    /// The supplier's display name.
    pub supplier_name: String,
    /// The level of the login.
    pub level: Level,
    /// The service of the call.
    pub service: Service,
    /// When it was refused last.
    pub refused_at: DateTime<Utc>,
    /// With which code.
    pub refused_code: Option<u16>,
    /// When it is sent again.
    pub until: DateTime<Utc>,
}

/// How a supplier failed.
#[derive(Debug)]
pub enum SupplierFailure {
    /// It cannot be reached, or the connection broke.
    Transport(TransportError),
    /// Its answer is none.
    Answer(AnswerError),
    /// It answered with a status and without an envelope: 401 or 403 mean that its server refused the connection.
    Status(u16),
    /// It has too much to do. Holds the time after which it may be asked again.
    Busy(Duration),
    /// Too many calls of it are under way here.
    Full(Duration),
    /// It has failed again and again, and is asked by one call at a time.
    Down(Duration),
    /// It took too long.
    TimedOut,
}

impl SupplierFailure {
    /// Whether the supplier is away, as far as one call shows.
    pub fn is_outage(&self) -> bool {
        match self {
            SupplierFailure::Transport(error) => error.is_outage(),
            SupplierFailure::Status(status) => *status >= 500,
            SupplierFailure::TimedOut => true,
            SupplierFailure::Answer(_)
            | SupplierFailure::Busy(_)
            | SupplierFailure::Full(_)
            | SupplierFailure::Down(_) => false,
        }
    }
}

impl Failed {
    /// Whether the supplier may have received the request.
    pub fn may_have_been_sent(&self) -> bool {
        match &self.why {
            Failure::Domain(_)
            | Failure::NoEndpoint { .. }
            | Failure::NoTrial { .. }
            | Failure::Suspended(_)
            | Failure::UnsendableLogin { .. } => false,
            Failure::Supplier { how, .. } => match how {
                SupplierFailure::Transport(error) => error.may_be_received(),
                SupplierFailure::Full(_) | SupplierFailure::Down(_) => false,
                SupplierFailure::Answer(_)
                | SupplierFailure::Status(_)
                | SupplierFailure::Busy(_)
                | SupplierFailure::TimedOut => true,
            },
        }
    }

    /// A failure before the login was chosen.
    pub fn early(why: impl Into<Failure>) -> Self {
        Self { source: None, why: why.into() }
    }

    /// The outcome on record.
    pub fn outcome(&self) -> Outcome {
        match &self.why {
            Failure::Domain(error) => Outcome::from(error),
            Failure::NoEndpoint { .. } | Failure::NoTrial { .. } => Outcome::NotFound,
            Failure::Suspended(_) => Outcome::Denied,
            Failure::UnsendableLogin { .. } => Outcome::Invalid,
            Failure::Supplier { how, .. } => match how {
                SupplierFailure::TimedOut | SupplierFailure::Transport(TransportError::TimedOut) => Outcome::TimedOut,
                SupplierFailure::Busy(_) | SupplierFailure::Full(_) | SupplierFailure::Down(_) => Outcome::Unavailable,
                SupplierFailure::Transport(_) | SupplierFailure::Answer(_) | SupplierFailure::Status(_) => {
                    Outcome::BadAnswer
                }
            },
        }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Domain(error.into())
    }
}
