//! Rules of the domain that a request breaks.

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Keys that work at one time.
    #[error("An account can have at most {0} active API keys")]
    ApiKeys(i64),
    /// OAuth2 clients.
    #[error("An account can have at most {0} OAuth clients")]
    OauthClients(i64),
    /// Secrets of one client that rotations with overlap leave behind.
    #[error("An OAuth client can have at most {0} secrets in overlap")]
    ClientSecrets(u64),
}

/// A name that is in use already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Taken {
    /// The external id of a sub-account.
    #[error("another sub-account of the parent has this external id")]
    ExternalCustomerId,
    /// The e-mail of a user.
    #[error("email: is already a user of this account")]
    UserEmail,
}

/// A rule that an act breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenRule {
    /// A key that was rotated is rotated again.
    #[error("This API key was rotated before; rotate its successor")]
    RotateTwice,
    /// A parent is purged before its sub-accounts.
    #[error("The account has sub-accounts: purge them first")]
    PurgeParent,
    /// The password that a person chose is too short.
    #[error("password: must be at least {0} characters long")]
    ShortPassword(usize),
}
