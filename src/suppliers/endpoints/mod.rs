//! Endpoints: where each version of a supplier's services is reached. The operator's table and nothing else names an address
//! that the service connects to: no tenant, no WSDL and no answer does.

pub mod address;
pub mod file;
mod store;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

pub use store::list;

use crate::api_key::Pepper;
use crate::audit::{Action, Event};
use crate::cluster::{Cluster, Coherent, Limits, Owner};
use crate::error::Error;
use crate::rights::SUPPLIER_ENDPOINTS;
use crate::types::{AccountId, Environment, Service, SupplierCode};
use crate::work::Work;
use address::EndpointUrl;

/// The whole time of a call where the row names none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(55);
/// Calls of a supplier's host under way at once, where the row names no number.
pub const DEFAULT_CONCURRENCY: u32 = 8;
/// The longest time that a row can give a call.
pub const LONGEST_TIMEOUT: Duration = Duration::from_mins(10);
/// The most calls under way that a row can allow.
pub const MOST_CONCURRENCY: u32 = 10_000;

/// The service, version and environment that an endpoint is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The code of the service: that of [`Service`], or the standard's for a service without credentials of its own.
    pub service: String,
    /// The version of the service.
    pub version: String,
    /// The environment.
    pub environment: Environment,
}

/// A place at which a supplier's service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The supplier.
    pub supplier: SupplierCode,
    /// The service, version and environment.
    pub place: Place,
    /// Its address.
    pub url: EndpointUrl,
    /// The SOAP action, if it is another one than the operation's.
    pub soap_action: Option<String>,
    /// The whole time of a call.
    pub timeout: Duration,
    /// Calls of the host under way at once.
    pub concurrency: u32,
    /// Whether the address may be private, and the URL plain http.
    pub allow_private: bool,
}

/// The code under which endpoints of a service are kept: ours for a service with credentials, else the standard's.
pub fn service_code(code: &str) -> &str {
    match Service::parse(code) {
        Some(service) => service.as_str(),
        None => code,
    }
}

/// The counts of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Endpoints that are new.
    pub created: usize,
    /// Endpoints that were replaced.
    pub updated: usize,
    /// Endpoints that were equal to those of the file.
    pub unchanged: usize,
}

/// Creates and replaces endpoints; removes none. The unit of work is the operator's.
///
/// # Errors
/// [`Error::NotFound`] for a supplier that the directory lacks; nothing is stored then.
pub async fn import(work: &mut Work<'_>, endpoints: &[Endpoint]) -> Result<Report, Error> {
    let now = work.now();
    let mut report = Report::default();
    let mut known: Option<&SupplierCode> = None;
    for endpoint in endpoints {
        if known != Some(&endpoint.supplier) {
            super::get(work, &endpoint.supplier).await?;
            known = Some(&endpoint.supplier);
        }
        match store::upsert(work, endpoint, now).await? {
            store::Stored::Created => report.created += 1,
            store::Stored::Updated => report.updated += 1,
            store::Stored::Unchanged => {
                // Its MAC may be missing: a row that somebody else wrote is the operator's own from now on.
                work.authenticate(&SUPPLIER_ENDPOINTS, AccountId::OPERATOR, &endpoint.key()).await?;
                report.unchanged += 1;
                continue;
            }
        }
        work.authenticate(&SUPPLIER_ENDPOINTS, AccountId::OPERATOR, &endpoint.key()).await?;
        work.record(event(Action::SupplierEndpointSet, &endpoint.supplier, &endpoint.place));
    }
    Ok(report)
}

/// Removes an endpoint; returns whether there was one.
pub async fn remove(work: &mut Work<'_>, supplier: &SupplierCode, place: &Place) -> Result<bool, Error> {
    let removed = store::remove(work, supplier, place).await?;
    if removed {
        work.record(event(Action::SupplierEndpointRemoved, supplier, place));
    }
    Ok(removed)
}

fn event(action: Action, supplier: &SupplierCode, place: &Place) -> Event {
    Event {
        service: Service::parse(&place.service),
        environment: Some(place.environment),
        ..Event::of_supplier(action, supplier)
    }
}

impl Endpoint {
    /// Its key in the table, as text. Only the supplier's code may contain a blank, so no two are alike.
    fn key(&self) -> String {
        let Place { service, version, environment } = &self.place;
        format!("{} {service} {version} {environment}", self.supplier)
    }
}

/// The endpoints of suppliers, from memory. Cheap to clone.
#[derive(Clone)]
pub struct Endpoints {
    pool: PgPool,
    pepper: Arc<Pepper>,
    cache: Coherent<SupplierCode, Arc<[Endpoint]>>,
}

impl Endpoints {
    /// Endpoints over the database.
    pub fn new(pool: PgPool, pepper: Arc<Pepper>, cluster: &Cluster, limits: Limits) -> Self {
        let weigh = |_: &SupplierCode, endpoints: &Arc<[Endpoint]>| {
            let one = |endpoint: &Endpoint| size_of::<Endpoint>() + 2 * endpoint.url.as_str().len() + 64;
            endpoints.iter().map(one).sum()
        };
        Self { pool, pepper, cache: Coherent::new(cluster.trust(), "endpoints", limits, weigh) }
    }

    /// The endpoints of a supplier, by service, version and environment. None for a supplier that does not exist. A row that is
    /// not as it was authenticated is left out, and named in the log.
    pub async fn of(&self, supplier: &SupplierCode) -> Result<Arc<[Endpoint]>, Error> {
        let load = || {
            let (pool, pepper, supplier) = (self.pool.clone(), Arc::clone(&self.pepper), supplier.clone());
            async move { Ok(store::load(&pool, &pepper, &supplier).await?.into()) }
        };
        self.cache.get(&Owner::Supplier(supplier.clone()), supplier.clone(), load).await
    }
}
