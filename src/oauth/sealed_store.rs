//! The sealed values of this module, for rotation and verification.

use secrecy::SecretString;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::signing_keys::{PublicHalf, place};
use crate::types::AccountId;
use crate::vault::{Binding, OpenError, Resealed, SealedRow, SealedTable, Span};

/// The private halves of signing keys, also of those that only verify any more. They belong to the operator's own account.
pub struct SigningKeys;

impl SealedTable for SigningKeys {
    fn name(&self) -> &'static str {
        "signing_keys"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["private_key"]
    }

    fn binding(&self, row: &SealedRow, _: usize, _: &[SecretString]) -> Result<Binding, OpenError> {
        row.key.first().map(|kid| place(kid)).ok_or(OpenError::Malformed)
    }

    fn misstated(&self, row: &SealedRow, opened: &[SecretString]) -> Option<&'static str> {
        let derived = opened.first().and_then(PublicHalf::of).map(|public| public.jwk());
        let stated = serde_json::from_str::<Value>(&row.clear).ok();
        (derived.is_none() || derived != stated).then_some("public_jwk")
    }

    async fn count(&self, connection: &mut PgConnection, span: &Span<'_>) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("select count(*) from signing_keys where 0 between $1 and $2")
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
        let (_, key) = span.position(1);
        let rows = sqlx::query(
            "select kid, public_jwk::text, private_key from signing_keys where 0 between $1 and $2 and kid > $3 order by kid limit $4",
        )
        .bind(span.first)
        .bind(span.last)
        .bind(key[0])
        .bind(limit)
        .fetch_all(connection)
        .await?;
        let read = |row: &PgRow| {
            Ok(SealedRow {
                account: AccountId::OPERATOR,
                key: vec![row.try_get("kid")?],
                clear: row.try_get("public_jwk")?,
                sealed: vec![row.try_get("private_key")?],
            })
        };
        rows.iter().map(read).collect()
    }

    async fn replace(&self, connection: &mut PgConnection, rows: &[Resealed]) -> Result<u64, sqlx::Error> {
        let column = |value: fn(&Resealed) -> Vec<u8>| rows.iter().map(value).collect::<Vec<_>>();
        let updated = sqlx::query(
            "update signing_keys stored set private_key = n.private_key
             from unnest($1::text[], $2::bytea[], $3::bytea[]) as n (kid, old_private_key, private_key)
             where stored.kid = n.kid and stored.private_key = n.old_private_key",
        )
        .bind(rows.iter().map(|row| row.row.key[0].clone()).collect::<Vec<_>>())
        .bind(column(|row| row.row.sealed[0].clone()))
        .bind(column(|row| row.sealed[0].as_bytes().to_vec()))
        .execute(connection)
        .await?;
        Ok(updated.rows_affected())
    }
}
