//! The tables `audit_events`, `audit_heads` and `audit_writers`.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use super::record::Record;
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

/// Records of one or several chains on their way into the database, column by column, and the ends that they make.
#[derive(Default)]
pub(super) struct Columns<'a> {
    account_id: Vec<i64>,
    format: Vec<i16>,
    sequence: Vec<i64>,
    occurred_at: Vec<DateTime<Utc>>,
    action: Vec<Cow<'a, str>>,
    acting_account_id: Vec<Option<i64>>,
    user_email: Vec<Option<Cow<'a, str>>>,
    key_id: Vec<Option<Uuid>>,
    supplier_code: Vec<Option<Cow<'a, str>>>,
    service: Vec<Option<Cow<'a, str>>>,
    environment: Vec<Option<Cow<'a, str>>>,
    subject_id: Vec<Option<Uuid>>,
    outcome: Vec<Option<i16>>,
    source: Vec<Option<Cow<'a, str>>>,
    asked_account_id: Vec<Option<i64>>,
    since: Vec<Option<DateTime<Utc>>>,
    request_id: Vec<Option<Cow<'a, str>>>,
    client_address: Vec<Option<Cow<'a, str>>>,
    mac: Vec<Vec<u8>>,
    heads: Vec<AccountHead>,
}

impl<'a> Columns<'a> {
    /// Adds a record. Those of an account come together, in order.
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
        self.account_id.push(account.0);
        self.format.push(record.format);
        self.sequence.push(record.sequence);
        self.occurred_at.push(record.occurred_at);
        self.action.push(record.action);
        self.acting_account_id.push(record.acting_account_id.map(|account| account.0));
        self.user_email.push(record.user_email);
        self.key_id.push(record.key_id);
        self.supplier_code.push(record.supplier_code);
        self.service.push(record.service);
        self.environment.push(record.environment);
        self.subject_id.push(record.subject_id);
        self.outcome.push(record.outcome);
        self.source.push(record.source);
        self.asked_account_id.push(record.asked_account_id.map(|account| account.0));
        self.since.push(record.since);
        self.request_id.push(record.request_id);
        self.client_address.push(record.client_address);
        self.mac.push(record.mac);
    }

    /// The ends of the chains.
    pub fn heads(&self) -> &[AccountHead] {
        &self.heads
    }
}

/// What is inserted, from a source that has the columns in this order.
macro_rules! insert_events {
    ($before:literal, $source:literal) => {
        concat!(
            $before,
            " insert into audit_events (account_id, format, sequence, occurred_at, action, acting_account_id, user_email,
                 key_id, supplier_code, service, environment, subject_id, outcome, source, asked_account_id, since,
                 request_id, client_address, mac) ",
            $source
        )
    };
}

/// Appends a record and moves the head behind it, in one statement. What [`append`] does, but a function scan for each column
/// costs more than the rest of a statement for one row.
pub(super) async fn append_one(
    connection: &mut PgConnection,
    account: AccountId,
    record: &Record<Cow<'_, str>>,
) -> Result<(), sqlx::Error> {
    sqlx::query::<Postgres>(insert_events!(
        "with heads as (update audit_heads set sequence = $3, mac = $19 where account_id = $1)",
        "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
    ))
    .bind(account)
    .bind(record.format)
    .bind(record.sequence)
    .bind(record.occurred_at)
    .bind(&record.action)
    .bind(record.acting_account_id)
    .bind(&record.user_email)
    .bind(record.key_id)
    .bind(&record.supplier_code)
    .bind(&record.service)
    .bind(&record.environment)
    .bind(record.subject_id)
    .bind(record.outcome)
    .bind(&record.source)
    .bind(record.asked_account_id)
    .bind(record.since)
    .bind(&record.request_id)
    .bind(&record.client_address)
    .bind(&record.mac)
    .execute(connection)
    .await?;
    Ok(())
}

/// Appends records and moves the heads behind them, in one statement.
pub(super) async fn append(connection: &mut PgConnection, columns: Columns<'_>) -> Result<(), sqlx::Error> {
    let mut heads: (Vec<i64>, Vec<i64>, Vec<Vec<u8>>) = Default::default();
    for AccountHead { account_id, head } in columns.heads {
        heads.0.push(account_id.0);
        heads.1.push(head.sequence);
        heads.2.push(head.mac);
    }
    sqlx::query::<Postgres>(insert_events!(
        "with heads as (
             update audit_heads set sequence = head.sequence, mac = head.mac
             from unnest($20::bigint[], $21::bigint[], $22::bytea[]) as head (account_id, sequence, mac)
             where audit_heads.account_id = head.account_id)",
        "select * from unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::bigint[],
             $7::text[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::uuid[], $13::smallint[], $14::text[],
             $15::bigint[], $16::timestamptz[], $17::text[], $18::text[], $19::bytea[])"
    ))
    .bind(columns.account_id)
    .bind(columns.format)
    .bind(columns.sequence)
    .bind(columns.occurred_at)
    .bind(columns.action)
    .bind(columns.acting_account_id)
    .bind(columns.user_email)
    .bind(columns.key_id)
    .bind(columns.supplier_code)
    .bind(columns.service)
    .bind(columns.environment)
    .bind(columns.subject_id)
    .bind(columns.outcome)
    .bind(columns.source)
    .bind(columns.asked_account_id)
    .bind(columns.since)
    .bind(columns.request_id)
    .bind(columns.client_address)
    .bind(columns.mac)
    .bind(heads.0)
    .bind(heads.1)
    .bind(heads.2)
    .execute(connection)
    .await?;
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
