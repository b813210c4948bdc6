//! The table `idempotency_keys`, by the functions of `migrations/0051_idempotency_keys.sql`: the caller may be another
//! account than the transaction's.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

use super::StoredAnswer;
use crate::types::AccountId;

/// The stored state of a key.
pub(super) struct Claimed {
    /// Whether nobody else has it just now.
    pub is_free: bool,
    /// The fingerprint of the request that was carried out under it.
    pub known: Option<Vec<u8>>,
    /// Its outcome.
    pub outcome: Option<StoredAnswer>,
}

impl FromRow<'_, PgRow> for Claimed {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let known: Option<Vec<u8>> = row.try_get("known")?;
        let outcome = match known {
            None => None,
            Some(_) => Some(StoredAnswer {
                family: row.try_get("family")?,
                code: row.try_get::<i16, _>("status")?.cast_unsigned(),
                content_type: row.try_get("content_type")?,
                tag: row.try_get("tag")?,
                body: row.try_get("body")?,
            }),
        };
        Ok(Self { is_free: row.try_get("is_free")?, known, outcome })
    }
}

/// Takes the lock of a key, if it is free, and looks what was done under it.
pub(super) async fn claim(
    connection: &mut PgConnection,
    account: AccountId,
    id: &[u8],
    lock: i64,
    since: DateTime<Utc>,
) -> Result<Claimed, sqlx::Error> {
    sqlx::query_as(
        "select is_free, known, status, tag, body, family, content_type from claim_idempotency_key($1, $2, $3, $4)",
    )
    .bind(account)
    .bind(id)
    .bind(lock)
    .bind(since)
    .fetch_one(connection)
    .await
}

/// Stores what was done under a key.
pub(super) async fn keep(
    connection: &mut PgConnection,
    account: AccountId,
    (id, fingerprint): (&[u8], &[u8]),
    outcome: &StoredAnswer,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("select keep_outcome($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(account)
        .bind(id)
        .bind(fingerprint)
        .bind(outcome.code.cast_signed())
        .bind(&outcome.tag)
        .bind(&outcome.body)
        .bind(now)
        .bind(&outcome.family)
        .bind(&outcome.content_type)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes what was stored under a key.
pub(super) async fn remove(connection: &mut PgConnection, account: AccountId, id: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query("delete from idempotency_keys where account_id = $1 and id = $2")
        .bind(account)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes outcomes that were stored before this moment, the oldest first and no more than so many; how many there were.
/// Those that another instance is just removing are left to it.
pub(super) async fn remove_old(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query(
        "with old as (
             select account_id, id from idempotency_keys where created_at <= $1
             order by created_at limit $2 for update skip locked)
         delete from idempotency_keys k using old where k.account_id = old.account_id and k.id = old.id",
    )
    .bind(before)
    .bind(most)
    .execute(connection)
    .await?;
    Ok(removed.rows_affected())
}
