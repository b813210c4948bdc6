//! From one key-encryption key to another: every data key is unwrapped and wrapped under the first one, in batches, while
//! everybody goes on working. The data keys themselves stay the same, so nothing else changes.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::kek::{DataKeyId, Kek};
use super::store::KekRow;
use super::{OpenError, Vault, store};
use crate::error::Error;
use crate::postgres::{self, Tenant};

/// How many data keys are read, and stored, at once.
const BATCH: i64 = 1000;

/// The counts of a rewrap.
#[derive(Debug, Default)]
pub struct Rewrapped {
    /// Under which key all is now.
    pub kek_id: String,
    /// How many data keys were wrapped anew.
    pub rewrapped: u64,
    /// Those that do not unwrap, and why. They are left as they are.
    pub unreadable: Vec<(DataKeyId, OpenError)>,
}

/// How a key-encryption key stands.
#[derive(Debug, Serialize)]
pub struct KekStatus {
    /// Its id, as stored with data keys; of a key service's key with the version.
    pub id: String,
    /// Some digits of a hash of the key; none if this process does not hold it.
    pub fingerprint: Option<String>,
    /// Where it stands in the settings, from 1; none if they lack it. All versions of a key have the place of the key.
    pub position: Option<usize>,
    /// How many data keys need it.
    pub data_keys: i64,
    /// Of how many accounts.
    pub accounts: i64,
    /// Since when nothing can be wrapped under it.
    pub closed_at: Option<DateTime<Utc>>,
    /// Whether nothing in the database needs it, and nobody can make something need it.
    pub safe_to_remove: bool,
}

impl Vault {
    /// Wraps every data key under the first key-encryption key. Can be stopped at any point and begun again: it does what is
    /// left. `progress` receives how many are done, and of how many.
    pub async fn rewrap(&self, mut progress: impl FnMut(u64, u64) + Send) -> Result<Rewrapped, Error> {
        let kek = self.keyring.first()?;
        let mut done = Rewrapped::default();
        loop {
            // The key service may have a new version since the last pass.
            done.kek_id = kek.current_id().await?;
            let mut change = self.cluster.begin(Tenant::Every).await?;
            store::reopen(&mut change, &done.kek_id).await?;
            let total = store::count(&mut change, Some(&done.kek_id)).await?;
            change.commit().await?;
            let before = done.rewrapped;
            done.unreadable.clear();
            self.rewrap_pass(kek, &mut done, total.cast_unsigned(), &mut progress).await?;
            // Somebody may have wrapped under an old key behind the page that we were at.
            if done.rewrapped == before {
                return Ok(done);
            }
        }
    }

    async fn rewrap_pass(
        &self,
        kek: &dyn Kek,
        done: &mut Rewrapped,
        total: u64,
        progress: &mut (impl FnMut(u64, u64) + Send),
    ) -> Result<(), Error> {
        let (mut after, mut seen) = (DataKeyId::BEFORE_ALL, 0);
        loop {
            let mut transaction = postgres::begin(&self.pool, Tenant::Every).await?;
            let page = store::page(&mut transaction, after, Some(&done.kek_id), BATCH).await?;
            drop(transaction);
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            seen += page.len() as u64;
            // No transaction is open while the key service is asked.
            let (mut old, mut plain) = (Vec::new(), Vec::new());
            for (key, raw) in page.iter().zip(self.keyring.unwrap_all(&page).await?) {
                match raw {
                    Ok(raw) => {
                        plain.push((key.id, raw));
                        old.push(key.clone());
                    }
                    Err(error) => done.unreadable.push((key.id, error)),
                }
            }
            if !old.is_empty() {
                let new = self.keyring.wrap_under(kek, &plain).await?;
                let mut change = self.cluster.begin(Tenant::Every).await?;
                done.rewrapped += store::replace(&mut change, &old, &new).await?;
                change.commit().await?;
            }
            progress(seen.min(total), total);
        }
    }

    /// Every key-encryption key that the settings or the database know, in the order of the settings.
    pub async fn kek_statuses(&self) -> Result<Vec<KekStatus>, Error> {
        let mut transaction = postgres::begin(&self.pool, Tenant::Every).await?;
        let mut rows = store::keks(&mut transaction).await?;
        drop(transaction);
        for kek in self.keyring.keks() {
            if !rows.iter().any(|row| kek.owns(&row.id)) {
                rows.push(KekRow { id: kek.name().to_owned(), data_keys: 0, accounts: 0, closed_at: None });
            }
        }
        let status = |KekRow { id, data_keys, accounts, closed_at }| {
            let owner = self.keyring.keks().enumerate().find(|(_, kek)| kek.owns(&id) || kek.name() == id);
            let is_first = owner.is_some_and(|(index, kek)| index == 0 && kek.name() == id);
            KekStatus {
                fingerprint: owner.and_then(|(_, kek)| kek.fingerprint()),
                position: owner.map(|(index, _)| index + 1),
                safe_to_remove: data_keys == 0 && closed_at.is_some() && !is_first,
                id,
                data_keys,
                accounts,
                closed_at,
            }
        };
        let mut statuses: Vec<_> = rows.into_iter().map(status).collect();
        statuses.sort_by_key(|status| status.position.unwrap_or(usize::MAX));
        Ok(statuses)
    }

    /// Closes every key-encryption key but this one, as far as nothing needs them: nothing can be wrapped under them
    /// any more, by any process.
    pub async fn close_others(
        &self,
        connection: &mut PgConnection,
        kek_id: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let known = store::keks(&mut *connection).await?.into_iter().map(|row| row.id);
        // Of a key service's key the database knows every version that there is to close.
        let own = self.keyring.keks().filter(|kek| kek.fingerprint().is_some()).map(|kek| kek.name().to_owned());
        // Always in the same order, so that two who do this do not wait for each other.
        let ids: BTreeSet<_> = known.chain(own).filter(|id| id != kek_id).collect();
        for id in ids {
            store::close(connection, &id, now).await?;
        }
        Ok(())
    }
}
