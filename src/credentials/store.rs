//! The tables `supplier_credentials` and `service_credentials`.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::{AuditTrail, BaseCredentials, ServiceAuditTrail, ServiceCredential, Stamps, Tag};
use crate::sealed_pair::{SealedPair, StoredPair};
use crate::types::{AccountId, Environment, Service, SupplierCode, UnknownCode, Username};
use crate::vault::Sealed;

/// Sealed base pairs, to be stored; what is `None` is kept.
#[derive(Default)]
pub(super) struct SealedPairs {
    staging: Option<SealedPair>,
    production: Option<SealedPair>,
}

impl SealedPairs {
    pub fn of_mut(&mut self, environment: Environment) -> &mut Option<SealedPair> {
        match environment {
            Environment::Staging => &mut self.staging,
            Environment::Production => &mut self.production,
        }
    }
}

/// The stored base pairs.
#[derive(Default)]
pub(super) struct StoredPairs {
    staging: StoredPair,
    production: StoredPair,
}

impl StoredPairs {
    pub fn of(&self, environment: Environment) -> &StoredPair {
        match environment {
            Environment::Staging => &self.staging,
            Environment::Production => &self.production,
        }
    }
}

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

/// Locks the base row against change and deletion; tells whether there is one.
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

/// Locks the base row against deletion alone; tells whether there is one.
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

/// Creates the base row or updates the pairs that are given; tells whether it was created.
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

/// Creates or updates the credentials of a service; tells whether they were created.
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

/// Deletes all service credentials for a supplier; tells which there were, in listing order.
pub(super) async fn delete_services(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Vec<(Service, Environment)>, sqlx::Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "delete from service_credentials where account_id = $1 and supplier_code = $2 returning service, environment",
    )
    .bind(account)
    .bind(supplier.as_str())
    .fetch_all(connection)
    .await?;
    let mut deleted = rows
        .into_iter()
        .map(|(service, environment)| Ok((service.try_into()?, environment.try_into()?)))
        .collect::<Result<Vec<_>, UnknownCode>>()
        .map_err(decode)?;
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

/// Deletes the credentials of one service; tells whether there were any.
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

/// A base row beside one of its service rows, or beside none.
struct JoinedRow {
    supplier_code: String,
    supplier_name: String,
    has_staging: bool,
    has_production: bool,
    version: Uuid,
    service: Option<(ServiceCredential, Uuid)>,
}

impl FromRow<'_, PgRow> for JoinedRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let service = match row.try_get::<Option<String>, _>("service")? {
            None => None,
            Some(service) => {
                let service = ServiceCredential {
                    service: service.try_into().map_err(decode)?,
                    environment: row.try_get::<String, _>("environment")?.try_into().map_err(decode)?,
                    username: row.try_get("username")?,
                };
                Some((service, row.try_get("service_version")?))
            }
        };
        Ok(Self {
            supplier_code: row.try_get("supplier_code")?,
            supplier_name: row.try_get("supplier_name")?,
            has_staging: row.try_get("has_staging")?,
            has_production: row.try_get("has_production")?,
            version: row.try_get("version")?,
            service,
        })
    }
}

/// Everything that the account has configured, by supplier code; one query.
pub(super) async fn list(
    executor: impl PgExecutor<'_>,
    account: AccountId,
) -> Result<Vec<BaseCredentials>, sqlx::Error> {
    configured(executor, account, None).await
}

/// What the account has configured for a supplier.
pub(super) async fn find(
    executor: impl PgExecutor<'_>,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Option<BaseCredentials>, sqlx::Error> {
    Ok(configured(executor, account, Some(supplier)).await?.pop())
}

/// The same in a transaction on the account's own rows, which needs no function that looks past the tenant of its connection,
/// and is several times cheaper without.
pub(super) async fn find_within(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Option<BaseCredentials>, sqlx::Error> {
    let rows = sqlx::query_as(
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
    Ok(fold(rows).pop())
}

async fn configured(
    executor: impl PgExecutor<'_>,
    account: AccountId,
    supplier: Option<&SupplierCode>,
) -> Result<Vec<BaseCredentials>, sqlx::Error> {
    let rows = sqlx::query_as(
        "select supplier_code, supplier_name, has_staging, has_production, version,
             service, environment, username, service_version
         from configured_credentials($1, $2)",
    )
    .bind(account)
    .bind(supplier.map(SupplierCode::as_str))
    .fetch_all(executor)
    .await?;
    Ok(fold(rows))
}

/// Folds rows that are ordered by supplier code, and puts each supplier's services in listing order.
fn fold(rows: Vec<JoinedRow>) -> Vec<BaseCredentials> {
    let mut rows = rows.into_iter().peekable();
    let mut folded = Vec::new();
    while let Some(mut first) = rows.next() {
        let mut services: Vec<_> = first.service.take().into_iter().collect();
        while let Some(row) = rows.next_if(|row| row.supplier_code == first.supplier_code) {
            services.extend(row.service);
        }
        services.sort_unstable_by_key(|(row, _)| (row.service, row.environment));
        let tag = Tag::of(&first.supplier_name, first.version, services.iter().map(|(_, version)| *version));
        folded.push(BaseCredentials {
            supplier_code: first.supplier_code,
            supplier_name: first.supplier_name,
            has_staging_credentials: first.has_staging,
            has_production_credentials: first.has_production,
            service_credentials: services.into_iter().map(|(row, _)| row).collect(),
            tag,
        });
    }
    folded
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
        match row.try_get::<Option<String>, _>("service")? {
            None => base = Some(stamps),
            Some(service) => services.push(ServiceAuditTrail {
                service: service.try_into().map_err(decode)?,
                environment: row.try_get::<String, _>("environment")?.try_into().map_err(decode)?,
                stamps,
            }),
        }
    }
    services.sort_unstable_by_key(|row| (row.service, row.environment));
    Ok(base.map(|stamps| AuditTrail { supplier_code: supplier.to_string(), stamps, service_credentials: services }))
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
