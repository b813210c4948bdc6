//! Rows of service credentials.

use sqlx::PgConnection;

use super::importable::{Found, Importable, Lock, is_unreadable};
use super::rows::{Key, Row};
use super::store::{self, NewServiceRows, ServiceColumns, ServiceKeys, Stamp};
use crate::audit::{Action, Event};
use crate::credentials::ServiceUpdate;
use crate::error::{Error, Missing, MissingHalf, SealError};
use crate::rights::Places;
use crate::sealed_pair::{Place, Storage};
use crate::types::{AccountId, SupplierCode, Username};
use crate::vault::{SealBudget, Sealed, Vault};

impl ServiceUpdate {
    fn place(&self) -> Place<'_> {
        let storage = Storage::Service(self.service);
        Place { supplier: &self.supplier, storage, environment: self.environment }
    }

    /// Whether the stored pair is the row's.
    async fn is_stored(&self, vault: &Vault, account: AccountId, stored: &ServiceColumns) -> Result<bool, Error> {
        let pair = &self.pair;
        let Ok(username) = Username::parse(stored.username.clone().into()) else { return Ok(false) };
        let Ok(password) = Sealed::parse(stored.password.clone()) else { return Ok(false) };
        let keys = match vault.data_keys(account, [&password]).await {
            Ok(keys) => keys,
            // The row takes the place of one that does not open.
            Err(error) if is_unreadable(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        match self.place().open_password(&keys, account, &username, &password) {
            Ok(password) => Ok(pair.username.is_same_as(&username) && pair.password.is_same_as(&password)),
            Err(_) => Ok(false),
        }
    }
}

impl Importable for ServiceUpdate {
    type Stored = ServiceColumns;
    /// The row's own pair.
    type Change = ();
    type Sealed = Sealed;
    const GROUND: Missing = Missing::ParentCredentials;

    fn supplier(&self) -> &SupplierCode {
        &self.supplier
    }

    async fn find(
        connection: &mut PgConnection,
        account: AccountId,
        rows: &[Row<Self>],
        lock: Lock,
    ) -> Result<Found<ServiceColumns>, sqlx::Error> {
        let mut keys = ServiceKeys::default();
        for Row { value: Self { supplier, service, environment, .. }, .. } in rows {
            keys.push(supplier, *service, *environment);
        }
        let (parents, stored) = match lock {
            Lock::No => (
                store::parents(connection, account, &keys.suppliers).await?,
                store::service_rows(connection, account, &keys).await?,
            ),
            Lock::Yes => (
                store::lock_parents(connection, account, &keys.suppliers).await?,
                store::lock_service_rows(connection, account, &keys).await?,
            ),
        };
        Ok(Found::new(rows.len(), parents, stored))
    }

    async fn change(
        &self,
        vault: &Vault,
        account: AccountId,
        stored: Option<&ServiceColumns>,
    ) -> Result<Result<Option<()>, Vec<MissingHalf>>, Error> {
        let is_unchanged = match stored {
            Some(stored) => self.is_stored(vault, account, stored).await?,
            None => false,
        };
        Ok(Ok((!is_unchanged).then_some(())))
    }

    fn fills(&self, _: &Sealed) -> Places {
        Places::service(self.service, self.environment)
    }

    fn seals((): &()) -> u64 {
        1
    }

    fn most_seals(&self) -> u64 {
        1
    }

    fn seal(&self, (): &(), sealers: &mut SealBudget) -> Result<Sealed, SealError> {
        let pair = &self.pair;
        self.place().seal_password(sealers.take(1)?, &pair.username, &pair.password)
    }

    async fn store(
        connection: &mut PgConnection,
        account: AccountId,
        changes: &[(&Self, &Sealed)],
        stamp: Stamp<'_>,
    ) -> Result<Vec<Key>, sqlx::Error> {
        let mut rows = NewServiceRows::default();
        for (Self { supplier, service, environment, pair }, password) in changes {
            rows.push((supplier, *service, *environment), (pair.username.expose(), password));
        }
        let stored = store::upsert_service_rows(connection, account, &rows, stamp).await?;
        let created = stored.into_iter().filter(|(.., is_new)| *is_new);
        created
            .map(|(code, service, environment, _)| Ok((store::supplier(code)?, Some((service, environment)))))
            .collect()
    }

    fn event(&self, is_new: bool) -> Event {
        let action = if is_new { Action::ServiceCredentialsCreated } else { Action::ServiceCredentialsUpdated };
        Event::of_service(action, &self.supplier, self.service, self.environment)
    }
}
