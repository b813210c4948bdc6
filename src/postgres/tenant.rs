//! Whose rows a transaction may see and change: a setting that ends with it, and that the row security of the tables
//! asks for. Without it there are no rows.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::types::AccountId;

/// Whose rows a transaction works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// Those of one account, and the entries of its sub-accounts in the table of accounts.
    Account(AccountId),
    /// Those of every account: for the few operations on the whole installation.
    Every,
}

impl From<AccountId> for Tenant {
    fn from(account: AccountId) -> Self {
        Tenant::Account(account)
    }
}

/// Begins a transaction on the tenant's rows, in one round trip.
pub async fn begin(pool: &PgPool, tenant: impl Into<Tenant>) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    begin_with(pool, tenant.into(), "").await
}

/// The same for a writer that has every instance hold what it changes before it commits. The triggers announce nothing then
/// (`migrations/0060_writers_that_hold_say_no_more.sql`).
pub async fn begin_holding(
    pool: &PgPool,
    tenant: impl Into<Tenant>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    begin_with(pool, tenant.into(), "; set local credenza.writer_holds = 'on'").await
}

async fn begin_with(
    pool: &PgPool,
    tenant: Tenant,
    settings: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let tenant = match tenant {
        Tenant::Account(account) => format!("credenza.account_id = '{account}'"),
        Tenant::Every => "credenza.every_account = 'on'".to_owned(),
    };
    // Several statements in one message take no parameters.
    #[allow(clippy::disallowed_types, reason = "the only thing put into it is a number")]
    let statement = sqlx::AssertSqlSafe(format!("begin; set local {tenant}{settings}"));
    pool.begin_with(statement).await
}

/// Begins to read the rows of every account as they are at one moment.
pub async fn snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with("begin isolation level repeatable read read only; set local credenza.every_account = 'on'").await
}

/// Goes on with the rows of one other account, to the end of the transaction: of an account that was just made, or of a
/// sub-account after what its parent has to say of it.
pub async fn go_on_as(connection: &mut PgConnection, account: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query("select set_config('credenza.account_id', $1, true), set_config('credenza.every_account', '', true)")
        .bind(account.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
