//! The sealed values of this module, of every account, for rotation and verification.

use secrecy::SecretString;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::sealed_pair::{Place, Storage};
use crate::types::{Environment, Service, SupplierCode, Username};
use crate::vault::{Binding, OpenError, Resealed, SealedRow, SealedTable, Span, column};

/// The base pairs of one environment.
pub struct BasePairs(pub Environment);

impl SealedTable for BasePairs {
    fn name(&self) -> &'static str {
        "supplier_credentials"
    }

    fn columns(&self) -> &'static [&'static str] {
        match self.0 {
            Environment::Staging => &["staging_username", "staging_password"],
            Environment::Production => &["production_username", "production_password"],
        }
    }

    fn binding(&self, row: &SealedRow, index: usize, opened: &[SecretString]) -> Result<Binding, OpenError> {
        let [supplier] = row.key.as_slice() else { return Err(OpenError::Malformed) };
        let supplier = supplier_code(supplier)?;
        Place { supplier: &supplier, storage: Storage::Base, environment: self.0 }.binding_of(index, opened)
    }

    async fn count(&self, connection: &mut PgConnection, span: &Span<'_>) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar(match self.0 {
            Environment::Staging => {
                "select count(*) from supplier_credentials
                 where account_id between $1 and $2
                     and (staging_username is not null or staging_password is not null)"
            }
            Environment::Production => {
                "select count(*) from supplier_credentials
                 where account_id between $1 and $2
                     and (production_username is not null or production_password is not null)"
            }
        })
        .bind(span.first)
        .bind(span.last)
        .fetch_one(connection)
        .await
    }

    async fn page(
        &self,
        connection: &mut PgConnection,
        span: &Span<'_>,
        limit: i64,
    ) -> Result<Vec<SealedRow>, sqlx::Error> {
        let (account, key) = span.position(1);
        let rows = sqlx::query(match self.0 {
            Environment::Staging => {
                "select account_id, supplier_code, staging_username as username, staging_password as password
                 from supplier_credentials
                 where (account_id, supplier_code) > ($1, $2) and account_id <= $3
                     and (staging_username is not null or staging_password is not null)
                 order by account_id, supplier_code limit $4"
            }
            Environment::Production => {
                "select account_id, supplier_code, production_username as username, production_password as password
                 from supplier_credentials
                 where (account_id, supplier_code) > ($1, $2) and account_id <= $3
                     and (production_username is not null or production_password is not null)
                 order by account_id, supplier_code limit $4"
            }
        })
        .bind(account)
        .bind(key[0])
        .bind(span.last)
        .bind(limit)
        .fetch_all(connection)
        .await?;
        let read = |row: &PgRow| {
            let sealed = |name| Ok::<_, sqlx::Error>(row.try_get::<Option<Vec<u8>>, _>(name)?.unwrap_or_default());
            Ok(SealedRow {
                account: row.try_get("account_id")?,
                key: vec![row.try_get("supplier_code")?],
                clear: String::new(),
                sealed: vec![sealed("username")?, sealed("password")?],
            })
        };
        rows.iter().map(read).collect()
    }

    async fn replace(&self, connection: &mut PgConnection, rows: &[Resealed]) -> Result<u64, sqlx::Error> {
        let updated = sqlx::query(match self.0 {
            Environment::Staging => {
                "update supplier_credentials stored
                 set staging_username = n.username, staging_password = n.password
                 from unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
                     as n (account_id, supplier_code, old_username, old_password, username, password)
                 where stored.account_id = n.account_id and stored.supplier_code = n.supplier_code
                     and stored.staging_username = n.old_username and stored.staging_password = n.old_password"
            }
            Environment::Production => {
                "update supplier_credentials stored
                 set production_username = n.username, production_password = n.password
                 from unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
                     as n (account_id, supplier_code, old_username, old_password, username, password)
                 where stored.account_id = n.account_id and stored.supplier_code = n.supplier_code
                     and stored.production_username = n.old_username and stored.production_password = n.old_password"
            }
        })
        .bind(column(rows, |row| row.row.account.0))
        .bind(column(rows, |row| row.row.key[0].clone()))
        .bind(column(rows, |row| row.row.sealed[0].clone()))
        .bind(column(rows, |row| row.row.sealed[1].clone()))
        .bind(column(rows, |row| row.sealed[0].as_bytes().to_vec()))
        .bind(column(rows, |row| row.sealed[1].as_bytes().to_vec()))
        .execute(connection)
        .await?;
        Ok(updated.rows_affected())
    }
}

