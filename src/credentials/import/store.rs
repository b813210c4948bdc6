//! Very many rows of `supplier_credentials` and `service_credentials` at once.
//!
//! Positions are those of the arrays that are bound, from 1. Rows are locked in the order of keys.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::sealed_pair::{SealedPair, StoredPair};
use crate::types::{AccountId, Environment, Service, SupplierCode};
use crate::vault::Sealed;

/// The sealed columns of a base row, as they are stored.
#[derive(Clone, PartialEq, Eq, FromRow)]
pub(super) struct BaseColumns {
    staging_username: Option<Vec<u8>>,
    staging_password: Option<Vec<u8>>,
    production_username: Option<Vec<u8>>,
    production_password: Option<Vec<u8>>,
}

impl BaseColumns {
    pub fn pair(&self, environment: Environment) -> StoredPair {
        match environment {
            Environment::Staging => {
                StoredPair::from_columns(self.staging_username.clone(), self.staging_password.clone())
            }
            Environment::Production => {
                StoredPair::from_columns(self.production_username.clone(), self.production_password.clone())
            }
        }
    }
}

/// The pair of a service row, as it is stored.
#[derive(Clone, PartialEq, Eq, FromRow)]
pub(super) struct ServiceColumns {
    pub username: String,
    pub password: Vec<u8>,
}

/// A row that was found, with the position of what it was looked for by.
#[derive(FromRow)]
pub(super) struct Placed<T> {
    pub position: i64,
    #[sqlx(flatten)]
    pub columns: T,
}

/// The actor and the time of a change.
#[derive(Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub by: &'a str,
    pub at: DateTime<Utc>,
}

/// Positions of the codes that the directory has.
pub(super) async fn in_directory(connection: &mut PgConnection, codes: &[&str]) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "select wanted.position from unnest($1::text[]) with ordinality as wanted (code, position)
         join suppliers on suppliers.code = wanted.code",
    )
    .bind(codes)
    .fetch_all(connection)
    .await
}

/// The base rows of these suppliers.
pub(super) async fn base_rows(
    connection: &mut PgConnection,
    account: AccountId,
    codes: &[&str],
) -> Result<Vec<Placed<BaseColumns>>, sqlx::Error> {
    sqlx::query_as(
        "select wanted.position, staging_username, staging_password, production_username, production_password
         from unnest($2::text[]) with ordinality as wanted (code, position)
         join supplier_credentials stored on stored.account_id = $1 and stored.supplier_code = wanted.code",
    )
    .bind(account)
    .bind(codes)
    .fetch_all(connection)
    .await
}

/// The same, locked against change until the end of the transaction.
pub(super) async fn lock_base_rows(
    connection: &mut PgConnection,
    account: AccountId,
    codes: &[&str],
) -> Result<Vec<Placed<BaseColumns>>, sqlx::Error> {
    sqlx::query_as(
        "select wanted.position, staging_username, staging_password, production_username, production_password
         from unnest($2::text[]) with ordinality as wanted (code, position)
         join supplier_credentials stored on stored.account_id = $1 and stored.supplier_code = wanted.code
         order by stored.supplier_code for no key update of stored",
    )
    .bind(account)
    .bind(codes)
    .fetch_all(connection)
    .await
}

/// Positions of the suppliers that the account has base rows for.
pub(super) async fn parents(
    connection: &mut PgConnection,
    account: AccountId,
    codes: &[&str],
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "select wanted.position from unnest($2::text[]) with ordinality as wanted (code, position)
         join supplier_credentials stored on stored.account_id = $1 and stored.supplier_code = wanted.code",
    )
    .bind(account)
    .bind(codes)
    .fetch_all(connection)
    .await
}

/// The same, with the rows locked against deletion until the end of the transaction.
pub(super) async fn lock_parents(
    connection: &mut PgConnection,
    account: AccountId,
    codes: &[&str],
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "select wanted.position from unnest($2::text[]) with ordinality as wanted (code, position)
         join supplier_credentials stored on stored.account_id = $1 and stored.supplier_code = wanted.code
         order by stored.supplier_code for key share of stored",
    )
    .bind(account)
    .bind(codes)
    .fetch_all(connection)
    .await
}

/// Which service rows: three columns of one length.
#[derive(Default)]
pub(super) struct ServiceKeys<'a> {
    pub suppliers: Vec<&'a str>,
    pub services: Vec<&'static str>,
    pub environments: Vec<&'static str>,
}

impl<'a> ServiceKeys<'a> {
    pub fn push(&mut self, supplier: &'a SupplierCode, service: Service, environment: Environment) {
        self.suppliers.push(supplier.as_str());
        self.services.push(service.as_str());
        self.environments.push(environment.as_str());
    }
}

/// These service rows.
pub(super) async fn service_rows(
    connection: &mut PgConnection,
    account: AccountId,
    keys: &ServiceKeys<'_>,
) -> Result<Vec<Placed<ServiceColumns>>, sqlx::Error> {
    sqlx::query_as(
        "select wanted.position, stored.username, stored.password
         from unnest($2::text[], $3::text[], $4::text[]) with ordinality as wanted (code, service, environment, position)
         join service_credentials stored on stored.account_id = $1 and stored.supplier_code = wanted.code
             and stored.service = wanted.service and stored.environment = wanted.environment",
    )
    .bind(account)
    .bind(&keys.suppliers)
    .bind(&keys.services)
    .bind(&keys.environments)
    .fetch_all(connection)
    .await
}

