//! The tables `data_keys` and `key_encryption_keys`.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, Row};

use super::kek::{DataKeyId, WrappedKey};
use crate::types::AccountId;

impl FromRow<'_, PgRow> for WrappedKey {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let generation: i32 = row.try_get("generation")?;
        Ok(Self {
            id: DataKeyId { account: row.try_get("account_id")?, generation: generation.cast_unsigned() },
            kek_id: row.try_get("kek_id")?,
            bytes: row.try_get("wrapped")?,
        })
    }
}

/// The account's newest data key, with the age and count that decide its retirement.
#[derive(FromRow)]
pub(super) struct NewestRow {
    #[sqlx(flatten)]
    pub key: WrappedKey,
    pub created_at: DateTime<Utc>,
    pub seals: i64,
}

/// The account's newest data key.
pub(super) async fn newest(
    connection: &mut PgConnection,
    account: AccountId,
) -> Result<Option<NewestRow>, sqlx::Error> {
    sqlx::query_as(
        "select account_id, generation, kek_id, wrapped, created_at, seals from data_keys
         where account_id = $1 order by generation desc limit 1",
    )
    .bind(account)
    .fetch_optional(connection)
    .await
}

/// The account's data key of one generation. A hot read: the function sets the tenant itself.
pub(super) async fn of_generation(
    executor: impl PgExecutor<'_>,
    account: AccountId,
    generation: u32,
) -> Result<Option<WrappedKey>, sqlx::Error> {
    sqlx::query_as("select $1 as account_id, generation, kek_id, wrapped from data_key($1, $2)")
        .bind(account)
        .bind(generation.cast_signed())
        .fetch_optional(executor)
        .await
}

/// Counts seals of a data key; how many there are now, if the data key is still there.
pub(super) async fn count_seals(
    connection: &mut PgConnection,
    account: AccountId,
    generation: u32,
    seals: i64,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "update data_keys set seals = seals + $3 where account_id = $1 and generation = $2 returning seals",
    )
    .bind(account)
    .bind(generation.cast_signed())
    .bind(seals)
    .fetch_optional(connection)
    .await
}

/// Stores data keys, except of generations that their accounts have by now.
pub(super) async fn insert(
    connection: &mut PgConnection,
    keys: &[WrappedKey],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into data_keys (account_id, generation, kek_id, wrapped, created_at)
         select *, $5 from unnest($1::bigint[], $2::integer[], $3::text[], $4::bytea[])
         on conflict on constraint data_keys_pkey do nothing",
    )
    .bind(column(keys, |key| key.id.account.0))
    .bind(column(keys, |key| key.id.generation.cast_signed()))
    .bind(column(keys, |key| key.kek_id.clone()))
    .bind(column(keys, |key| key.bytes.clone()))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes every data key of the account; how many there were.
pub(super) async fn delete_all(connection: &mut PgConnection, account: AccountId) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query("delete from data_keys where account_id = $1").bind(account).execute(connection).await?;
    Ok(deleted.rows_affected())
}

/// These data keys, as far as they are there.
pub(super) async fn some(connection: &mut PgConnection, ids: &[DataKeyId]) -> Result<Vec<WrappedKey>, sqlx::Error> {
    sqlx::query_as(
        "select d.account_id, d.generation, d.kek_id, d.wrapped
         from unnest($1::bigint[], $2::integer[]) as wanted (account_id, generation)
         join data_keys d on d.account_id = wanted.account_id and d.generation = wanted.generation",
    )
    .bind(column(ids, |id| id.account.0))
    .bind(column(ids, |id| id.generation.cast_signed()))
    .fetch_all(connection)
    .await
}

/// The newest data key of each of these accounts.
pub(super) async fn newest_of(
    connection: &mut PgConnection,
    accounts: &[AccountId],
) -> Result<Vec<NewestRow>, sqlx::Error> {
    sqlx::query_as(
        "select d.account_id, d.generation, d.kek_id, d.wrapped, d.created_at, d.seals
         from unnest($1::bigint[]) as wanted (account_id)
         cross join lateral (
             select account_id, generation, kek_id, wrapped, created_at, seals from data_keys
             where account_id = wanted.account_id order by generation desc limit 1
         ) d",
    )
    .bind(column(accounts, |account| account.0))
    .fetch_all(connection)
    .await
}

