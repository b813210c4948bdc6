//! Reads records and heads: for listings, checkpoints and verification.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::event::Action;
use super::record::{Record, names};
use super::store::AccountHead;
use crate::types::{AccountId, SupplierCode};

/// Which events are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only events with a number above this one.
    pub after: i64,
    /// Only events of this action.
    pub action: Option<Action>,
    /// Only events about this supplier.
    pub supplier: Option<SupplierCode>,
}

/// An event in a listing.
#[derive(Debug, sqlx::FromRow)]
pub struct EventSummary {
    /// Its number in the account's chain, from 1.
    pub sequence: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The action's name on record.
    pub action: String,
    /// The outcome, as an HTTP status.
    pub outcome: Option<i16>,
    /// The account whose key was used; none if the operator acted on the command line.
    pub acting_account_id: Option<AccountId>,
    /// The e-mail address of the user who owns the key.
    pub user_email: Option<String>,
    /// The key, or the client.
    pub key_id: Option<Uuid>,
    /// The supplier that it is about.
    pub supplier_code: Option<String>,
    /// The service that it is about.
    pub service: Option<String>,
    /// The environment that it is about.
    pub environment: Option<String>,
    /// Of a resolve: the level that answered.
    pub source: Option<String>,
    /// Of a refused resolve: the account that was asked for, if it is another one.
    pub asked_account_id: Option<AccountId>,
    /// The key, client, user or instance that it is about.
    pub subject_id: Option<Uuid>,
    /// Of a gap: everything until then is on record.
    pub since: Option<DateTime<Utc>>,
    /// Of a call to a supplier, and of the resolve for it: the operation.
    pub operation: Option<String>,
    /// Of a call to a supplier: how long it took, in milliseconds.
    pub took_ms: Option<i64>,
    /// The request's id.
    pub request_id: Option<String>,
    /// The address from which the request came.
    pub client_address: Option<String>,
}

/// Makes the statement of `list` with the conditions of its filters.
macro_rules! select_events {
    ($filters:literal) => {
        concat!(
            "select ",
            names!(),
            " from audit_events where account_id = $1 and sequence > $2",
            $filters,
            " order by sequence limit $3"
        )
    };
}

/// Lists events of an account in order. A statement for each set of filters, so that each can have the index that serves it.
pub(super) async fn list(
    connection: &mut PgConnection,
    account: AccountId,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<EventSummary>, sqlx::Error> {
    let resolved = filter.action == Some(Action::CredentialsResolved);
    let statement = match (&filter.supplier, filter.action) {
        (None, None) => select_events!(""),
        (Some(_), None) => select_events!(" and supplier_code = $4"),
        (None, Some(_)) if resolved => select_events!(" and action = $4"),
        (Some(_), Some(_)) if resolved => select_events!(" and supplier_code = $4 and action = $5"),
        // The condition of the index over actions.
        (None, Some(_)) => select_events!(" and action = $4 and action <> 'credentials.resolved'"),
        (Some(_), Some(_)) => {
            select_events!(" and supplier_code = $4 and action = $5 and action <> 'credentials.resolved'")
        }
    };
    let mut query = sqlx::query_as(statement).bind(account).bind(filter.after).bind(limit);
    if let Some(supplier) = &filter.supplier {
        query = query.bind(supplier.as_str());
    }
    if let Some(action) = filter.action {
        query = query.bind(action.as_str());
    }
    query.fetch_all(connection).await
}

/// Makes the transaction, which must have read nothing yet, read the database as it is at this moment, without a time
/// limit.
pub(super) async fn freeze_snapshot(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *connection).await?;
    sqlx::query("set local statement_timeout = 0").execute(connection).await?;
    Ok(())
}

/// Part of the chains: after a place, up to an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub after: (AccountId, i64),
    pub last: AccountId,
    pub limit: i64,
}

/// A record with its account.
#[derive(sqlx::FromRow)]
pub(super) struct AccountRecord {
    pub account_id: AccountId,
    #[sqlx(flatten)]
    pub record: Record<String>,
}

/// Reads records by account and number.
pub(super) async fn records(connection: &mut PgConnection, part: Part) -> Result<Vec<AccountRecord>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select ",
        names!(),
        " from audit_events where (account_id, sequence) > ($1, $2) and account_id <= $3
         order by account_id, sequence limit $4"
    ))
    .bind(part.after.0)
    .bind(part.after.1)
    .bind(part.last)
    .bind(part.limit)
    .fetch_all(connection)
    .await
}

/// A record of the operator's chain about a recording, with the MAC of its predecessor.
#[derive(sqlx::FromRow)]
pub(super) struct RecordingRecord {
    pub previous: Vec<u8>,
    #[sqlx(flatten)]
    pub record: Record<String>,
}

/// Reads records of the operator's chain about beginnings and ends of recordings, some after a number.
pub(super) async fn recording_records(
    connection: &mut PgConnection,
    after: i64,
) -> Result<Vec<RecordingRecord>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select ",
        names!(),
        ", coalesce((select before.mac from audit_events before
                     where before.account_id = 0 and before.sequence = event.sequence - 1), '') as previous
         from audit_events event
         where account_id = 0 and sequence > $1
             and action in ('resolves.begun', 'resolves.ended', 'resolves.gap') and action <> 'credentials.resolved'
         order by sequence limit 1000"
    ))
    .bind(after)
    .fetch_all(connection)
    .await
}

/// Reads heads by account.
pub(super) async fn heads(connection: &mut PgConnection, part: Part) -> Result<Vec<AccountHead>, sqlx::Error> {
    sqlx::query_as(
        "select account_id, sequence, mac from audit_heads
         where account_id > $1 and account_id <= $2 order by account_id limit $3",
    )
    .bind(part.after.0)
    .bind(part.last)
    .bind(part.limit)
    .fetch_all(connection)
    .await
}

/// Reads the records of one account from one number to another.
pub(super) async fn records_between(
    connection: &mut PgConnection,
    account: AccountId,
    first: i64,
    last: i64,
) -> Result<Vec<Record<String>>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select ",
        names!(),
        " from audit_events where account_id = $1 and sequence between $2 and $3 order by sequence"
    ))
    .bind(account)
    .bind(first)
    .bind(last)
    .fetch_all(connection)
    .await
}

/// Finds accounts that have no head. Every account that the service made has at least the event of its making.
pub(super) async fn accounts_without_head(
    connection: &mut PgConnection,
    part: Part,
) -> Result<Vec<AccountId>, sqlx::Error> {
    sqlx::query_scalar(
        "select id from accounts
         where id <> 0 and id > $1 and id <= $2
             and not exists (select from audit_heads where account_id = accounts.id)
         order by id limit $3",
    )
    .bind(part.after.0)
    .bind(part.last)
    .bind(part.limit)
    .fetch_all(connection)
    .await
}

/// Finds the records of all accounts that carry one of these MACs. Reads the whole table: only for damaged records.
pub(super) async fn places_of(
    connection: &mut PgConnection,
    macs: &[Vec<u8>],
) -> Result<Vec<(AccountId, i64, Vec<u8>)>, sqlx::Error> {
    sqlx::query_as(
        "select account_id, sequence, mac from audit_events where mac = any($1) order by account_id, sequence limit 1000",
    )
    .bind(macs)
    .fetch_all(connection)
    .await
}
