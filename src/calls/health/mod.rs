//! Whether logins work, from every answer of a supplier. It is kept for each state of a pair, so that a write of the pair
//! begins anew. Nothing is written on the way of an answer: verdicts are kept in memory and written in batches.
//!
//! - [`state`]: the state of one login, and when a login that was refused is sent again.
//! - `store`: the table.

pub mod state;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{counter, gauge};
use sqlx::PgPool;
use tokio::sync::{Notify, RwLock};
use tokio::time::sleep;

use self::state::{State, Verdict};
use crate::clock::Clock;
use crate::cluster::{Cluster, Coherent, Limits, Owner};
use crate::error::Error;
use crate::postgres::{self, Tenant};
use crate::resolver::LoginVersion;
use crate::resolver::precedence::Level;
use crate::types::{AccountId, Environment, Service, SupplierCode};

/// How long verdicts are collected for one batch.
const COLLECT: Duration = Duration::from_millis(200);
/// Pause before another attempt to write.
const RETRY: Duration = Duration::from_secs(2);
/// Time between two counts of the states for the metrics, and between two rounds that remove old states.
const COUNT: Duration = Duration::from_mins(1);
/// Most verdicts in memory. Above it new ones are left out until the database takes the others: they are hints.
const MOST_PENDING: usize = 100_000;

/// A state of a stored pair, at a supplier. With a service: of the pair for that service, or for that service only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    /// The account; the operator's own for a shared login.
    pub account: AccountId,
    /// The supplier.
    pub supplier: SupplierCode,
    /// The level: service, account or default.
    pub level: Level,
    /// Of a pair for one service, or of a verdict that holds for one service only.
    pub service: Option<Service>,
    /// The environment.
    pub environment: Environment,
    /// The state of the pair.
    pub version: LoginVersion,
}

/// The states of logins, by login.
pub type States = HashMap<Login, State>;

/// Verdicts on a login that are not written yet, in their order.
type Verdicts = Vec<(Verdict, DateTime<Utc>)>;

/// The health of logins. Cheap to clone.
#[derive(Clone)]
pub struct LoginHealth(Arc<Inner>);

struct Inner {
    pool: PgPool,
    clock: Clock,
    cluster: Cluster,
    /// The states of an account's logins for a supplier; current as to refusals.
    states: Coherent<(AccountId, SupplierCode), Arc<States>>,
    pending: Mutex<HashMap<Login, Verdicts>>,
    arrived: Notify,
    /// Read while a state is put together of what is stored and what is pending; written while a batch goes from one to the
    /// other.
    moving: RwLock<()>,
}

impl LoginHealth {
    /// Health over the database.
    pub fn new(pool: PgPool, clock: Clock, cluster: &Cluster, limits: Limits) -> Self {
        let weigh = |_: &(AccountId, SupplierCode), states: &Arc<States>| {
            states.len() * (size_of::<Login>() + size_of::<State>() + 32)
        };
        Self(Arc::new(Inner {
            pool,
            clock,
            cluster: cluster.clone(),
            states: Coherent::new(cluster.trust(), "login_health", limits, weigh),
            pending: Mutex::default(),
            arrived: Notify::new(),
            moving: RwLock::default(),
        }))
    }

    /// Notes a verdict. Never waits.
    pub fn note(&self, login: Login, verdict: Verdict) {
        let state = match verdict {
            Verdict::Accepted => "accepted",
            Verdict::Refused(_) => "refused",
        };
        counter!("credenza_login_verdicts_total", "supplier" => login.supplier.to_string(), "state" => state)
            .increment(1);
        let now = self.0.clock.now();
        let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() < MOST_PENDING || pending.contains_key(&login) {
            let verdicts = pending.entry(login).or_default();
            // Of acceptances in a row only the last one counts.
            if verdict == Verdict::Accepted && verdicts.last().is_some_and(|(last, _)| *last == Verdict::Accepted) {
                verdicts.pop();
            }
            verdicts.push((verdict, now));
        }
        drop(pending);
        self.0.arrived.notify_one();
    }

