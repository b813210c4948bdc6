//! Authenticates the caller of a request: from the presented secrets to a [`Principal`]. Knows no HTTP framework; `http/caller.rs`
//! reads the headers.
//!
//! There are two schemes, tried in order: an API key (`api_key.rs`), and what stands in `Authorization` (`authorization.rs`:
//! a bearer token, or a key in the reseller's form). Each answers *not presented*, *authenticated* or *refused*; a refusal
//! ends the search. A refusal has a true reason, for the log, and an answer to the caller, which is the same for every
//! key that is no good.

mod act_for;
mod api_key;
mod attempts;
mod authorization;
mod bearer;
mod confirm;
#[cfg(any(test, fuzzing))]
pub mod fuzz;

use std::sync::Arc;

use ipnet::IpNet;
use sqlx::PgPool;

pub use act_for::act_for;
pub use attempts::FailedAttempts;

use crate::accounts::{AccountStatuses, Active};
use crate::api_credentials::{LastUse, StoredKey};
use crate::api_key::{KeyHash, Pepper};
use crate::clock::Clock;
use crate::cluster::{Cluster, Coherent, Limits, Pinned};
use crate::error::{Denied, Error};
use crate::oauth::{OutsideIssuer, Tokens};
use crate::principal::Principal;
use crate::recent::LatelyFound;
use crate::types::ClientAddress;

/// The presented secrets of a request, as text.
#[derive(Clone, Debug, Default)]
pub struct Presented<'a> {
    /// Every `X-API-Key` header.
    pub api_keys: Vec<&'a str>,
    /// Every `pub_api_key` of the query.
    pub query_keys: Vec<&'a str>,
    /// Every `Authorization` header.
    pub authorization: Vec<&'a str>,
    /// Where the request comes from, if that is known.
    pub client_address: Option<&'a ClientAddress>,
    /// The `Origin` header of a browser.
    pub origin: Option<&'a str>,
}

/// A way of presenting a caller. A family of paths names those that it takes, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// An API key in `X-API-Key` or, for public keys, in the query.
    ApiKey,
    /// The `Authorization` header: a bearer token, or a key in the reseller's form.
    Authorization,
    /// The `Authorization` header where only a bearer token is a caller: anything else in it is somebody else's login.
    Bearer,
}

/// Which kinds of keys an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Private keys and tokens.
    Private,
    /// Public keys as well, from the account's allowed origins.
    PublicToo,
}

/// Authenticates callers, from memory after the first time. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    pool: PgPool,
    clock: Clock,
    pepper: Arc<Pepper>,
    statuses: AccountStatuses,
    last_use: LastUse,
    failed_attempts: FailedAttempts,
    tokens: Tokens,
    outside: Option<OutsideIssuer>,
    keys: Coherent<KeyHash, Option<Arc<KnownKey>>>,
    lately_found: LatelyFound<KeyHash>,
}

/// A key that exists, and who calls with it. Made once, so that a request only shares it.
struct KnownKey {
    stored: StoredKey,
    principal: Arc<Principal>,
    active: Pinned<Active>,
}

/// The dependencies of an authenticator.
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// The time.
    pub clock: Clock,
    /// The pepper of keys.
    pub pepper: Arc<Pepper>,
    /// Whether accounts are active.
    pub statuses: AccountStatuses,
    /// When keys were last used.
    pub last_use: LastUse,
    /// Failed attempts by address.
    pub failed_attempts: FailedAttempts,
    /// Our own tokens.
    pub tokens: Tokens,
    /// The external issuer whose tokens are accepted with ours.
    pub outside: Option<OutsideIssuer>,
}

impl Authenticator {
    /// An authenticator over the keys of the database.
    pub fn new(parts: Parts, cluster: &Cluster, limits: Limits) -> Self {
        let keys = Coherent::new(cluster.trust(), "keys", limits, |_, key: &Option<Arc<KnownKey>>| {
            // The principal has the ranges once more, as limits of what it makes.
            let texts = |key: &StoredKey| {
                2 * key.user_email.len() + key.name.len() + 2 * key.allowed_ips.len() * size_of::<IpNet>()
            };
            key.as_ref().map_or(0, |key| size_of::<KnownKey>() + size_of::<Principal>() + texts(&key.stored)) + 32
        });
        let Parts { pool, clock, pepper, statuses, last_use, failed_attempts, tokens, outside } = parts;
        let lately_found = LatelyFound::default();
        Self { pool, clock, pepper, statuses, last_use, failed_attempts, tokens, outside, keys, lately_found }
    }

    /// The principal of a request, by the schemes that its family takes.
    ///
    /// # Errors
    /// [`Denied::NotAuthenticated`] if nothing is presented; the refusal of the first scheme that refuses;
    /// [`Denied::TwoAccounts`] if the schemes name different accounts; [`Denied::TooManyFailures`] in place of a refusal
    /// for an address that was refused too often.
    pub async fn authenticate(
        &self,
        presented: &Presented<'_>,
        schemes: &[Scheme],
        accepts: Accepts,
    ) -> Result<Arc<Principal>, Error> {
        let result = self.by_schemes(presented, schemes, accepts).await;
        if let (Err(Error::Denied(denied)), Some(address)) = (&result, presented.client_address)
            && *denied != Denied::NotAuthenticated
            && self.failed_attempts.too_many(address)
        {
            tracing::info!(?denied, "a refusal too many");
            return Err(Denied::TooManyFailures.into());
        }
        result
    }

    async fn by_schemes(
        &self,
        presented: &Presented<'_>,
        schemes: &[Scheme],
        accepts: Accepts,
    ) -> Result<Arc<Principal>, Error> {
        let (mut by_key, mut by_authorization) = (None, None);
        for scheme in schemes {
            match scheme {
                Scheme::ApiKey => by_key = self.by_api_key(presented, accepts).await?,
                Scheme::Authorization => by_authorization = self.by_authorization(presented).await?,
                Scheme::Bearer => by_authorization = self.by_bearer_alone(presented).await?,
            }
        }
        let by_key_principal = by_key.as_ref().map(|known| Arc::clone(&known.principal));
        let principal = match (by_key_principal, by_authorization) {
            (None, None) => return Err(Denied::NotAuthenticated.into()),
            (Some(one), Some(other)) if one.account != other.account => return Err(Denied::TwoAccounts.into()),
            (Some(principal), _) | (None, Some(principal)) => principal,
        };
        let is_active = match &by_key {
            Some(known) => self.statuses.is_active_pinned(principal.account, &known.active).await?,
            None => self.statuses.is_active(principal.account).await?,
        };
        if !is_active {
            return Err(Denied::InactiveAccount.into());
        }
        Ok(principal)
    }
}
