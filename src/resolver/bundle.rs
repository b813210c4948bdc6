//! The cached units: everything that an account stores for a supplier in one entry, and everything that the operator
//! stores about a supplier in another. Both hold ciphertext; the choice runs over the two on each call.

use std::sync::Arc;

use sqlx::PgExecutor;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use crate::api_key::Pepper;
use crate::cluster::Pinned;
use crate::error::Error;
use crate::rights::{self, Manifest, Places};
use crate::sealed_pair::{SealedPair, StoredPair};
use crate::suppliers::defaults;
use crate::types::{AccountId, Environment, PerEnvironment, Service, SupplierCode, Username};
use crate::vault::{OpenError, Sealed, WeakDataKeys};

/// The credentials of one account for one supplier. Empty if nothing: absence is cached as well.
#[derive(Default)]
pub(super) struct AccountBundle {
    base: PerEnvironment<StoredPair>,
    services: Vec<ServicePair>,
}

/// An account's bundle in memory, and pinned to it everything else that a resolve needs, once one has needed it.
#[derive(Default)]
pub(super) struct Entry {
    pub bundle: AccountBundle,
    pub extras: Pinned<Extras>,
}

/// The values that a resolve needs with the bundle of an account that is active: cheaper to pin than to look up.
pub(super) struct Extras {
    pub supplier: Arc<SupplierBundle>,
    pub keys: WeakDataKeys,
}

/// A supplier's bundle; `None` if there is no such supplier.
pub(super) type CachedSupplier = Option<Arc<SupplierBundle>>;

/// Service credentials. Those that are missing where they were stored are an error, and not absent.
pub(super) struct ServicePair {
    pub service: Service,
    pub environment: Environment,
    pub pair: Result<UsernameAndSealed, OpenError>,
}

/// A pair whose user name is in clear, as it is stored.
pub(super) struct UsernameAndSealed {
    pub username: Username,
    pub password: Sealed,
}

impl AccountBundle {
    /// The bundle of an account whose bundle cannot be read: every place is this error.
    pub fn unreadable(why: OpenError) -> Self {
        let mut bundle = Self::default();
        bundle.require(Places::EVERY, why);
        bundle
    }

    /// Puts an error into each of these places that is empty.
    fn require(&mut self, places: Places, why: OpenError) {
        for environment in Environment::ALL {
            let base = &mut self.base[environment];
            if places.has(Places::base(environment)) && !matches!(base, StoredPair::Whole(_)) {
                *base = StoredPair::Whole(Err(why));
            }
            for service in Service::ALL {
                if places.has(Places::service(service, environment)) && self.service(service, environment).is_none() {
                    self.services.push(ServicePair { service, environment, pair: Err(why) });
                }
            }
        }
    }

    pub fn base(&self, environment: Environment) -> &StoredPair {
        &self.base[environment]
    }

    pub fn service(&self, service: Service, environment: Environment) -> Option<&ServicePair> {
        self.services.iter().find(|pair| pair.service == service && pair.environment == environment)
    }

    pub fn services(&self, environment: Environment) -> impl Iterator<Item = &ServicePair> {
        self.services.iter().filter(move |pair| pair.environment == environment)
    }

    /// Bytes in memory, nearly.
    pub fn weight(&self) -> usize {
        let base = self.base.staging.len_bytes() + self.base.production.len_bytes();
        let services: usize = self
            .services
            .iter()
            .map(|pair| {
                size_of::<ServicePair>()
                    + pair.pair.as_ref().map_or(0, |pair| pair.username.expose().len() + pair.password.as_bytes().len())
            })
            .sum();
        size_of::<Entry>() + base + services
    }
}

/// The operator's data about a supplier.
pub(super) struct SupplierBundle {
    pub name: String,
    excluded: Vec<Service>,
    defaults: Vec<DefaultPair>,
}

struct DefaultPair {
    environment: Environment,
    services: Vec<Service>,
    pair: Result<SealedPair, OpenError>,
}

impl SupplierBundle {
    /// The default pair of an environment, and whether it may be used for the service.
    pub fn default_pair(
        &self,
        service: Service,
        environment: Environment,
    ) -> Option<(&Result<SealedPair, OpenError>, bool)> {
        let default = self.defaults.iter().find(|default| default.environment == environment)?;
        let allowed = default.services.contains(&service) && !self.excluded.contains(&service);
        Some((&default.pair, allowed))
    }

