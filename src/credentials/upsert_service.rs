//! Create or update the credentials of an account for one service and environment of a supplier.

use super::{Conditions, ServiceCredential, Tag, store};
use crate::audit::{Action, Event};
use crate::error::{Error, Missing};
use crate::postgres::violates;
use crate::rights::Places;
use crate::sealed_pair::{Place, Storage};
use crate::suppliers;
use crate::types::{Environment, Pair, Service, SupplierCode};
use crate::vault::Sealer;
use crate::work::Work;

/// The values to store.
#[derive(Clone, Debug)]
pub struct ServiceUpdate {
    /// For this supplier.
    pub supplier: SupplierCode,
    /// For this service.
    pub service: Service,
    /// In this environment.
    pub environment: Environment,
    /// The pair, always whole.
    pub pair: Pair,
}

/// Stores a service pair beneath base credentials that exist. Returns the tag of all that is stored for the supplier as
/// well. For the sealer see [`upsert_base`](super::upsert_base).
pub async fn upsert_service(
    work: &mut Work<'_>,
    update: ServiceUpdate,
    sealer: &Sealer,
    conditions: &Conditions,
) -> Result<(ServiceCredential, Tag), Error> {
    let ServiceUpdate { supplier, service, environment, pair } = update;
    let supplier = &supplier;
    let (actor, account, now) = (work.actor(), work.account(), work.now());
    let held = conditions.hold(work, account, supplier).await?;
    // Locked against deletion.
    if !store::lock_base_for_child(work, account, supplier).await? {
        return Err(suppliers::not_found(work, Missing::ParentCredentials, supplier.as_str()).await);
    }
    held.require()?;
    let place = Place { supplier, storage: Storage::Service(service), environment };
    let password = place.seal_password(sealer, &pair.username, &pair.password)?;
    let created = store::upsert_service(
        work,
        account,
        supplier,
        (service, environment),
        (&pair.username, &password),
        actor.name(),
        now,
    )
    .await
    .map_err(|error| {
        if violates(&error, "service_credentials_parent_fkey") {
            Error::missing(Missing::ParentCredentials)
        } else {
            error.into()
        }
    })?;
    held.require_new(created)?;
    work.fill(supplier, Places::service(service, environment)).await?;
    let whole = store::find_within(work, account, supplier).await?;
    let (_, tag) = whole.ok_or(Error::Database(sqlx::Error::RowNotFound))?;
    let action = if created { Action::ServiceCredentialsCreated } else { Action::ServiceCredentialsUpdated };
    work.record(Event::of_service(action, supplier, service, environment));
    Ok((ServiceCredential { service, environment, username: pair.username.expose().to_owned() }, tag))
}
