//! The first scheme: an API key, in `X-API-Key` or, for public keys, in the query as `pub_api_key`.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Accepts, Authenticator, KnownKey, Presented};
use crate::api_credentials::{self, StoredKey};
use crate::api_key::{ApiKey, KeyHash, Kind};
use crate::cluster::{Owner, Pinned};
use crate::error::{Denied, Error};
use crate::principal::{AuthMethod, Grounds, Principal};
use crate::types::ClientAddress;

impl Authenticator {
    pub(super) async fn by_api_key(
        &self,
        presented: &Presented<'_>,
        accepts: Accepts,
    ) -> Result<Option<Arc<KnownKey>>, Error> {
        let mut keys = presented.api_keys.iter().chain(&presented.query_keys).copied();
        let Some(text) = keys.next() else { return Ok(None) };
        // Which of two counts must not depend on who reads them.
        if keys.next().is_some() {
            return Err(Denied::BadKey("more than one key").into());
        }
        // Noise ends here, without work for the database.
        let key = ApiKey::parse(text).map_err(Denied::BadKey)?;
        match key.kind() {
            Kind::Private if presented.query_keys.is_empty() => {}
            // A query string ends up in logs on the way.
            Kind::Private => return Err(Denied::BadKey("a private key in the query").into()),
            Kind::Public if accepts == Accepts::PublicToo => {}
            // By its form alone: the answer is the same whether or not it exists.
            Kind::Public => return Err(Denied::PublicKey.into()),
            Kind::ClientSecret => return Err(Denied::BadKey("a client secret in place of a key").into()),
        }
        self.stored_key(&key, presented).await.map(Some)
    }

    /// The principal of a key that exists, works, and is used from where it may be.
    pub(super) async fn stored_key(&self, key: &ApiKey, presented: &Presented<'_>) -> Result<Arc<KnownKey>, Error> {
        // A key that exists and one that does not take the same way: both are answered from memory the second time.
        let hash = self.pepper.hash(key);
        let stored = match presented.client_address {
            Some(address) if self.failed_attempts.is_over(address) && !self.lately_found.contains(&hash) => {
                self.keys.peek(&Owner::key(&hash.0), hash).await.ok_or(Denied::TooManyFailures)?
            }
            _ => self.lookup(hash).await?,
        };
        let known = stored.ok_or(Denied::BadKey("a key that does not exist"))?;
        let (stored, now) = (&known.stored, self.clock.now());
        check(stored, presented.client_address, now)?;
        if key.kind() == Kind::Public {
            self.check_origin(stored, presented.origin).await?;
        }
        self.last_use.note(stored.account_id, stored.id, now);
        Ok(known)
    }

    /// A public key works only for pages of the account's allowed origins.
    async fn check_origin(&self, key: &StoredKey, origin: Option<&str>) -> Result<(), Error> {
        let status = self.statuses.get(key.account_id).await?;
        let allowed = status.is_some_and(|status| {
            origin.is_some_and(|origin| status.allowed_origins.iter().any(|allowed| allowed == origin))
        });
        if allowed { Ok(()) } else { Err(Denied::Origin.into()) }
    }

    /// The key of this hash, if there is one.
    pub(super) async fn lookup(&self, hash: KeyHash) -> Result<Option<Arc<KnownKey>>, Error> {
        let load = || {
            let (pool, pepper, lately_found) = (self.pool.clone(), Arc::clone(&self.pepper), self.lately_found.clone());
            async move {
                let stored = api_credentials::find_by_hash(&pool, &hash, &pepper).await?;
                if stored.is_some() {
                    lately_found.note(hash).await;
                }
                Ok(stored.map(|stored| Arc::new(stored.into())))
            }
        };
        self.keys.get(&Owner::key(&hash.0), hash, load).await
    }
}

/// Refuses a key that has ended, or is used from elsewhere than it may be.
pub(super) fn check(key: &StoredKey, client_address: Option<&ClientAddress>, now: DateTime<Utc>) -> Result<(), Denied> {
    if !key.is_active(now) {
        return Err(Denied::BadKey("a revoked or expired key"));
    }
    if !key.allowed_ips.is_empty() && !client_address.is_some_and(|address| address.is_in(&key.allowed_ips)) {
        return Err(Denied::Address);
    }
    Ok(())
}

impl From<StoredKey> for KnownKey {
    fn from(stored: StoredKey) -> Self {
        let principal = Arc::new(Principal {
            method: if stored.kind == Kind::Public { AuthMethod::PublicKey } else { AuthMethod::ApiKey },
            account: stored.account_id,
            acting_account: stored.account_id,
            user_email: stored.user_email.clone(),
            key_id: Some(stored.id),
            scopes: stored.scopes.clone(),
            is_operator: stored.is_operator,
            grounds: Grounds::Key(stored.hash),
            limits: stored.limits(),
        });
        Self { stored, principal, active: Pinned::default() }
    }
}
