//! The tables `supplier_credentials` and `service_credentials`.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::{AuditTrail, BaseCredentials, ServiceAuditTrail, ServiceCredential, Stamps, Tag};
use crate::sealed_pair::{SealedPair, StoredPair};
use crate::types::{AccountId, Environment, PerEnvironment, Service, SupplierCode, Username};
use crate::vault::Sealed;

/// Sealed base pairs, to be stored; what is `None` is kept.
pub(super) type SealedPairs = PerEnvironment<Option<SealedPair>>;

/// The stored base pairs.
pub(super) type StoredPairs = PerEnvironment<StoredPair>;

/// The stored base pairs, locked until the end of the transaction; none if there is no base row.
pub(super) async fn lock_pairs(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<StoredPairs, sqlx::Error> {
    type Columns = (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);
    let row: Option<Columns> = sqlx::query_as(
        "select staging_username, staging_password, production_username, production_password
         from supplier_credentials where account_id = $1 and supplier_code = $2 for update",
    )
    .bind(account)
    .bind(supplier.as_str())
    .fetch_optional(connection)
    .await?;
    let Some((staging_username, staging_password, production_username, production_password)) = row else {
        return Ok(StoredPairs::default());
    };
    Ok(StoredPairs {
        staging: StoredPair::from_columns(staging_username, staging_password),
        production: StoredPair::from_columns(production_username, production_password),
    })
}

/// Locks the base row against change and deletion; returns whether there is one.
pub(super) async fn lock_base(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("select 1 from supplier_credentials where account_id = $1 and supplier_code = $2 for update")
        .bind(account)
        .bind(supplier.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Locks the base row, only against deletion; returns whether there is one.
pub(super) async fn lock_base_for_child(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<bool, sqlx::Error> {
    let row =
        sqlx::query("select 1 from supplier_credentials where account_id = $1 and supplier_code = $2 for key share")
            .bind(account)
            .bind(supplier.as_str())
            .fetch_optional(connection)
            .await?;
    Ok(row.is_some())
}

/// Locks the service credentials for a supplier against change and deletion.
pub(super) async fn lock_services(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<(), sqlx::Error> {
    sqlx::query("select 1 from service_credentials where account_id = $1 and supplier_code = $2 for update")
        .bind(account)
        .bind(supplier.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Creates the base row or updates the pairs that are given; returns whether it was created.
pub(super) async fn upsert_base(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
    pairs: &SealedPairs,
    by: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let username = |pair: &Option<SealedPair>| pair.as_ref().map(|pair| pair.username.as_bytes().to_vec());
    let password = |pair: &Option<SealedPair>| pair.as_ref().map(|pair| pair.password.as_bytes().to_vec());
    sqlx::query_scalar(
        "insert into supplier_credentials as stored
             (account_id, supplier_code, staging_username, staging_password, production_username, production_password,
              created_at, created_by, modified_on, modified_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $7, $8)
         on conflict on constraint supplier_credentials_pkey do update set
             staging_username = coalesce(excluded.staging_username, stored.staging_username),
             staging_password = coalesce(excluded.staging_password, stored.staging_password),
             production_username = coalesce(excluded.production_username, stored.production_username),
             production_password = coalesce(excluded.production_password, stored.production_password),
             modified_on = excluded.modified_on,
             modified_by = excluded.modified_by
         returning xmax = 0",
    )
    .bind(account)
    .bind(supplier.as_str())
    .bind(username(&pairs.staging))
    .bind(password(&pairs.staging))
    .bind(username(&pairs.production))
    .bind(password(&pairs.production))
    .bind(now)
    .bind(by)
    .fetch_one(connection)
    .await
}

/// Creates or updates the credentials of a service; returns whether they were created.
pub(super) async fn upsert_service(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
    (service, environment): (Service, Environment),
    (username, password): (&Username, &Sealed),
    by: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "insert into service_credentials
             (account_id, supplier_code, service, environment, username, password,
              created_at, created_by, modified_on, modified_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $7, $8)
         on conflict on constraint service_credentials_pkey do update set
             username = excluded.username, password = excluded.password,
             modified_on = excluded.modified_on, modified_by = excluded.modified_by
         returning xmax = 0",
    )
    .bind(account)
    .bind(supplier.as_str())
    .bind(service.as_str())
    .bind(environment.as_str())
    .bind(username.expose())
    .bind(password.as_bytes())
    .bind(now)
    .bind(by)
    .fetch_one(connection)
    .await
}

/// Deletes all service credentials for a supplier; returns those that there were, in listing order.
pub(super) async fn delete_services(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Vec<(Service, Environment)>, sqlx::Error> {
    let mut deleted: Vec<(Service, Environment)> = sqlx::query_as(
        "delete from service_credentials where account_id = $1 and supplier_code = $2 returning service, environment",
    )
    .bind(account)
    .bind(supplier.as_str())
    .fetch_all(connection)
    .await?;
    deleted.sort_unstable();
    Ok(deleted)
}

/// Deletes the base row.
pub(super) async fn delete_base(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from supplier_credentials where account_id = $1 and supplier_code = $2")
        .bind(account)
        .bind(supplier.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes the credentials of one service; returns whether there were any.
pub(super) async fn delete_service(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
    service: Service,
    environment: Environment,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query(
        "delete from service_credentials
         where account_id = $1 and supplier_code = $2 and service = $3 and environment = $4",
    )
    .bind(account)
    .bind(supplier.as_str())
    .bind(service.as_str())
    .bind(environment.as_str())
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected() > 0)
}

/// The columns of base rows, each with one of its service rows or with none, by supplier code.
type Columns = (
    Vec<String>,
    Vec<String>,
    Vec<bool>,
    Vec<bool>,
    Vec<Option<Service>>,
    Vec<Option<Environment>>,
    Vec<Option<String>>,
);

/// Everything that the account has configured, by supplier code; one query, one row.
pub(super) async fn list(
    executor: impl PgExecutor<'_>,
    account: AccountId,
) -> Result<Vec<BaseCredentials>, sqlx::Error> {
    let columns: Option<Columns> = sqlx::query_as(
        "select array_agg(supplier_code), array_agg(supplier_name), array_agg(has_staging), array_agg(has_production),
             array_agg(service), array_agg(environment), array_agg(username)
         from configured_credentials($1, null) having count(*) > 0",
    )
    .bind(account)
    .fetch_optional(executor)
    .await?;
    let (codes, names, staging, production, services, environments, usernames) = columns.unwrap_or_default();
    let suppliers = codes.into_iter().zip(names).zip(staging.into_iter().zip(production));
    let services = services.into_iter().zip(environments).zip(usernames);
    let mut listed: Vec<BaseCredentials> = Vec::with_capacity(suppliers.len());
    for (((code, name), (has_staging, has_production)), ((service, environment), username)) in suppliers.zip(services) {
        let service = service.zip(environment).zip(username);
        let service =
            service.map(|((service, environment), username)| ServiceCredential { service, environment, username });
        match listed.last_mut() {
            Some(last) if last.supplier_code == code => last.service_credentials.extend(service),
            _ => listed.push(BaseCredentials {
                supplier_code: code,
                supplier_name: name,
                has_staging_credentials: has_staging,
                has_production_credentials: has_production,
                service_credentials: service.into_iter().collect(),
            }),
        }
    }
    for BaseCredentials { service_credentials, .. } in &mut listed {
        service_credentials.sort_unstable_by_key(|row| (row.service, row.environment));
    }
    Ok(listed)
}

/// The account's credentials for a supplier, and the tag of that state.
pub(super) async fn find(
    executor: impl PgExecutor<'_>,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Option<(BaseCredentials, Tag)>, sqlx::Error> {
    let rows = sqlx::query(
        "select supplier_code, supplier_name, has_staging, has_production, version,
             service, environment, username, service_version
         from configured_credentials($1, $2)",
    )
    .bind(account)
    .bind(supplier.as_str())
    .fetch_all(executor)
    .await?;
    fold(&rows)
}

/// The same in a transaction on the account's own rows, which needs no function that looks past the tenant of its connection,
/// and is several times cheaper without.
pub(super) async fn find_within(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Option<(BaseCredentials, Tag)>, sqlx::Error> {
    let rows = sqlx::query(
        "select b.supplier_code, d.name as supplier_name,
             b.staging_username is not null and b.staging_password is not null as has_staging,
             b.production_username is not null and b.production_password is not null as has_production, b.version,
             s.service, s.environment, s.username, s.version as service_version
         from supplier_credentials b
         join suppliers d on d.code = b.supplier_code
         left join service_credentials s on s.account_id = b.account_id and s.supplier_code = b.supplier_code
         where b.account_id = $1 and b.supplier_code = $2",
    )
    .bind(account)
    .bind(supplier.as_str())
    .fetch_all(connection)
    .await?;
    fold(&rows)
}

/// Joins the base row of a supplier with its service rows, and puts these in listing order.
fn fold(rows: &[PgRow]) -> Result<Option<(BaseCredentials, Tag)>, sqlx::Error> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut services = Vec::new();
    for row in rows {
        if let Some(service) = row.try_get("service")? {
            let (environment, username) = (row.try_get("environment")?, row.try_get("username")?);
            let version: Uuid = row.try_get("service_version")?;
            services.push((ServiceCredential { service, environment, username }, version));
        }
    }
    services.sort_unstable_by_key(|(row, _)| (row.service, row.environment));
    let supplier_name: String = first.try_get("supplier_name")?;
    let tag = Tag::of(&supplier_name, first.try_get("version")?, services.iter().map(|(_, version)| *version));
    let found = BaseCredentials {
        supplier_code: first.try_get("supplier_code")?,
        supplier_name,
        has_staging_credentials: first.try_get("has_staging")?,
        has_production_credentials: first.try_get("has_production")?,
        service_credentials: services.into_iter().map(|(row, _)| row).collect(),
    };
    Ok(Some((found, tag)))
}

/// The audit fields of a supplier's rows.
pub(super) async fn audit_trail(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Option<AuditTrail>, sqlx::Error> {
    // The base row comes first: its service is null.
    let rows = sqlx::query(
        "select null as service, null as environment, created_at, created_by, modified_on, modified_by
         from supplier_credentials where account_id = $1 and supplier_code = $2
         union all
         select service, environment, created_at, created_by, modified_on, modified_by
         from service_credentials where account_id = $1 and supplier_code = $2",
    )
    .bind(account)
    .bind(supplier.as_str())
    .fetch_all(connection)
    .await?;
    let (mut base, mut services) = (None, Vec::new());
    for row in &rows {
        let stamps = Stamps::from_row(row)?;
        match row.try_get("service")? {
            None => base = Some(stamps),
            Some(service) => {
                services.push(ServiceAuditTrail { service, environment: row.try_get("environment")?, stamps });
            }
        }
    }
    services.sort_unstable_by_key(|row| (row.service, row.environment));
    Ok(base.map(|stamps| AuditTrail { supplier_code: supplier.to_string(), stamps, service_credentials: services }))
}
