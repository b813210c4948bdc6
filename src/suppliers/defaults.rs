//! Default credentials: the operator's shared logins, each with the services that it may serve.

use sqlx::PgExecutor;

use super::store;
use crate::audit::{self, Action, Event};
use crate::context::Context;
use crate::error::Error;
use crate::principal::Actor;
use crate::sealed_pair::{Place, SealedPair, Storage};
use crate::types::{AccountId, Environment, Pair, Service, SupplierCode};

/// A shared login of the operator.
#[derive(Clone)]
pub struct DefaultCredentials {
    /// For this supplier.
    pub supplier: SupplierCode,
    /// In this environment.
    pub environment: Environment,
    /// The services that it may serve, unless the supplier excludes them.
    pub services: Vec<Service>,
    /// The login itself.
    pub pair: SealedPair,
}

/// The place of a default pair. It belongs to the operator's own account.
pub fn place(supplier: &SupplierCode, environment: Environment) -> Place<'_> {
    Place { supplier, storage: Storage::Default, environment }
}

/// Creates or replaces the login of a supplier and environment.
pub async fn set(
    context: &Context,
    supplier: &SupplierCode,
    environment: Environment,
    services: Vec<Service>,
    pair: &Pair,
) -> Result<(), Error> {
    let now = context.clock.now();
    let sealer = context.vault.sealer(AccountId::OPERATOR, now).await?;
    let mut change = context.cluster.begin(AccountId::OPERATOR).await?;
    super::get(&mut change, supplier).await?;
    let pair = place(supplier, environment).seal(&sealer, pair)?;
    let default = DefaultCredentials { supplier: supplier.clone(), environment, services, pair };
    store::set_default(&mut change, &default, now).await?;
    let event = Event { environment: Some(environment), ..Event::of_supplier(Action::DefaultCredentialsSet, supplier) };
    audit::record(&mut change, &context.audit_key, AccountId::OPERATOR, &Actor::operator(), now, &[event]).await?;
    change.commit().await
}

/// Removes the login of a supplier and environment; tells whether there was one.
pub async fn remove(context: &Context, supplier: &SupplierCode, environment: Environment) -> Result<bool, Error> {
    let mut change = context.cluster.begin(AccountId::OPERATOR).await?;
    if !store::remove_default(&mut change, supplier, environment).await? {
        return Ok(false);
    }
    let event =
        Event { environment: Some(environment), ..Event::of_supplier(Action::DefaultCredentialsRemoved, supplier) };
    let now = context.clock.now();
    audit::record(&mut change, &context.audit_key, AccountId::OPERATOR, &Actor::operator(), now, &[event]).await?;
    change.commit().await?;
    Ok(true)
}

/// Every default login, by supplier code.
pub async fn list(executor: impl PgExecutor<'_>) -> Result<Vec<DefaultCredentials>, sqlx::Error> {
    store::list_defaults(executor).await
}
