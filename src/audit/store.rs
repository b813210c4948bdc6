//! Extends chains: the tables `audit_events` and `audit_heads`.

use std::borrow::Cow;

use sqlx::PgConnection;

use super::record::{Columns, Record, arrays, names, values};
use crate::types::AccountId;

/// The end of an account's chain. Sequence 0 and no MAC before its first event.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Head {
    pub sequence: i64,
    pub mac: Vec<u8>,
}

impl Head {
    /// Returns the number of the next record; none if no chain can end like this.
    pub fn next_sequence(&self) -> Option<i64> {
        let is_possible = self.sequence > 0 || self.sequence == 0 && self.mac.is_empty();
        is_possible.then(|| self.sequence.checked_add(1)).flatten()
    }
}

/// A chain that does not end with the record that its head names, so that nothing can be chained to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chain does not end with the record that its head names")]
pub(super) struct BrokenChain;

impl From<BrokenChain> for sqlx::Error {
    fn from(broken: BrokenChain) -> Self {
        sqlx::Error::Decode(Box::new(broken))
    }
}

/// Returns whether an error comes from what is stored in a chain, so that other chains can be extended all the same.
pub(super) fn is_about_a_chain(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Decode(error) => error.is::<BrokenChain>(),
        // Class 22: a value; 23: a constraint; P0: a trigger; XX001 and XX002: a damaged page or index.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["22", "23", "P0"].iter().any(|class| code.starts_with(class)) || ["XX001", "XX002"].contains(&&*code)
        }),
        _ => false,
    }
}

/// The end of one of several chains.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct AccountHead {
    pub account_id: AccountId,
    #[sqlx(flatten)]
    pub head: Head,
}

/// Locks and returns the head of the account's chain, which it makes if there is none.
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

/// Locks and returns those of the heads that nobody else has locked.
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

/// Limits the wait for a lock that somebody else holds, to the end of the transaction.
pub(super) async fn limit_lock_wait(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("set local lock_timeout = 50").execute(connection).await?;
    Ok(())
}

/// Makes plans use indexes, to the end of the transaction. A plan that was made while a table was small stays in use while it
/// grows.
pub(super) async fn avoid_table_scans(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("set local enable_seqscan = off").execute(connection).await?;
    Ok(())
}

/// Returns whether the wait for a lock was given up.
pub(super) fn waited_too_long(error: &sqlx::Error) -> bool {
    // lock_not_available
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03"))
}

/// Records of one or several chains on their way into the database, with the heads before and after them.
#[derive(Default)]
pub(super) struct Batch<'a> {
    columns: Columns<Cow<'a, str>>,
    /// Heads that name a record, before the batch.
    before: Vec<AccountHead>,
    heads: Vec<AccountHead>,
}

impl<'a> Batch<'a> {
    /// Begins with the records of an account, whose chain ends here.
    pub fn start(&mut self, account: AccountId, head: &Head) {
        let head = AccountHead { account_id: account, head: head.clone() };
        if head.head.sequence > 0 {
            self.before.push(head.clone());
        }
        self.heads.push(head);
    }

    /// Adds a record of the account with which it was started last.
    pub fn push(&mut self, account: AccountId, record: Record<Cow<'a, str>>) {
        if let Some(AccountHead { head, .. }) = self.heads.last_mut() {
            head.sequence = record.sequence;
            head.mac.clone_from(&record.mac);
        }
        self.columns.push(account, record);
    }

    /// Returns the heads after the batch.
    pub fn heads(&self) -> &[AccountHead] {
        &self.heads
    }
}

/// Heads as three parameters.
fn unzip(heads: Vec<AccountHead>) -> (Vec<AccountId>, Vec<i64>, Vec<Vec<u8>>) {
    heads.into_iter().map(|AccountHead { account_id, head }| (account_id, head.sequence, head.mac)).collect()
}

/// Appends a record to the one that the head `before` names, and moves the head to it, in one statement. Does for one row what
/// [`append`] does for several, because a function scan for each column costs more than the rest of the statement.
pub(super) async fn append_one(
    connection: &mut PgConnection,
    account: AccountId,
    before: &Head,
    record: &Record<Cow<'_, str>>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(concat!(
        "with heads as (update audit_heads set sequence = $3, mac = $21 where account_id = $1)
         insert into audit_events (",
        names!(),
        ") select ",
        values!(),
        " where $3 = 1 or $22 = (select mac from audit_events where account_id = $1 and sequence = $3 - 1)"
    ));
    let appended = record.bind(account, query).bind(&before.mac).execute(connection).await?;
    if appended.rows_affected() == 0 { Err(BrokenChain.into()) } else { Ok(()) }
}

/// Appends records to those that the heads before them name, and moves the heads to the last of them, in one statement.
pub(super) async fn append(connection: &mut PgConnection, batch: Batch<'_>) -> Result<(), sqlx::Error> {
    let query = sqlx::query(concat!(
        "with heads as (
             update audit_heads set sequence = head.sequence, mac = head.mac
             from unnest($22::bigint[], $23::bigint[], $24::bytea[]) as head (account_id, sequence, mac)
             where audit_heads.account_id = head.account_id)
         insert into audit_events (",
        names!(),
        ") select * from unnest(",
        arrays!(),
        ") where not exists (
             select from unnest($25::bigint[], $26::bigint[], $27::bytea[]) as before (account_id, sequence, mac)
             where before.mac is distinct from (
                 select mac from audit_events
                 where account_id = before.account_id and sequence = before.sequence))"
    ));
    let (before, after) = (unzip(batch.before), unzip(batch.heads));
    let query = batch.columns.bind(query).bind(after.0).bind(after.1).bind(after.2);
    let appended = query.bind(before.0).bind(before.1).bind(before.2).execute(connection).await?;
    if appended.rows_affected() == 0 { Err(BrokenChain.into()) } else { Ok(()) }
}

/// Returns whether the account's chain has this record.
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
