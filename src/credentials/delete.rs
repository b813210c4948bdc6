//! Delete credentials, for good.

use super::{Conditions, store};
use crate::audit::{Action, Event};
use crate::error::{Error, Missing};
use crate::rights::Places;
use crate::suppliers;
use crate::types::{Environment, Service, SupplierCode};
use crate::work::Work;

/// Deletes the base credentials for a supplier and all service credentials beneath them: one event per row. Where somebody has
/// emptied the places of the supplier past the service, their owner deletes them with it.
pub async fn delete_base(work: &mut Work<'_>, supplier: &SupplierCode, conditions: &Conditions) -> Result<(), Error> {
    let account = work.account();
    // Locked first, so that no service credentials come in between and go without an event.
    if store::lock_base(work, account, supplier).await? {
        let held = conditions.hold(work, account, supplier).await?;
        held.require()?;
        held.require_new(false)?;
        for (service, environment) in store::delete_services(work, account, supplier).await? {
            work.record(Event::of_service(Action::ServiceCredentialsDeleted, supplier, service, environment));
        }
        store::delete_base(work, account, supplier).await?;
        work.empty(supplier, Places::EVERY).await?;
    } else {
        let was_emptied = work.empty(supplier, Places::EVERY).await?;
        // The row may have been made since we looked.
        if !was_emptied || store::find_within(work, account, supplier).await?.is_some() {
            return Err(suppliers::not_found(work, Missing::Credentials, supplier.as_str()).await);
        }
        // There is no row whose trigger would announce it.
        work.announce_bundles().await?;
    }
    work.record(Event::of_supplier(Action::CredentialsDeleted, supplier));
    Ok(())
}

/// Deletes the credentials of one service and environment.
pub async fn delete_service(
    work: &mut Work<'_>,
    supplier: &SupplierCode,
    (service, environment): (Service, Environment),
    conditions: &Conditions,
) -> Result<(), Error> {
    let account = work.account();
    let held = conditions.hold(work, account, supplier).await?;
    let deleted = store::delete_service(work, account, supplier, service, environment).await?;
    let was_filled = work.empty(supplier, Places::service(service, environment)).await?;
    // The row may have been made since we looked.
    if !deleted && (!was_filled || has_service(work, supplier, service, environment).await?) {
        return Err(suppliers::not_found(work, Missing::ServiceCredential, supplier.as_str()).await);
    }
    if !deleted {
        work.announce_bundles().await?;
    }
    // After the question whether there is anything to delete. Dropping the work puts it back.
    held.require()?;
    held.require_new(false)?;
    work.record(Event::of_service(Action::ServiceCredentialsDeleted, supplier, service, environment));
    Ok(())
}

async fn has_service(
    work: &mut Work<'_>,
    supplier: &SupplierCode,
    service: Service,
    environment: Environment,
) -> Result<bool, Error> {
    let account = work.account();
    let found = store::find_within(work, account, supplier).await?;
    let mut services = found.iter().flat_map(|(base, _)| &base.service_credentials);
    Ok(services.any(|row| (row.service, row.environment) == (service, environment)))
}
