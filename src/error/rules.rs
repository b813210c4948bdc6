//! Rules of the domain that a request breaks.

use super::Error;
use crate::types::Environment;

/// A half of a pair that came neither with the request nor was stored before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingHalf {
    /// The environment of the pair.
    pub environment: Environment,
    /// The half that is missing.
    pub half: Half,
}

/// One half of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The user name.
    Username,
    /// The password.
    Password,
}

/// A number that an account cannot exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Keys that work at one time.
    ApiKeys(i64),
    /// OAuth2 clients.
    OauthClients(i64),
    /// Secrets of one client that rotations with overlap leave behind.
    ClientSecrets(u64),
}

/// A name that is in use already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The external id of a sub-account.
    ExternalCustomerId,
    /// The e-mail of a user.
    UserEmail,
}

/// A rule that an act breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// A key that was rotated is rotated again.
    RotateTwice,
    /// A parent is purged before its sub-accounts.
    PurgeParent,
    /// The password that a person chose is too short.
    ShortPassword(usize),
}

impl From<Limit> for Error {
    fn from(limit: Limit) -> Self {
        Error::Limit(limit)
    }
}

impl From<Taken> for Error {
    fn from(taken: Taken) -> Self {
        Error::Taken(taken)
    }
}

impl From<BrokenRule> for Error {
    fn from(rule: BrokenRule) -> Self {
        Error::BrokenRule(rule)
    }
}
