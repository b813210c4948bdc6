//! Default credentials: the operator's shared logins, each with the services that it may serve.

use sqlx::PgExecutor;

use super::store;
pub use super::store::DefaultCredentials;
use crate::audit::{Action, Event};
use crate::error::Error;
use crate::rights;
use crate::sealed_pair::{Place, Storage};
use crate::types::{AccountId, Environment, Pair, Service, SupplierCode};
use crate::vault::Sealer;
use crate::work::Work;

/// The place of a default pair. It belongs to the operator's own account.
pub fn place(supplier: &SupplierCode, environment: Environment) -> Place<'_> {
    Place { supplier, storage: Storage::Default, environment }
}

/// The key of a login's row for its MAC.
pub(crate) fn key(supplier: &SupplierCode, environment: Environment) -> String {
    format!("{supplier} {environment}")
}

/// Creates or replaces the login of a supplier and environment. The unit of work and the sealer are the operator's.
pub async fn set(
    work: &mut Work<'_>,
    supplier: &SupplierCode,
    environment: Environment,
    services: Vec<Service>,
    pair: &Pair,
    sealer: &Sealer,
) -> Result<(), Error> {
    // The exclusions are authenticated with the login.
    if !store::lock_supplier(work, supplier).await? {
        super::get(work, supplier).await?;
    }
    let pair = place(supplier, environment).seal(sealer, pair)?;
    let (now, supplier) = (work.now(), supplier.clone());
    let default = DefaultCredentials { supplier, environment, services, pair };
    store::set_default(work, &default, now).await?;
    let key = key(&default.supplier, environment);
    work.authenticate(&rights::DEFAULT_CREDENTIALS, AccountId::OPERATOR, &key).await?;
    work.record(event(Action::DefaultCredentialsSet, &default.supplier, environment));
    Ok(())
}

/// Removes the login of a supplier and environment; returns whether there was one.
pub async fn remove(work: &mut Work<'_>, supplier: &SupplierCode, environment: Environment) -> Result<bool, Error> {
    let removed = store::remove_default(work, supplier, environment).await?;
    if removed {
        work.record(event(Action::DefaultCredentialsRemoved, supplier, environment));
    }
    Ok(removed)
}

fn event(action: Action, supplier: &SupplierCode, environment: Environment) -> Event {
    Event { environment: Some(environment), ..Event::of_supplier(action, supplier) }
}

/// Every default login, by supplier code.
pub async fn list(executor: impl PgExecutor<'_>) -> Result<Vec<DefaultCredentials>, sqlx::Error> {
    store::list_defaults(executor).await
}
