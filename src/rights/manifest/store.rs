//! The table `credential_manifests`, and the places that rows fill.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

use super::places::Places;
use crate::types::{AccountId, Environment, Service};

/// A manifest as it is stored: nobody has looked at its MAC.
#[derive(FromRow)]
pub(super) struct StoredManifest {
    pub suppliers: Vec<String>,
    pub places: Vec<i32>,
    pub mac: Option<Vec<u8>>,
}

/// Stores the manifest of an account that has none.
pub(super) async fn insert(
    connection: &mut PgConnection,
    account: AccountId,
    stored: &StoredManifest,
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into credential_manifests (account_id, suppliers, places, mac) values ($1, $2, $3, $4)")
        .bind(account)
        .bind(&stored.suppliers)
        .bind(&stored.places)
        .bind(&stored.mac)
        .execute(connection)
        .await?;
    Ok(())
}

/// Locks the manifest of an account until the end of the transaction.
pub(super) async fn lock(
    connection: &mut PgConnection,
    account: AccountId,
) -> Result<Option<StoredManifest>, sqlx::Error> {
    sqlx::query_as("select suppliers, places, mac from credential_manifests where account_id = $1 for no key update")
        .bind(account)
        .fetch_optional(connection)
        .await
}

/// Checks whether the manifest, as it is stored, has these places of a supplier.
pub(super) async fn has(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &str,
    places: Places,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from credential_manifests
         where account_id = $1 and places[array_position(suppliers, $2)] & $3 = $3)",
    )
    .bind(account)
    .bind(supplier)
    .bind(places.bits())
    .fetch_one(connection)
    .await
}

/// Stores another manifest in the place of the one that is locked.
pub(super) async fn update(
    connection: &mut PgConnection,
    account: AccountId,
    stored: &StoredManifest,
) -> Result<(), sqlx::Error> {
    sqlx::query("update credential_manifests set suppliers = $2, places = $3, mac = $4 where account_id = $1")
        .bind(account)
        .bind(&stored.suppliers)
        .bind(&stored.places)
        .bind(&stored.mac)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes the manifests of these accounts.
pub(super) async fn delete_between(
    connection: &mut PgConnection,
    account: AccountId,
    last: AccountId,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from credential_manifests where account_id between $1 and $2")
        .bind(account)
        .bind(last)
        .execute(connection)
        .await?;
    Ok(())
}

/// Accounts after one, with their manifests.
pub(super) async fn page(
    connection: &mut PgConnection,
    account: AccountId,
    limit: i64,
) -> Result<Vec<(AccountId, Option<StoredManifest>)>, sqlx::Error> {
    let rows = sqlx::query(
        "select a.id, m.suppliers, m.places, m.mac, m.account_id is not null as has_manifest
         from accounts a left join credential_manifests m on m.account_id = a.id
         where a.id > $1 and a.id <> 0 order by a.id limit $2",
    )
    .bind(account)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let read = |row: &PgRow| {
        let manifest = if row.try_get("has_manifest")? { Some(StoredManifest::from_row(row)?) } else { None };
        Ok((row.try_get("id")?, manifest))
    };
    rows.iter().map(read).collect()
}

/// The places that rows of these accounts fill, by account and supplier.
pub(super) async fn filled_between(
    connection: &mut PgConnection,
    account: AccountId,
    last: AccountId,
) -> Result<Vec<(AccountId, String, Places)>, sqlx::Error> {
    let rows = sqlx::query(
        "select b.account_id, b.supplier_code, b.staging_password is not null as has_staging,
             b.production_password is not null as has_production, array_agg(s.service) as services,
             array_agg(s.environment) as environments
         from supplier_credentials b
         left join service_credentials s on s.account_id = b.account_id and s.supplier_code = b.supplier_code
         where b.account_id between $1 and $2
         group by b.account_id, b.supplier_code order by b.account_id, b.supplier_code",
    )
    .bind(account)
    .bind(last)
    .fetch_all(connection)
    .await?;
    let read = |row: &PgRow| {
        let mut places = Places::default();
        for (environment, column) in
            [(Environment::Staging, "has_staging"), (Environment::Production, "has_production")]
        {
            if row.try_get(column)? {
                places = places.with(Places::base(environment));
            }
        }
        let services: Vec<Option<Service>> = row.try_get("services")?;
        let environments: Vec<Option<Environment>> = row.try_get("environments")?;
        for (service, environment) in services.into_iter().zip(environments).filter_map(|(s, e)| s.zip(e)) {
            places = places.with(Places::service(service, environment));
        }
        Ok((row.try_get("account_id")?, row.try_get("supplier_code")?, places))
    };
    rows.iter().map(read).collect()
}
