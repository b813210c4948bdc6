//! Refusals of a caller.

use super::Error;
use crate::principal::{Actor, Limits, Scope};

/// Why somebody may not do something. Each dialect has its words for the caller; the reason goes to
/// the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nothing was presented.
    NotAuthenticated,
    /// The presented secret is no valid key. The reason is only for the log.
    BadKey(&'static str),
    /// The presented secret is no valid token. The reason is only for the log.
    BadToken(&'static str),
    /// A public key where only private ones serve.
    PublicKey,
    /// The key lacks this scope.
    MissingScope(Scope),
    /// The account, or its parent, is inactive.
    InactiveAccount,
    /// The account asked about is neither the caller's own nor a sub-account of it.
    OtherAccount,
    /// The presented secrets name two accounts.
    TwoAccounts,
    /// Only a parent with sub-accounts may do this.
    NoSubAccounts,
    /// Nobody can grant a scope that they lack.
    CannotGrant(Scope),
    /// Nobody can make or be shown what is less limited than they are.
    BeyondLimits,
    /// The key does not work from this address.
    Address,
    /// The public key does not work from this origin.
    Origin,
    /// The operation cannot be done for another account.
    NotForOthers,
    /// An operator's key is the command line's business.
    OperatorKey,
    /// Too many failed attempts from one address.
    TooManyFailures,
    /// The key asks faster than it may. Holds the seconds after which it may ask again.
    RateLimited(u32),
    /// Too many requests of the account wait for their turn.
    TooManyAtOnce,
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Error::Denied(denied)
    }
}

impl Actor {
    /// Refuses somebody who would hand on a right that they lack. The operator on the command line lacks none.
    pub fn require_all(&self, scopes: &[Scope]) -> Result<(), Error> {
        let Some(principal) = &self.principal else { return Ok(()) };
        match scopes.iter().find(|scope| !principal.has(**scope)) {
            Some(lacking) => Err(Denied::CannotGrant(*lacking).into()),
            None => Ok(()),
        }
    }
}

impl Actor {
    /// Refuses somebody who would get hold of what is less limited than they are.
    pub fn require_within_limits(&self, limits: &Limits) -> Result<(), Error> {
        match &self.principal {
            Some(principal) if !limits.are_within(&principal.limits) => Err(Denied::BeyondLimits.into()),
            _ => Ok(()),
        }
    }

    /// Gives what is made for the actor the limits that nobody named for it.
    ///
    /// # Errors
    /// [`Denied::BeyondLimits`] if those that were named go beyond the actor's own.
    pub fn limit(&self, named: Limits) -> Result<Limits, Error> {
        let Some(principal) = &self.principal else { return Ok(named) };
        let limits = named.or(&principal.limits);
        self.require_within_limits(&limits)?;
        Ok(limits)
    }
}