/// The same, locked against change until the end of the transaction.
pub(super) async fn lock_service_rows(
    connection: &mut PgConnection,
    account: AccountId,
    keys: &ServiceKeys<'_>,
) -> Result<Vec<Placed<ServiceColumns>>, sqlx::Error> {
    sqlx::query_as(
        "select wanted.position, stored.username, stored.password
         from unnest($2::text[], $3::text[], $4::text[]) with ordinality as wanted (code, service, environment, position)
         join service_credentials stored on stored.account_id = $1 and stored.supplier_code = wanted.code
             and stored.service = wanted.service and stored.environment = wanted.environment
         order by stored.supplier_code, stored.service, stored.environment for no key update of stored",
    )
    .bind(account)
    .bind(&keys.suppliers)
    .bind(&keys.services)
    .bind(&keys.environments)
    .fetch_all(connection)
    .await
}

/// New values of base rows, column by column; what is `None` is kept.
#[derive(Default)]
pub(super) struct NewBaseRows<'a> {
    codes: Vec<&'a str>,
    staging_usernames: Vec<Option<&'a [u8]>>,
    staging_passwords: Vec<Option<&'a [u8]>>,
    production_usernames: Vec<Option<&'a [u8]>>,
    production_passwords: Vec<Option<&'a [u8]>>,
}

impl<'a> NewBaseRows<'a> {
    pub fn push(
        &mut self,
        supplier: &'a SupplierCode,
        staging: Option<&'a SealedPair>,
        production: Option<&'a SealedPair>,
    ) {
        self.codes.push(supplier.as_str());
        self.staging_usernames.push(staging.map(|pair| pair.username.as_bytes()));
        self.staging_passwords.push(staging.map(|pair| pair.password.as_bytes()));
        self.production_usernames.push(production.map(|pair| pair.username.as_bytes()));
        self.production_passwords.push(production.map(|pair| pair.password.as_bytes()));
    }
}

/// Creates base rows or updates the pairs that are given; the code of each, and whether it was created.
pub(super) async fn upsert_base_rows(
    connection: &mut PgConnection,
    account: AccountId,
    rows: &NewBaseRows<'_>,
    stamp: Stamp<'_>,
) -> Result<Vec<(String, bool)>, sqlx::Error> {
    sqlx::query_as(
        "insert into supplier_credentials as stored
             (account_id, supplier_code, staging_username, staging_password, production_username, production_password,
              created_at, created_by, modified_on, modified_by)
         select $1, n.code, n.staging_username, n.staging_password, n.production_username, n.production_password,
             $7, $8, $7, $8
         from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
             as n (code, staging_username, staging_password, production_username, production_password)
         on conflict on constraint supplier_credentials_pkey do update set
             staging_username = coalesce(excluded.staging_username, stored.staging_username),
             staging_password = coalesce(excluded.staging_password, stored.staging_password),
             production_username = coalesce(excluded.production_username, stored.production_username),
             production_password = coalesce(excluded.production_password, stored.production_password),
             modified_on = excluded.modified_on,
             modified_by = excluded.modified_by
         returning supplier_code, xmax = 0",
    )
    .bind(account)
    .bind(&rows.codes)
    .bind(&rows.staging_usernames)
    .bind(&rows.staging_passwords)
    .bind(&rows.production_usernames)
    .bind(&rows.production_passwords)
    .bind(stamp.at)
    .bind(stamp.by)
    .fetch_all(connection)
    .await
}

/// New values of service rows, column by column.
#[derive(Default)]
pub(super) struct NewServiceRows<'a> {
    pub keys: ServiceKeys<'a>,
    pub usernames: Vec<&'a str>,
    pub passwords: Vec<&'a [u8]>,
}

impl<'a> NewServiceRows<'a> {
    pub fn push(
        &mut self,
        (supplier, service, environment): (&'a SupplierCode, Service, Environment),
        (username, password): (&'a str, &'a Sealed),
    ) {
        self.keys.push(supplier, service, environment);
        self.usernames.push(username);
        self.passwords.push(password.as_bytes());
    }
}

/// Creates or updates service rows; the key of each, and whether it was created.
pub(super) async fn upsert_service_rows(
    connection: &mut PgConnection,
    account: AccountId,
    rows: &NewServiceRows<'_>,
    stamp: Stamp<'_>,
) -> Result<Vec<(String, Service, Environment, bool)>, sqlx::Error> {
    sqlx::query_as(
        "insert into service_credentials
             (account_id, supplier_code, service, environment, username, password,
              created_at, created_by, modified_on, modified_by)
         select $1, n.code, n.service, n.environment, n.username, n.password, $7, $8, $7, $8
         from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
             as n (code, service, environment, username, password)
         on conflict on constraint service_credentials_pkey do update set
             username = excluded.username, password = excluded.password,
             modified_on = excluded.modified_on, modified_by = excluded.modified_by
         returning supplier_code, service, environment, xmax = 0",
    )
    .bind(account)
    .bind(&rows.keys.suppliers)
    .bind(&rows.keys.services)
    .bind(&rows.keys.environments)
    .bind(&rows.usernames)
    .bind(&rows.passwords)
    .bind(stamp.at)
    .bind(stamp.by)
    .fetch_all(connection)
    .await
}

/// A supplier's code as it is stored.
pub(super) fn supplier(code: String) -> Result<SupplierCode, sqlx::Error> {
    SupplierCode::try_from(code).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
