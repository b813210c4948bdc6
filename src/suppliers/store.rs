//! The tables `suppliers` and `default_credentials`. No tenant's rows are here.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Row};

use super::Supplier;
use crate::sealed_pair::SealedPair;
use crate::types::{Environment, Service, SupplierCode};
use crate::vault::Sealed;

impl FromRow<'_, PgRow> for Supplier {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            code: SupplierCode::try_from(row.try_get::<String, _>("code")?).map_err(decode)?,
            name: row.try_get("name")?,
            excluded_services: row.try_get("excluded_services")?,
        })
    }
}

/// Services as their stored codes.
fn codes(services: &[Service]) -> Vec<&'static str> {
    services.iter().map(|service| service.as_str()).collect()
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

pub(super) async fn find(executor: impl PgExecutor<'_>, code: &SupplierCode) -> Result<Option<Supplier>, sqlx::Error> {
    sqlx::query_as("select id, code, name, excluded_services from suppliers where code = $1")
        .bind(code.as_str())
        .fetch_optional(executor)
        .await
}

/// The whole directory, by code.
pub async fn list(executor: impl PgExecutor<'_>) -> Result<Vec<Supplier>, sqlx::Error> {
    sqlx::query_as("select id, code, name, excluded_services from suppliers order by code").fetch_all(executor).await
}

/// A page of the directory, by code, and how many suppliers there are in all.
pub async fn page(pool: &PgPool, limit: i64, offset: i64) -> Result<(usize, Vec<Supplier>), sqlx::Error> {
    let count: i64 = sqlx::query_scalar("select count(*) from suppliers").fetch_one(pool).await?;
    let page =
        sqlx::query_as("select id, code, name, excluded_services from suppliers order by code limit $1 offset $2")
            .bind(limit)
            .bind(offset)
            .fetch_all(pool)
            .await?;
    Ok((usize::try_from(count).unwrap_or(0), page))
}

/// Locks an entry against change until the end of the transaction; returns whether there is one. The table of default logins
/// comes first, as in `hold_default_places`.
pub(super) async fn lock_supplier(connection: &mut PgConnection, code: &SupplierCode) -> Result<bool, sqlx::Error> {
    sqlx::query("lock table default_credentials in row exclusive mode").execute(&mut *connection).await?;
    let row = sqlx::query("select 1 from suppliers where code = $1 for share").bind(code.as_str());
    Ok(row.fetch_optional(connection).await?.is_some())
}

/// The places of default logins, which stay as they are until the end of the transaction.
pub(super) async fn hold_default_places(
    connection: &mut PgConnection,
) -> Result<Vec<(SupplierCode, Environment)>, sqlx::Error> {
    sqlx::query("lock table default_credentials in share mode").execute(&mut *connection).await?;
    let rows: Vec<(String, Environment)> =
        sqlx::query_as("select supplier_code, environment from default_credentials").fetch_all(connection).await?;
    rows.into_iter()
        .map(|(code, environment)| Ok((SupplierCode::try_from(code).map_err(decode)?, environment)))
        .collect()
}

/// The outcome of storing a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Created,
    Updated,
    Unchanged,
}

/// Stores an entry. `excluded` keeps what is stored when it is `None`.
pub(super) async fn upsert(
    connection: &mut PgConnection,
    code: &SupplierCode,
    name: &str,
    excluded: Option<&[Service]>,
    now: DateTime<Utc>,
) -> Result<Stored, sqlx::Error> {
    let created: Option<bool> = sqlx::query_scalar(
        "insert into suppliers (code, name, excluded_services, created_at, modified_on)
         values ($1, $2, coalesce($3, '{}'), $4, $4)
         on conflict on constraint suppliers_pkey do update
             set name = excluded.name,
                 excluded_services = coalesce($3, suppliers.excluded_services),
                 modified_on = excluded.modified_on
             where (suppliers.name, suppliers.excluded_services)
                 is distinct from (excluded.name, coalesce($3, suppliers.excluded_services))
         returning xmax = 0",
    )
    .bind(code.as_str())
    .bind(name)
    .bind(excluded.map(codes))
    .bind(now)
    .fetch_optional(connection)
    .await?;
    Ok(match created {
        Some(true) => Stored::Created,
        Some(false) => Stored::Updated,
        None => Stored::Unchanged,
    })
}

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

impl FromRow<'_, PgRow> for DefaultCredentials {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            supplier: SupplierCode::try_from(row.try_get::<String, _>("supplier_code")?).map_err(decode)?,
            environment: row.try_get("environment")?,
            services: row.try_get("services")?,
            pair: SealedPair {
                username: Sealed::try_from(row.try_get::<Vec<u8>, _>("username")?).map_err(decode)?,
                password: Sealed::try_from(row.try_get::<Vec<u8>, _>("password")?).map_err(decode)?,
            },
        })
    }
}

pub(super) async fn set_default(
    connection: &mut PgConnection,
    default: &DefaultCredentials,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into default_credentials
             (supplier_code, environment, services, username, password, created_at, modified_on)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict on constraint default_credentials_pkey do update
             set services = excluded.services, username = excluded.username, password = excluded.password,
                 modified_on = excluded.modified_on",
    )
    .bind(default.supplier.as_str())
    .bind(default.environment.as_str())
    .bind(codes(&default.services))
    .bind(default.pair.username.as_bytes())
    .bind(default.pair.password.as_bytes())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether there was one to remove.
pub(super) async fn remove_default(
    connection: &mut PgConnection,
    supplier: &SupplierCode,
    environment: Environment,
) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query("delete from default_credentials where supplier_code = $1 and environment = $2")
        .bind(supplier.as_str())
        .bind(environment.as_str())
        .execute(connection)
        .await?;
    Ok(removed.rows_affected() > 0)
}

pub(super) async fn list_defaults(executor: impl PgExecutor<'_>) -> Result<Vec<DefaultCredentials>, sqlx::Error> {
    sqlx::query_as(
        "select supplier_code, environment, services, username, password from default_credentials
         order by supplier_code, environment",
    )
    .fetch_all(executor)
    .await
}