/// A page of data keys after this one; only those that are not under a key-encryption key, if one is named.
pub(super) async fn page(
    connection: &mut PgConnection,
    after: DataKeyId,
    not_under: Option<&str>,
    limit: i64,
) -> Result<Vec<WrappedKey>, sqlx::Error> {
    sqlx::query_as(
        "select account_id, generation, kek_id, wrapped from data_keys
         where (account_id, generation) > ($1, $2) and ($3::text is null or kek_id <> $3)
         order by account_id, generation limit $4",
    )
    .bind(after.account)
    .bind(after.generation.cast_signed())
    .bind(not_under)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// A page of the accounts that have data keys, after `after` and up to `last`.
pub(super) async fn accounts(
    connection: &mut PgConnection,
    (after, last): (AccountId, AccountId),
    limit: i64,
) -> Result<Vec<AccountId>, sqlx::Error> {
    sqlx::query_scalar(
        "select distinct account_id from data_keys where account_id > $1 and account_id <= $2
         order by account_id limit $3",
    )
    .bind(after)
    .bind(last)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Counts seals of many data keys.
pub(super) async fn count_seals_of(
    connection: &mut PgConnection,
    counts: &[(DataKeyId, i64)],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update data_keys d set seals = d.seals + n.seals
         from unnest($1::bigint[], $2::integer[], $3::bigint[]) as n (account_id, generation, seals)
         where d.account_id = n.account_id and d.generation = n.generation",
    )
    .bind(column(counts, |(id, _)| id.account.0))
    .bind(column(counts, |(id, _)| id.generation.cast_signed()))
    .bind(column(counts, |(_, seals)| *seals))
    .execute(connection)
    .await?;
    Ok(())
}

/// Reads a few data keys that are stored under a key-encryption key, of any version.
pub(super) async fn some_under(connection: &mut PgConnection, kek: &str) -> Result<Vec<WrappedKey>, sqlx::Error> {
    sqlx::query_as(
        "select account_id, generation, kek_id, wrapped from data_keys
         where kek_id = $1 or starts_with(kek_id, $1 || ':v') limit 3",
    )
    .bind(kek)
    .fetch_all(connection)
    .await
}

/// Puts wrapped forms in place of others, which are in the order of the primary key, where the others are still there; how
/// many were.
///
/// The accounts stand in a span of their own: the planner takes the arrays for longer than they are, and would go through the
/// whole table for each page.
pub(super) async fn replace(
    connection: &mut PgConnection,
    old: &[WrappedKey],
    new: &[WrappedKey],
) -> Result<u64, sqlx::Error> {
    let updated = sqlx::query(
        "update data_keys d set kek_id = n.kek_id, wrapped = n.wrapped
         from unnest($1::bigint[], $2::integer[], $3::text[], $4::bytea[], $5::text[], $6::bytea[])
             as n (account_id, generation, old_kek_id, old_wrapped, kek_id, wrapped)
         where d.account_id = n.account_id and d.generation = n.generation
             and d.kek_id = n.old_kek_id and d.wrapped = n.old_wrapped and d.account_id between $7 and $8",
    )
    .bind(column(old, |key| key.id.account.0))
    .bind(column(old, |key| key.id.generation.cast_signed()))
    .bind(column(old, |key| key.kek_id.clone()))
    .bind(column(old, |key| key.bytes.clone()))
    .bind(column(new, |key| key.kek_id.clone()))
    .bind(column(new, |key| key.bytes.clone()))
    .bind(old.first().map(|key| key.id.account))
    .bind(old.last().map(|key| key.id.account))
    .execute(connection)
    .await?;
    Ok(updated.rows_affected())
}

/// How many data keys there are; only those that are not under a key-encryption key, if one is named.
pub(super) async fn count(connection: &mut PgConnection, not_under: Option<&str>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from data_keys where $1::text is null or kek_id <> $1")
        .bind(not_under)
        .fetch_one(connection)
        .await
}

/// The row of a key-encryption key.
#[derive(FromRow)]
pub(super) struct KekRow {
    pub id: String,
    pub data_keys: i64,
    pub accounts: i64,
    pub closed_at: Option<DateTime<Utc>>,
}

/// Every key-encryption key that the database has seen.
pub(super) async fn keks(connection: &mut PgConnection) -> Result<Vec<KekRow>, sqlx::Error> {
    sqlx::query_as(
        "select id, coalesce(used.data_keys, 0) as data_keys, coalesce(used.accounts, 0) as accounts, closed_at
         from key_encryption_keys
         full join (select kek_id as id, count(*) as data_keys, count(distinct account_id) as accounts
                    from data_keys group by kek_id) used using (id)
         order by id",
    )
    .fetch_all(connection)
    .await
}

/// Lets data keys be wrapped under this key again; returns whether they could not before.
pub(super) async fn reopen(connection: &mut PgConnection, kek_id: &str) -> Result<bool, sqlx::Error> {
    let opened = sqlx::query("update key_encryption_keys set closed_at = null where id = $1 and closed_at is not null")
        .bind(kek_id)
        .execute(connection)
        .await?;
    Ok(opened.rows_affected() > 0)
}

/// Closes a key under which nothing is wrapped. Waits for transactions that are wrapping under it, and counts after that.
pub(super) async fn close(
    connection: &mut PgConnection,
    kek_id: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query("insert into key_encryption_keys (id) values ($1) on conflict do nothing")
        .bind(kek_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query("select from key_encryption_keys where id = $1 for update")
        .bind(kek_id)
        .execute(&mut *connection)
        .await?;
    let closed = sqlx::query(
        "update key_encryption_keys set closed_at = coalesce(closed_at, $2)
         where id = $1 and not exists (select from data_keys where kek_id = $1)",
    )
    .bind(kek_id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(closed.rows_affected() > 0)
}

fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
