//! Who calls: from what a request presents to a [`Principal`]. Knows no HTTP; `http/caller.rs` reads the headers.
//!
//! A refusal has a true reason, for the log, and what the caller is told, which is the same for every bad key.

use std::sync::Arc;

use sqlx::PgPool;

use crate::accounts::AccountStatuses;
use crate::api_credentials::{self, KeyRow};
use crate::api_key::{ApiKey, KeyHash, Kind, Pepper};
use crate::clock::Clock;
use crate::cluster::{Cluster, Coherent, Limits, Owner};
use crate::error::{Denied, Error};
use crate::principal::{Principal, Scope};
use crate::types::AccountId;

/// Tells callers by their API keys, from memory after the first time. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    pool: PgPool,
    clock: Clock,
    pepper: Arc<Pepper>,
    statuses: AccountStatuses,
    keys: Coherent<KeyHash, Option<Arc<KeyRow>>>,
}

impl Authenticator {
    /// An authenticator over the keys of the database.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        pepper: Arc<Pepper>,
        statuses: AccountStatuses,
        cluster: &Cluster,
        limits: Limits,
    ) -> Self {
        let keys = Coherent::new(Arc::clone(cluster.generations()), limits, |_, row: &Option<Arc<KeyRow>>| {
            32 + row.as_ref().map_or(0, |row| size_of::<KeyRow>() + row.user_email.len() + 24 * row.scopes.len())
        });
        Self { pool, clock, pepper, statuses, keys }
    }

    /// The principal behind a presented private API key. A public one is refused: no operation takes it so far.
    pub async fn api_key(&self, presented: &str) -> Result<Principal, Error> {
        // Noise ends here, without work for the database.
        let key = ApiKey::parse(presented).map_err(Denied::BadKey)?;
        if key.kind() == Kind::Public {
            return Err(Denied::PublicKey.into());
        }
        let hash = self.pepper.hash(&key);
        // A key that exists and one that does not take the same way: both are answered from memory the second time.
        let row = self.lookup(hash).await?.ok_or(Denied::BadKey("a key that does not exist"))?;
        if row.revoked_at.is_some() {
            return Err(Denied::BadKey("a revoked key").into());
        }
        if row.expires_at.is_some_and(|expiry| expiry <= self.clock.now()) {
            return Err(Denied::BadKey("an expired key").into());
        }
        if !self.statuses.is_active(row.account_id).await? {
            return Err(Denied::InactiveAccount.into());
        }
        Ok(Principal {
            account: row.account_id,
            acting_account: row.account_id,
            user_email: row.user_email.clone(),
            key_id: row.id,
            scopes: row.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
            is_operator: row.is_operator,
        })
    }

    async fn lookup(&self, hash: KeyHash) -> Result<Option<Arc<KeyRow>>, Error> {
        let pool = self.pool.clone();
        let load = async move { Ok(api_credentials::find_by_hash(&pool, &hash).await?.map(Arc::new)) };
        self.keys.get(&Owner::key(&hash.0), hash, load).await
    }
}

/// Whether a principal may be given passwords of an account: its own, a sub-account's of its own, or, with an operator's
/// key, any.
pub async fn may_resolve_for(
    principal: &Principal,
    account: AccountId,
    statuses: &AccountStatuses,
) -> Result<(), Error> {
    if principal.is_operator || principal.account == account {
        return Ok(());
    }
    match statuses.get(account).await? {
        Some(status) if status.parent_id == Some(principal.account) => Ok(()),
        // Also when there is no such account: what is not theirs does not exist for them.
        _ => Err(Denied::OtherAccount.into()),
    }
}
