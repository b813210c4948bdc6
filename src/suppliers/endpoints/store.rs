//! The table `supplier_endpoints`. No tenant's rows are here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Row};

use super::address::EndpointUrl;
use super::{Endpoint, Place};
use crate::api_key::Pepper;
use crate::error::Error;
use crate::rights::{self, SUPPLIER_ENDPOINTS};
use crate::types::{AccountId, SupplierCode};

impl FromRow<'_, PgRow> for Endpoint {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let allow_private = row.try_get("allow_private")?;
        let number = |column| row.try_get::<i32, _>(column).map(|number| u32::try_from(number).unwrap_or_default());
        Ok(Self {
            supplier: SupplierCode::try_from(row.try_get::<String, _>("supplier_code")?).map_err(decode)?,
            place: Place {
                service: row.try_get("service")?,
                version: row.try_get("version")?,
                environment: row.try_get("environment")?,
            },
            url: EndpointUrl::parse(row.try_get("url")?, allow_private).map_err(decode)?,
            soap_action: row.try_get("soap_action")?,
            timeout: Duration::from_secs(number("timeout_seconds")?.into()),
            concurrency: number("concurrency")?,
            allow_private,
        })
    }
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// The outcome of storing an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Created,
    Updated,
    Unchanged,
}

/// Stores an endpoint.
pub(super) async fn upsert(
    connection: &mut PgConnection,
    endpoint: &Endpoint,
    now: DateTime<Utc>,
) -> Result<Stored, sqlx::Error> {
    let created: Option<bool> = sqlx::query_scalar(
        "insert into supplier_endpoints as stored (supplier_code, service, version, environment, url, soap_action,
             timeout_seconds, concurrency, allow_private, created_at, modified_on)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         on conflict on constraint supplier_endpoints_pkey do update
             set url = excluded.url, soap_action = excluded.soap_action, timeout_seconds = excluded.timeout_seconds,
                 concurrency = excluded.concurrency, allow_private = excluded.allow_private,
                 modified_on = excluded.modified_on
             where (stored.url, stored.soap_action, stored.timeout_seconds, stored.concurrency, stored.allow_private)
                 is distinct from
                 (excluded.url, excluded.soap_action, excluded.timeout_seconds, excluded.concurrency,
                     excluded.allow_private)
         returning xmax = 0",
    )
    .bind(endpoint.supplier.as_str())
    .bind(&endpoint.place.service)
    .bind(&endpoint.place.version)
    .bind(endpoint.place.environment.as_str())
    .bind(endpoint.url.as_str())
    .bind(&endpoint.soap_action)
    .bind(i32::try_from(endpoint.timeout.as_secs()).unwrap_or(i32::MAX))
    .bind(i32::try_from(endpoint.concurrency).unwrap_or(i32::MAX))
    .bind(endpoint.allow_private)
    .bind(now)
    .fetch_optional(connection)
    .await?;
    Ok(match created {
        Some(true) => Stored::Created,
        Some(false) => Stored::Updated,
        None => Stored::Unchanged,
    })
}

/// Removes an endpoint; returns whether there was one.
pub(super) async fn remove(
    connection: &mut PgConnection,
    supplier: &SupplierCode,
    place: &Place,
) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query(
        "delete from supplier_endpoints
         where supplier_code = $1 and service = $2 and version = $3 and environment = $4",
    )
    .bind(supplier.as_str())
    .bind(&place.service)
    .bind(&place.version)
    .bind(place.environment.as_str())
    .execute(connection)
    .await?;
    Ok(removed.rows_affected() > 0)
}

/// Every endpoint, or those of one supplier, by key.
pub async fn list(
    executor: impl PgExecutor<'_>,
    supplier: Option<&SupplierCode>,
) -> Result<Vec<Endpoint>, sqlx::Error> {
    sqlx::query_as(
        "select supplier_code, service, version, environment, url, soap_action, timeout_seconds, concurrency, allow_private
         from supplier_endpoints
         where $1::text is null or supplier_code = $1
         order by supplier_code, service, version, environment",
    )
    .bind(supplier.map(SupplierCode::as_str))
    .fetch_all(executor)
    .await
}

/// The endpoints of a supplier whose rows are as they were authenticated.
pub(super) async fn load(pool: &PgPool, pepper: &Pepper, supplier: &SupplierCode) -> Result<Vec<Endpoint>, Error> {
    let rows = sqlx::query(
        "select supplier_code, service, version, environment, url, soap_action, timeout_seconds, concurrency,
             allow_private, mac
         from supplier_endpoints where supplier_code = $1
         order by service, version, environment",
    )
    .bind(supplier.as_str())
    .fetch_all(pool)
    .await?;
    let mut endpoints = Vec::with_capacity(rows.len());
    for row in &rows {
        // Authenticated before it is read: a URL that somebody else wrote may be anything.
        let key: Vec<&str> = ["supplier_code", "service", "version", "environment"]
            .into_iter()
            .map(|column| row.try_get(column))
            .collect::<Result<_, _>>()?;
        if rights::is_authentic(pepper, &SUPPLIER_ENDPOINTS, AccountId::OPERATOR, &key.join(" "), row)? {
            endpoints.push(Endpoint::from_row(row)?);
        }
    }
    Ok(endpoints)
}