/// The passwords of service credentials.
pub struct ServicePasswords;

impl SealedTable for ServicePasswords {
    fn name(&self) -> &'static str {
        "service_credentials"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["password"]
    }

    fn binding(&self, row: &SealedRow, _: usize, _: &[SecretString]) -> Result<Binding, OpenError> {
        let [supplier, service, environment] = row.key.as_slice() else { return Err(OpenError::Malformed) };
        let supplier = supplier_code(supplier)?;
        let service = Service::parse(service).ok_or(OpenError::Malformed)?;
        let environment = Environment::parse(environment).ok_or(OpenError::Malformed)?;
        let username = Username::parse(row.clear.clone().into()).map_err(|_| OpenError::Rejected)?;
        Ok(Place { supplier: &supplier, storage: Storage::Service(service), environment }.password_binding(&username))
    }

    async fn count(&self, connection: &mut PgConnection, span: &Span<'_>) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("select count(*) from service_credentials where account_id between $1 and $2")
            .bind(span.first)
            .bind(span.last)
            .fetch_one(connection)
            .await
    }

    async fn page(
        &self,
        connection: &mut PgConnection,
        span: &Span<'_>,
        limit: i64,
    ) -> Result<Vec<SealedRow>, sqlx::Error> {
        let (account, key) = span.position(3);
        let rows = sqlx::query(
            "select account_id, supplier_code, service, environment, username, password from service_credentials
             where (account_id, supplier_code, service, environment) > ($1, $2, $3, $4) and account_id <= $5
             order by account_id, supplier_code, service, environment limit $6",
        )
        .bind(account)
        .bind(key[0])
        .bind(key[1])
        .bind(key[2])
        .bind(span.last)
        .bind(limit)
        .fetch_all(connection)
        .await?;
        let read = |row: &PgRow| {
            Ok(SealedRow {
                account: row.try_get("account_id")?,
                key: vec![row.try_get("supplier_code")?, row.try_get("service")?, row.try_get("environment")?],
                clear: row.try_get("username")?,
                sealed: vec![row.try_get("password")?],
            })
        };
        rows.iter().map(read).collect()
    }

    async fn replace(&self, connection: &mut PgConnection, rows: &[Resealed]) -> Result<u64, sqlx::Error> {
        let updated = sqlx::query(
            "update service_credentials stored set password = n.password
             from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])
                 as n (account_id, supplier_code, service, environment, old_password, password)
             where stored.account_id = n.account_id and stored.supplier_code = n.supplier_code
                 and stored.service = n.service and stored.environment = n.environment
                 and stored.password = n.old_password",
        )
        .bind(column(rows, |row| row.row.account.0))
        .bind(column(rows, |row| row.row.key[0].clone()))
        .bind(column(rows, |row| row.row.key[1].clone()))
        .bind(column(rows, |row| row.row.key[2].clone()))
        .bind(column(rows, |row| row.row.sealed[0].clone()))
        .bind(column(rows, |row| row.sealed[0].as_bytes().to_vec()))
        .execute(connection)
        .await?;
        Ok(updated.rows_affected())
    }
}

fn supplier_code(text: &str) -> Result<SupplierCode, OpenError> {
    SupplierCode::parse(text).map_err(|_| OpenError::Malformed)
}