    /// Bytes in memory, nearly.
    pub fn weight(&self) -> usize {
        let defaults: usize = self
            .defaults
            .iter()
            .map(|default| size_of::<DefaultPair>() + default.pair.as_ref().map_or(0, SealedPair::len_bytes) + 8)
            .sum();
        size_of::<Self>() + self.name.len() + self.excluded.len() + defaults
    }
}

/// A base row with one of its service rows, or with none.
struct AccountRow {
    staging: (Option<Vec<u8>>, Option<Vec<u8>>),
    production: (Option<Vec<u8>>, Option<Vec<u8>>),
    service: Option<ServiceColumns>,
}

struct ServiceColumns {
    service: Service,
    environment: Environment,
    username: String,
    password: Vec<u8>,
}

impl FromRow<'_, PgRow> for AccountRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let service = match row.try_get("service")? {
            None => None,
            Some(service) => Some(ServiceColumns {
                service,
                environment: row.try_get("environment")?,
                username: row.try_get("username")?,
                password: row.try_get("password")?,
            }),
        };
        Ok(Self {
            staging: (row.try_get("staging_username")?, row.try_get("staging_password")?),
            production: (row.try_get("production_username")?, row.try_get("production_password")?),
            service,
        })
    }
}

/// Loads an account's bundle; one query. A stored value that cannot be one, or is missing where one was stored, is kept as an
/// error, never as an absent level.
pub(super) async fn load_account(
    executor: impl PgExecutor<'_>,
    account: AccountId,
    supplier: &SupplierCode,
    pepper: &Pepper,
) -> Result<AccountBundle, Error> {
    let rows = sqlx::query(
        "select suppliers, places, mac, staging_username, staging_password, production_username, production_password,
             service, environment, username, password
         from account_bundle_and_manifest($1, $2)",
    )
    .bind(account)
    .bind(supplier.as_str())
    .fetch_all(executor)
    .await?;
    let (mut bundle, mut manifest) = (AccountBundle::default(), None);
    for row in rows {
        if row.try_get::<Option<Vec<String>>, _>("suppliers")?.is_some() {
            manifest = Some(Manifest::of_row(pepper, account, &row)?);
            continue;
        }
        let row = AccountRow::from_row(&row)?;
        // Every row repeats the base columns.
        bundle.base.staging = StoredPair::from_columns(row.staging.0, row.staging.1);
        bundle.base.production = StoredPair::from_columns(row.production.0, row.production.1);
        if let Some(columns) = row.service {
            let username = Username::parse(columns.username.into()).map_err(|_| OpenError::NotText)?;
            let pair = Sealed::parse(columns.password).map(|password| UsernameAndSealed { username, password });
            bundle.services.push(ServicePair { service: columns.service, environment: columns.environment, pair });
        }
    }
    bundle.require(manifest.ok_or(OpenError::Missing)?.places(supplier), OpenError::Missing);
    Ok(bundle)
}

/// Loads a supplier's bundle; `None` if the directory has no such supplier.
pub(super) async fn load_supplier(
    executor: impl PgExecutor<'_>,
    supplier: &SupplierCode,
    pepper: &Pepper,
) -> Result<Option<SupplierBundle>, Error> {
    let rows = sqlx::query(
        "select s.name, s.excluded_services, d.environment, d.services, d.username, d.password, d.mac
         from suppliers s left join default_credentials d on d.supplier_code = s.code
         where s.code = $1",
    )
    .bind(supplier.as_str())
    .fetch_all(executor)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut bundle = SupplierBundle {
        name: first.try_get("name")?,
        excluded: first.try_get("excluded_services")?,
        defaults: Vec::new(),
    };
    for row in &rows {
        let Some(environment) = row.try_get("environment")? else { continue };
        let key = defaults::key(supplier, environment);
        if rights::is_authentic(pepper, &rights::DEFAULT_CREDENTIALS, AccountId::OPERATOR, &key, row)? {
            let pair = SealedPair::parse(row.try_get("username")?, row.try_get("password")?);
            bundle.defaults.push(DefaultPair { environment, services: row.try_get("services")?, pair });
        } else {
            // Nobody can tell for which services it may be used.
            let (services, pair) = (Service::ALL.to_vec(), Err(OpenError::Rejected));
            bundle.defaults.push(DefaultPair { environment, services, pair });
            bundle.excluded = Vec::new();
        }
    }
    Ok(Some(bundle))
}
