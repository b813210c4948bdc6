//! The tables `audit_events`, `audit_heads` and `audit_writers`.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::record::{Columns, Record, arrays, names, values};
use crate::types::AccountId;

/// The end of an account's chain. Sequence 0 and no MAC before its first event.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Head {
    pub sequence: i64,
    pub mac: Vec<u8>,
}

/// The end of one of several chains.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct AccountHead {
    pub account_id: AccountId,
    #[sqlx(flatten)]
    pub head: Head,
}

/// Locks and returns the end of the account's chain, begun now if it has none.
pub(super) async fn lock_head(connection: &mut PgConnection, account: AccountId) -> Result<Head, sqlx::Error> {
    let head = sqlx::query_as("select sequence, mac from audit_heads where account_id = $1 for no key update")
        .bind(account)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(head) = head {
        return Ok(head);
    }
    sqlx::query_as(
        "insert into audit_heads (account_id, sequence, mac) values ($1, 0, '')
         on conflict on constraint audit_heads_pkey do update set sequence = audit_heads.sequence
         returning sequence, mac",
    )
    .bind(account)
    .fetch_one(connection)
    .await
}

/// Locks the ends of those of the chains that nobody else holds just now.
pub(super) async fn lock_free_heads(
    connection: &mut PgConnection,
    accounts: &[AccountId],
) -> Result<Vec<AccountHead>, sqlx::Error> {
    sqlx::query_as(
        "select account_id, sequence, mac from audit_heads where account_id = any($1) for no key update skip locked",
    )
    .bind(accounts.iter().map(|account| account.0).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}

/// Gives up a lock that somebody else holds after a moment, to the end of the transaction.
pub(super) async fn do_not_wait_long(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("set local lock_timeout = 100").execute(connection).await?;
    Ok(())
}

/// Whether a lock was given up.
pub(super) fn waited_too_long(error: &sqlx::Error) -> bool {
    // lock_not_available
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03"))
}

/// Records of one or several chains on their way into the database, and the heads that they make.
#[derive(Default)]
pub(super) struct Batch<'a> {
    columns: Columns<Cow<'a, str>>,
    heads: Vec<AccountHead>,
}

impl<'a> Batch<'a> {
    /// Adds a record. The records of an account come together, in order.
    pub fn push(&mut self, account: AccountId, record: Record<Cow<'a, str>>) {
        match self.heads.last_mut() {
            Some(AccountHead { account_id, head }) if *account_id == account => {
                head.sequence = record.sequence;
                head.mac.clone_from(&record.mac);
            }
            _ => {
                let head = Head { sequence: record.sequence, mac: record.mac.clone() };
                self.heads.push(AccountHead { account_id: account, head });
            }
        }
        self.columns.push(account, record);
    }

    /// Returns the heads after these records.
    pub fn heads(&self) -> &[AccountHead] {
        &self.heads
    }
}

/// Appends a record and moves the head to it, in one statement. Does for one row what [`append`] does for several, because
/// a function scan for each column costs more than the rest of the statement.
pub(super) async fn append_one(
    connection: &mut PgConnection,
    account: AccountId,
    record: &Record<Cow<'_, str>>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(concat!(
        "with heads as (update audit_heads set sequence = $3, mac = $19 where account_id = $1)
         insert into audit_events (",
        names!(),
        ") values (",
        values!(),
        ")"
    ));
    record.bind(account, query).execute(connection).await?;
    Ok(())
}

/// Appends records and moves the heads to the last of them, in one statement.
pub(super) async fn append(connection: &mut PgConnection, batch: Batch<'_>) -> Result<(), sqlx::Error> {
    let mut heads: (Vec<AccountId>, Vec<i64>, Vec<Vec<u8>>) = Default::default();
    for AccountHead { account_id, head } in batch.heads {
        heads.0.push(account_id);
        heads.1.push(head.sequence);
        heads.2.push(head.mac);
    }
    let query = sqlx::query(concat!(
        "with heads as (
             update audit_heads set sequence = head.sequence, mac = head.mac
             from unnest($20::bigint[], $21::bigint[], $22::bytea[]) as head (account_id, sequence, mac)
             where audit_heads.account_id = head.account_id)
         insert into audit_events (",
        names!(),
        ") select * from unnest(",
        arrays!(),
        ")"
    ));
    let query = batch.columns.bind(query);
    query.bind(heads.0).bind(heads.1).bind(heads.2).execute(connection).await?;
    Ok(())
}

/// Whether the account's chain has this record.
pub(super) async fn has_record(
    connection: &mut PgConnection,
    account: AccountId,
    record: &Head,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from audit_events where account_id = $1 and sequence = $2 and mac = $3)")
        .bind(account)
        .bind(record.sequence)
        .bind(&record.mac)
        .fetch_one(connection)
        .await
}

/// The number under which an instance says that it lives.
fn lock_key(writer: Uuid) -> i64 {
    i64::from_be_bytes(writer.as_u64_pair().0.to_be_bytes())
}

/// Says for as long as the connection holds that the instance lives. Shared, so that a connection that the server has
/// not noticed to be dead is in nobody's way.
pub(super) async fn say_that_it_lives(connection: &mut PgConnection, writer: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_lock_shared($1)").bind(lock_key(writer)).execute(connection).await?;
    Ok(())
}

/// Whether the instance is gone. If so nobody else is told that, to the end of the transaction.
pub(super) async fn is_gone(connection: &mut PgConnection, writer: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(lock_key(writer)).fetch_one(connection).await
}

/// Notes that the instance may hold events, and that those recorded until now are written.
pub(super) async fn note_writer(
    connection: &mut PgConnection,
    writer: Uuid,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into audit_writers (writer_id, written_at) values ($1, $2)
         on conflict on constraint audit_writers_pkey do update set written_at = excluded.written_at",
    )
    .bind(writer)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Every other instance that may hold events, or did when it ended.
pub(super) async fn other_writers(connection: &mut PgConnection, writer: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar("select writer_id from audit_writers where writer_id <> $1 order by writer_id")
        .bind(writer)
        .fetch_all(connection)
        .await
}

/// Takes the note of an instance away; when it had written last, if there was a note.
pub(super) async fn forget_writer(
    connection: &mut PgConnection,
    writer: Uuid,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar("delete from audit_writers where writer_id = $1 returning written_at")
        .bind(writer)
        .fetch_optional(connection)
        .await
}
