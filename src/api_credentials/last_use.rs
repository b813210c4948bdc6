//! When keys were last used: noted in memory on each call, written in batches. A crash loses the last few seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::time::sleep;
use uuid::Uuid;

use super::store::{self, Uses};
use crate::postgres::{self, Tenant};
use crate::types::AccountId;

/// Time between two batches.
const INTERVAL: Duration = Duration::from_secs(5);

/// Uses that are not written yet. Cheap to clone.
#[derive(Clone, Default)]
pub struct LastUse(Arc<Mutex<Uses>>);

impl LastUse {
    /// Notes that a key was used.
    pub fn note(&self, account: AccountId, key: Uuid, now: DateTime<Utc>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((account, key), now);
    }

    /// Writes what was noted. Uses that cannot be written are kept, unless something newer was meanwhile.
    pub async fn write(&self, pool: &PgPool) {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if noted.is_empty() {
            return;
        }
        if let Err(error) = postgres::within_limit(store_uses(pool, &noted)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "last use of keys could not be written");
            let mut newer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, used) in noted {
                newer.entry(key).or_insert(used);
            }
        }
    }

    /// Writes again and again, until the task is dropped.
    pub async fn run(self, pool: PgPool) {
        loop {
            sleep(INTERVAL).await;
            self.write(&pool).await;
        }
    }
}

async fn store_uses(pool: &PgPool, uses: &Uses) -> Result<(), sqlx::Error> {
    let mut transaction = postgres::begin(pool, Tenant::Every).await?;
    store::note_uses(&mut transaction, uses).await?;
    transaction.commit().await
}
