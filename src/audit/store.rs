//! The tables `audit_events` and `audit_heads`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::types::AccountId;

/// The end of an account's chain. Sequence 0 and no MAC before its first event.
#[derive(sqlx::FromRow)]
pub(super) struct Head {
    pub sequence: i64,
    pub mac: Vec<u8>,
}

/// An event as it is stored.
#[derive(sqlx::FromRow)]
pub(super) struct Record {
    pub sequence: i64,
    pub occurred_at: DateTime<Utc>,
    pub action: String,
    pub acting_account_id: Option<AccountId>,
    pub user_email: Option<String>,
    pub key_id: Option<Uuid>,
    pub supplier_code: Option<String>,
    pub service: Option<String>,
    pub environment: Option<String>,
    pub subject_id: Option<Uuid>,
    pub request_id: Option<String>,
    pub client_address: Option<String>,
    pub mac: Vec<u8>,
}

/// Locks and returns the end of the account's chain, begun now if it has none.
pub(super) async fn lock_head(connection: &mut PgConnection, account: AccountId) -> Result<Head, sqlx::Error> {
    sqlx::query_as(
        "insert into audit_heads (account_id, sequence, mac) values ($1, 0, '')
         on conflict on constraint audit_heads_pkey do update set sequence = audit_heads.sequence
         returning sequence, mac",
    )
    .bind(account)
    .fetch_one(connection)
    .await
}

/// Appends records and moves the head behind them, in one statement.
pub(super) async fn append(
    connection: &mut PgConnection,
    account: AccountId,
    records: &[Record],
) -> Result<(), sqlx::Error> {
    let Some(last) = records.last() else { return Ok(()) };
    sqlx::query(
        "with head as (update audit_heads set sequence = $2, mac = $3 where account_id = $1)
         insert into audit_events (account_id, sequence, occurred_at, action, acting_account_id, user_email, key_id,
             supplier_code, service, environment, subject_id, request_id, client_address, mac)
         select $1, * from unnest($4::bigint[], $5::timestamptz[], $6::text[], $7::bigint[], $8::text[], $9::uuid[],
             $10::text[], $11::text[], $12::text[], $13::uuid[], $14::text[], $15::text[], $16::bytea[])",
    )
    .bind(account)
    .bind(last.sequence)
    .bind(&last.mac)
    .bind(column(records, |r| r.sequence))
    .bind(column(records, |r| r.occurred_at))
    .bind(column(records, |r| r.action.clone()))
    .bind(column(records, |r| r.acting_account_id.map(|account| account.0)))
    .bind(column(records, |r| r.user_email.clone()))
    .bind(column(records, |r| r.key_id))
    .bind(column(records, |r| r.supplier_code.clone()))
    .bind(column(records, |r| r.service.clone()))
    .bind(column(records, |r| r.environment.clone()))
    .bind(column(records, |r| r.subject_id))
    .bind(column(records, |r| r.request_id.clone()))
    .bind(column(records, |r| r.client_address.clone()))
    .bind(column(records, |r| r.mac.clone()))
    .execute(connection)
    .await?;
    Ok(())
}

fn column<T>(records: &[Record], value: impl Fn(&Record) -> T) -> Vec<T> {
    records.iter().map(value).collect()
}

/// The last record of a chain.
#[derive(sqlx::FromRow)]
pub(super) struct End {
    pub account_id: AccountId,
    /// The MAC of the record before it; empty if it is the first.
    pub previous: Vec<u8>,
    #[sqlx(flatten)]
    pub record: Record,
}

/// The last records of some chains.
pub(super) async fn ends(connection: &mut PgConnection, limit: i64) -> Result<Vec<End>, sqlx::Error> {
    sqlx::query_as(
        "select e.account_id, coalesce(p.mac, '') as previous, e.sequence, e.occurred_at, e.action,
             e.acting_account_id, e.user_email, e.key_id, e.supplier_code, e.service, e.environment, e.subject_id,
             e.request_id, e.client_address, e.mac
         from audit_heads h
         join audit_events e on e.account_id = h.account_id and e.sequence = h.sequence
         left join audit_events p on p.account_id = e.account_id and p.sequence = e.sequence - 1
         order by e.account_id limit $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await
}
