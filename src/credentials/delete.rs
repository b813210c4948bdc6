//! Delete credentials, for good. The change is its caller's to begin and to commit.

use super::{Conditions, store};
use crate::audit::{self, Action, Event};
use crate::cluster::Change;
use crate::context::Context;
use crate::error::{Error, Missing};
use crate::principal::Actor;
use crate::suppliers;
use crate::types::{AccountId, Environment, Service, SupplierCode};

/// Deletes the base credentials for a supplier and all service credentials beneath them: one event per row.
pub async fn delete_base(
    context: &Context,
    actor: &Actor,
    account: AccountId,
    change: &mut Change,
    supplier: &SupplierCode,
    conditions: &Conditions,
) -> Result<(), Error> {
    let now = context.clock.now();
    // Locked first, so that no service credentials come in between and go without an event.
    if !store::lock_base(change, account, supplier).await? {
        return Err(suppliers::not_found(change, Missing::Credentials, supplier.as_str()).await);
    }
    let held = conditions.hold(change, account, supplier).await?;
    held.require()?;
    held.require_new(false)?;
    let services = store::delete_services(change, account, supplier).await?;
    store::delete_base(change, account, supplier).await?;
    let mut events: Vec<_> = services
        .into_iter()
        .map(|(service, environment)| {
            Event::of_service(Action::ServiceCredentialsDeleted, supplier, service, environment)
        })
        .collect();
    events.push(Event::of_supplier(Action::CredentialsDeleted, supplier));
    Ok(audit::record(change, &context.audit_key, account, actor, now, &events).await?)
}

/// Deletes the credentials of one service and environment.
pub async fn delete_service(
    context: &Context,
    actor: &Actor,
    account: AccountId,
    change: &mut Change,
    supplier: &SupplierCode,
    (service, environment): (Service, Environment),
    conditions: &Conditions,
) -> Result<(), Error> {
    let now = context.clock.now();
    let held = conditions.hold(change, account, supplier).await?;
    if !store::delete_service(change, account, supplier, service, environment).await? {
        return Err(suppliers::not_found(change, Missing::ServiceCredential, supplier.as_str()).await);
    }
    // Behind the question whether there is anything to delete. Dropping the change puts it back.
    held.require()?;
    held.require_new(false)?;
    let event = Event::of_service(Action::ServiceCredentialsDeleted, supplier, service, environment);
    Ok(audit::record(change, &context.audit_key, account, actor, now, &[event]).await?)
}
