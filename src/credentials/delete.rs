//! Delete credentials, for good.

use super::store;
use crate::audit::{self, Action, Event};
use crate::core::Core;
use crate::error::{Error, Missing};
use crate::principal::Actor;
use crate::suppliers;
use crate::types::{AccountId, Environment, Service, SupplierCode};

/// Deletes the base credentials for a supplier and all service credentials beneath them: one event per row.
pub async fn delete_base(core: &Core, actor: &Actor, account: AccountId, supplier: &SupplierCode) -> Result<(), Error> {
    let now = core.clock.now();
    let mut change = core.cluster.begin(account).await?;
    // Locked first, so that no service credentials come in between and go without an event.
    if !store::lock_base(&mut change, account, supplier).await? {
        return Err(suppliers::not_found(&mut change, Missing::Credentials, supplier.as_str()).await);
    }
    let services = store::delete_services(&mut change, account, supplier).await?;
    store::delete_base(&mut change, account, supplier).await?;
    let mut events: Vec<_> = services
        .into_iter()
        .map(|(service, environment)| {
            Event::of_service(Action::ServiceCredentialsDeleted, supplier, service, environment)
        })
        .collect();
    events.push(Event::of_supplier(Action::CredentialsDeleted, supplier));
    audit::record(&mut change, &core.audit_key, account, actor, now, &events).await?;
    change.commit().await
}

/// Deletes the credentials of one service and environment.
pub async fn delete_service(
    core: &Core,
    actor: &Actor,
    account: AccountId,
    supplier: &SupplierCode,
    service: Service,
    environment: Environment,
) -> Result<(), Error> {
    let now = core.clock.now();
    let mut change = core.cluster.begin(account).await?;
    if !store::delete_service(&mut change, account, supplier, service, environment).await? {
        return Err(suppliers::not_found(&mut change, Missing::ServiceCredential, supplier.as_str()).await);
    }
    let event = Event::of_service(Action::ServiceCredentialsDeleted, supplier, service, environment);
    audit::record(&mut change, &core.audit_key, account, actor, now, &[event]).await?;
    change.commit().await
}
