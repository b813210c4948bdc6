//! Whether an account's keys work and who its parent is: asked on every request, so answered from memory.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::PgPool;

use super::store::{self, AccountStatus};
use crate::api_key::Pepper;
use crate::cluster::{Cluster, Coherent, Limits, Owner, Pinned, Readings};
use crate::error::{Denied, Error};
use crate::postgres::{self, Tenant};
use crate::types::AccountId;

/// Statuses of accounts, cached. Cheap to clone.
#[derive(Clone)]
pub struct AccountStatuses {
    pool: PgPool,
    pepper: Arc<Pepper>,
    cache: Coherent<AccountId, CachedStatus>,
    origins: Coherent<(), Arc<HashSet<String>>>,
}

type CachedStatus = Option<Arc<AccountStatus>>;

/// Proof that an account is active, to be pinned to what asks for it again and again.
pub struct Active;

impl AccountStatuses {
    /// An empty cache over the accounts of the database.
    pub fn new(pool: PgPool, pepper: Arc<Pepper>, cluster: &Cluster, limits: Limits) -> Self {
        let cache = Coherent::new(cluster.trust(), "accounts", limits, |_: &AccountId, status: &CachedStatus| {
            let origins = status.iter().flat_map(|status| &status.allowed_origins).map(String::len).sum::<usize>();
            size_of::<AccountStatus>() + origins
        });
        let origins = Coherent::new(cluster.trust(), "origins", limits, |(), origins: &Arc<HashSet<String>>| {
            origins.iter().map(|origin| size_of::<String>() + origin.len()).sum()
        });
        Self { pool, pepper, cache, origins }
    }

    /// The account's status; `None` if there is no such account.
    pub async fn get(&self, account: AccountId) -> Result<Option<Arc<AccountStatus>>, Error> {
        self.get_on(&mut Readings::default(), account).await
    }

    async fn get_on(&self, readings: &mut Readings, account: AccountId) -> Result<CachedStatus, Error> {
        let load = || {
            let (pool, pepper) = (self.pool.clone(), Arc::clone(&self.pepper));
            async move { Ok(store::status(&pool, account, &pepper).await?.map(Arc::new)) }
        };
        self.cache.get_on(readings, &Owner::Account(account), account, load).await
    }

    /// Refuses an account that is no sub-account of this parent, also one that does not exist.
    pub async fn require_parent(&self, parent: AccountId, account: AccountId) -> Result<(), Error> {
        match self.get(account).await? {
            Some(status) if status.parent_id == Some(parent) => Ok(()),
            _ => Err(Denied::OtherAccount.into()),
        }
    }

    /// Returns the account that a caller's work counts for: the parent of a sub-account, so that many of them are one tenant.
    pub async fn payer(&self, account: AccountId) -> Result<AccountId, Error> {
        let status = self.get(account).await?;
        Ok(status.and_then(|status| status.parent_id).unwrap_or(account))
    }

    /// Whether any account lets browsers come from this origin. Anybody may ask, so it is answered from memory.
    pub async fn is_allowed_origin(&self, origin: &str) -> Result<bool, Error> {
        let load = || {
            let (pool, pepper) = (self.pool.clone(), Arc::clone(&self.pepper));
            async move {
                let mut transaction = postgres::begin(&pool, Tenant::Every).await?;
                Ok(Arc::new(store::allowed_origins(&mut transaction, &pepper).await?))
            }
        };
        Ok(self.origins.get(&Owner::Accounts, (), load).await?.contains(origin))
    }

    /// Whether the account exists and is active, and its parent as well if it has one.
    pub async fn is_active(&self, account: AccountId) -> Result<bool, Error> {
        self.is_active_on(&mut Readings::default(), account).await
    }

    /// The same for a caller that is going to pin the answer.
    pub async fn is_active_on(&self, readings: &mut Readings, account: AccountId) -> Result<bool, Error> {
        match self.get_on(readings, account).await? {
            Some(status) if status.is_active => match status.parent_id {
                None => Ok(true),
                // A parent has no parent itself.
                Some(parent) => Ok(self.get_on(readings, parent).await?.is_some_and(|parent| parent.is_active)),
            },
            _ => Ok(false),
        }
    }

    /// The same for a caller that asks about one account again and again.
    pub async fn is_active_pinned(&self, account: AccountId, pinned: &Pinned<Active>) -> Result<bool, Error> {
        if self.cache.pinned(pinned, |Active| Some(())).is_some() {
            return Ok(true);
        }
        let mut readings = Readings::default();
        let is_active = self.is_active_on(&mut readings, account).await?;
        if is_active {
            self.cache.pin(pinned, readings, |_| Active);
        }
        Ok(is_active)
    }
}
