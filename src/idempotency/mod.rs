//! Requests that may be sent again: a write under an `Idempotency-Key` happens once, and a repetition gets the answer
//! of the first time.
//!
//! The outcome is stored in the transaction of the write, so there is none without the other. The lock of a key lasts as
//! long as that transaction, and so does not outlive its process. Nothing of a request is stored but MACs.

mod store;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::Mac;
use sqlx::{PgConnection, PgPool};
use tokio::time::sleep;

use crate::api_key::Pepper;
use crate::clock::Clock;
use crate::error::Error;
use crate::postgres::{self, Tenant};
use crate::types::AccountId;

/// How long an outcome is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// Time between two searches for outcomes that are too old.
const INTERVAL: Duration = Duration::from_mins(10);
/// Most outcomes that one transaction removes.
const BATCH: i64 = 1000;

/// The purpose of the key under which requests are recognised.
const PURPOSE: &str = "credenza idempotency 1";

/// A request that may have been sent before. Contains nothing of its text.
#[derive(Clone)]
pub struct Request {
    account: AccountId,
    /// Which key of the account it came with.
    id: [u8; 32],
    /// The digest of its contents.
    fingerprint: [u8; 32],
}

/// The answer to a request that was carried out, as the family of its path wrote it. Nothing is read from it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The family, by its name.
    pub family: String,
    /// The family's code for what came of the request.
    pub code: u16,
    /// The content type of the body.
    pub content_type: String,
    /// Entity tag of what the request left, if it has one.
    pub tag: Option<String>,
    /// The body, without secrets.
    pub body: String,
}

impl Request {
    /// A request of an account under a key. `said` is everything that makes it another request if it differs.
    pub fn new(pepper: &Pepper, account: AccountId, key: &[u8], said: &[&[u8]]) -> Self {
        let macs = pepper.macs_for(PURPOSE);
        let mac = |what: &[u8], parts: &[&[u8]]| {
            let mut mac = macs.clone();
            // Each part with its length, so that no two lists of parts look alike.
            for part in [what, &account.0.to_be_bytes(), key].iter().chain(parts) {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            }
            mac.finalize().into_bytes().into()
        };
        Self { account, id: mac(b"key", &[]), fingerprint: mac(b"request", said) }
    }

    /// Number of the key's lock.
    fn lock(&self) -> i64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.id[..8]);
        i64::from_be_bytes(first)
    }
}

/// Takes the key of a request to the end of the transaction, before anything else is done in it. Answers with the outcome
/// if the request was carried out before.
///
/// # Errors
/// [`Error::UnderWay`] while another transaction has the key, [`Error::KeyReused`] if it was used for another request.
pub async fn claim(
    connection: &mut PgConnection,
    request: &Request,
    now: DateTime<Utc>,
) -> Result<Option<StoredAnswer>, Error> {
    let claimed = store::claim(connection, request.account, &request.id, request.lock(), now - KEPT).await?;
    if !claimed.is_free {
        return Err(Error::UnderWay);
    }
    match claimed.known {
        None => Ok(None),
        Some(known) if known == request.fingerprint => Ok(claimed.outcome),
        Some(_) => Err(Error::KeyReused),
    }
}

/// Stores the outcome of a request whose key was claimed.
pub async fn keep(
    connection: &mut PgConnection,
    request: &Request,
    outcome: &StoredAnswer,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    Ok(store::keep(connection, request.account, (&request.id, &request.fingerprint), outcome, now).await?)
}

/// Forgets a request, so that its key is free again: nothing came of it after all.
pub async fn forget(pool: &PgPool, request: &Request) -> Result<(), Error> {
    let mut transaction = postgres::begin(pool, request.account).await?;
    store::remove(&mut transaction, request.account, &request.id).await?;
    Ok(transaction.commit().await?)
}

/// Removes the outcomes of every account that are too old; how many there were.
pub async fn remove_old(pool: &PgPool, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let mut removed = 0;
    loop {
        let batch = postgres::within_limit(async {
            let mut transaction = postgres::begin(pool, Tenant::Every).await?;
            let batch = store::remove_old(&mut transaction, now - KEPT, BATCH).await?;
            transaction.commit().await?;
            Ok(batch)
        });
        let batch = batch.await?;
        removed += batch;
        if batch < BATCH.unsigned_abs() {
            return Ok(removed);
        }
    }
}

/// Removes old outcomes again and again, until the task is dropped.
pub async fn run(pool: PgPool, clock: Clock) {
    loop {
        sleep(INTERVAL).await;
        if let Err(error) = remove_old(&pool, clock.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "old outcomes of requests stay for now");
        }
    }
}
