//! What was recorded, read back: for listings, checkpoints and verification.

use sqlx::PgConnection;

use super::event::Action;
use super::list::{EventSummary, Filter};
use super::record::Record;
use super::store::AccountHead;
use crate::types::AccountId;

/// The query of `list`, with what its filters add.
macro_rules! select_events {
    ($filters:literal) => {
        concat!(
            "select sequence, occurred_at, action, outcome, acting_account_id, user_email, key_id, supplier_code, service,
                 environment, source, asked_account_id, subject_id, since, request_id, client_address
             from audit_events where account_id = $1 and sequence > $2",
            $filters,
            " order by sequence limit $3"
        )
    };
}

/// Events of an account in order. A statement for each set of filters, so that each can have the index that serves it.
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

/// Sees everything as it is at this moment, for as long as it takes, to the end of the transaction, which must have read
/// nothing yet.
pub(super) async fn hold_still(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *connection).await?;
    sqlx::query("set local statement_timeout = 0").execute(connection).await?;
    Ok(())
}

/// Which part of the chains is read: behind a place, up to an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub after: (AccountId, i64),
    pub last: AccountId,
    pub limit: i64,
}

/// A record and whose it is.
#[derive(sqlx::FromRow)]
pub(super) struct AccountRecord {
    pub account_id: AccountId,
    #[sqlx(flatten)]
    pub record: Record<String>,
}

/// Records by account and number.
pub(super) async fn records(connection: &mut PgConnection, part: Part) -> Result<Vec<AccountRecord>, sqlx::Error> {
    sqlx::query_as(
        "select account_id, format, sequence, occurred_at, action, acting_account_id, user_email, key_id, supplier_code,
             service, environment, subject_id, outcome, source, asked_account_id, since, request_id, client_address, mac
         from audit_events
         where (account_id, sequence) > ($1, $2) and account_id <= $3
         order by account_id, sequence limit $4",
    )
    .bind(part.after.0)
    .bind(part.after.1)
    .bind(part.last)
    .bind(part.limit)
    .fetch_all(connection)
    .await
}

/// Heads by account.
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

/// The records of one account from one number to another.
pub(super) async fn records_between(
    connection: &mut PgConnection,
    account: AccountId,
    first: i64,
    last: i64,
) -> Result<Vec<Record<String>>, sqlx::Error> {
    sqlx::query_as(
        "select format, sequence, occurred_at, action, acting_account_id, user_email, key_id, supplier_code, service,
             environment, subject_id, outcome, source, asked_account_id, since, request_id, client_address, mac
         from audit_events where account_id = $1 and sequence between $2 and $3 order by sequence",
    )
    .bind(account)
    .bind(first)
    .bind(last)
    .fetch_all(connection)
    .await
}

/// Accounts that have no head. Every account that the service made has at least the event of that.
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

/// Where a MAC stands, everywhere. Reads the whole table: only for what is damaged.
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
