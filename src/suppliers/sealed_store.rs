//! The sealed values of this module, for rotation and verification.

use secrecy::SecretString;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::defaults::place;
use crate::types::{AccountId, Environment, SupplierCode};
use crate::vault::{Binding, OpenError, Resealed, SealedRow, SealedTable, Span, column};

/// The pairs of default credentials. They belong to the operator's own account.
pub struct DefaultPairs;

impl SealedTable for DefaultPairs {
    fn name(&self) -> &'static str {
        "default_credentials"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["username", "password"]
    }

    fn binding(&self, row: &SealedRow, index: usize, opened: &[SecretString]) -> Result<Binding, OpenError> {
        let [supplier, environment] = row.key.as_slice() else { return Err(OpenError::Malformed) };
        let supplier = SupplierCode::parse(supplier).map_err(|_| OpenError::Malformed)?;
        let environment = Environment::parse(environment).ok_or(OpenError::Malformed)?;
        place(&supplier, environment).binding_of(index, opened)
    }

    async fn count(&self, connection: &mut PgConnection, span: &Span<'_>) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("select count(*) from default_credentials where 0 between $1 and $2")
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
        let (_, key) = span.position(2);
        let rows = sqlx::query(
            "select supplier_code, environment, username, password from default_credentials
             where 0 between $1 and $2 and (supplier_code, environment) > ($3, $4)
             order by supplier_code, environment limit $5",
        )
        .bind(span.first)
        .bind(span.last)
        .bind(key[0])
        .bind(key[1])
        .bind(limit)
        .fetch_all(connection)
        .await?;
        let read = |row: &PgRow| {
            Ok(SealedRow {
                account: AccountId::OPERATOR,
                key: vec![row.try_get("supplier_code")?, row.try_get("environment")?],
                clear: String::new(),
                sealed: vec![row.try_get("username")?, row.try_get("password")?],
            })
        };
        rows.iter().map(read).collect()
    }

    async fn replace(&self, connection: &mut PgConnection, rows: &[Resealed]) -> Result<u64, sqlx::Error> {
        let updated = sqlx::query(
            "update default_credentials stored set username = n.username, password = n.password
             from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
                 as n (supplier_code, environment, old_username, old_password, username, password)
             where stored.supplier_code = n.supplier_code and stored.environment = n.environment
                 and stored.username = n.old_username and stored.password = n.old_password",
        )
        .bind(column(rows, |row| row.row.key[0].clone()))
        .bind(column(rows, |row| row.row.key[1].clone()))
        .bind(column(rows, |row| row.row.sealed[0].clone()))
        .bind(column(rows, |row| row.row.sealed[1].clone()))
        .bind(column(rows, |row| row.sealed[0].as_bytes().to_vec()))
        .bind(column(rows, |row| row.sealed[1].as_bytes().to_vec()))
        .execute(connection)
        .await?;
        Ok(updated.rows_affected())
    }
}