    /// The state of a login, current as to its refusals; none if nothing is known. From memory after the first time.
    pub async fn refusals_of(&self, login: &Login) -> Result<Option<State>, Error> {
        let _moving = self.0.moving.read().await;
        let (account, supplier) = (login.account, login.supplier.clone());
        let owner = Owner::Bundle(account, supplier.clone());
        let load = || {
            let (pool, supplier) = (self.0.pool.clone(), supplier.clone());
            async move { Ok(Arc::new(store::of(&pool, account, &supplier).await?.into_iter().collect::<States>())) }
        };
        let stored = self.0.states.get(&owner, (account, supplier.clone()), load).await?.get(login).cloned();
        let pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match pending.get(login) {
            Some(verdicts) => after(stored, verdicts),
            None => stored,
        })
    }

    /// All that is known of the logins of an account for a supplier, from the database.
    pub async fn of(&self, account: AccountId, supplier: &SupplierCode) -> Result<States, Error> {
        let _moving = self.0.moving.read().await;
        let mut states: States = store::of(&self.0.pool, account, supplier).await?.into_iter().collect();
        let pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for (login, verdicts) in pending.iter() {
            let is_asked = login.supplier == *supplier && login.account == account;
            if is_asked && let Some(state) = after(states.remove(login), verdicts) {
                states.insert(login.clone(), state);
            }
        }
        Ok(states)
    }

    /// When a call of each service of a supplier was accepted last, by any account.
    pub async fn last_accepted_calls(
        &self,
        supplier: &SupplierCode,
    ) -> Result<Vec<(Service, Environment, DateTime<Utc>)>, Error> {
        Ok(store::last_accepted_calls(&self.0.pool, supplier).await?)
    }

    /// Writes verdicts until the task is dropped.
    pub async fn run(self) {
        tokio::join!(self.write_again_and_again(), self.count_again_and_again());
    }

    async fn write_again_and_again(&self) {
        loop {
            self.0.arrived.notified().await;
            sleep(COLLECT).await;
            while let Err(error) = self.write().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the health of logins cannot be written now");
                sleep(RETRY).await;
            }
        }
    }

    /// Writes what is pending. To be called once more when the service stops.
    pub async fn write(&self) -> Result<(), Error> {
        let _moving = self.0.moving.write().await;
        let batch = std::mem::take(&mut *self.0.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.write_batch(&batch).await;
        if written.is_err() {
            let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
            for (login, mut verdicts) in batch {
                // Those that came meanwhile are later ones.
                verdicts.extend(pending.remove(&login).unwrap_or_default());
                pending.insert(login, verdicts);
            }
        }
        written
    }

    async fn write_batch(&self, batch: &HashMap<Login, Verdicts>) -> Result<(), Error> {
        let mut change = self.0.cluster.begin(Tenant::Every).await?;
        store::write(&mut change, batch).await?;
        change.commit().await
    }

    /// Counts logins by supplier and state, after removing states that nobody has asked about for long.
    pub async fn count(&self) -> Result<Vec<(String, &'static str, i64)>, sqlx::Error> {
        let mut transaction = postgres::begin(&self.0.pool, Tenant::Every).await?;
        store::remove_old(&mut transaction, self.0.clock.now()).await?;
        let counts = store::count(&mut transaction).await?;
        transaction.commit().await?;
        Ok(counts)
    }

    async fn count_again_and_again(&self) {
        loop {
            match self.count().await {
                Ok(counts) => {
                    for (supplier, state, count) in counts {
                        #[allow(clippy::cast_precision_loss, reason = "a number of logins")]
                        gauge!("credenza_logins", "supplier" => supplier, "state" => state).set(count as f64);
                    }
                }
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "logins cannot be counted now");
                }
            }
            sleep(COUNT).await;
        }
    }
}

/// A state after some more verdicts; none if nothing is known.
fn after(state: Option<State>, verdicts: &[(Verdict, DateTime<Utc>)]) -> Option<State> {
    verdicts.iter().fold(state, |state, &(verdict, at)| {
        Some(match state {
            None => State::new(verdict, at),
            Some(state) => state.after(verdict, at),
        })
    })
}
