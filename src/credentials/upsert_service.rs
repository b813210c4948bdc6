//! Create or update the credentials of an account for one service and environment of a supplier.

use super::{ServiceCredential, store};
use crate::audit::{self, Action, Event};
use crate::core::Core;
use crate::error::{Error, Missing};
use crate::postgres::violates;
use crate::principal::Actor;
use crate::sealed_pair::{Place, Storage};
use crate::suppliers;
use crate::types::{AccountId, Environment, Pair, Service, SupplierCode};

/// What to store.
#[derive(Clone, Debug)]
pub struct ServiceUpdate {
    /// For this service.
    pub service: Service,
    /// In this environment.
    pub environment: Environment,
    /// The pair, always whole.
    pub pair: Pair,
}

/// Stores a service pair beneath base credentials that exist.
pub async fn upsert_service(
    core: &Core,
    actor: &Actor,
    account: AccountId,
    supplier: &SupplierCode,
    update: ServiceUpdate,
) -> Result<ServiceCredential, Error> {
    let ServiceUpdate { service, environment, pair } = update;
    let now = core.clock.now();
    // Before the transaction: a key service may be slow.
    let sealer = core.vault.sealer(account, now).await?;
    let mut change = core.cluster.begin(account).await?;
    // Locked against deletion.
    if !store::lock_base_for_child(&mut change, account, supplier).await? {
        return Err(suppliers::not_found(&mut change, Missing::ParentCredentials, supplier.as_str()).await);
    }
    let place = Place { supplier, storage: Storage::Service(service), environment };
    let password = place.seal_password(&sealer, &pair.username, &pair.password)?;
    let created = store::upsert_service(
        &mut change,
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
    let action = if created { Action::ServiceCredentialsCreated } else { Action::ServiceCredentialsUpdated };
    let event = Event::of_service(action, supplier, service, environment);
    audit::record(&mut change, &core.audit_key, account, actor, now, &[event]).await?;
    change.commit().await?;
    Ok(ServiceCredential { service, environment, username: pair.username.expose().to_owned() })
}
