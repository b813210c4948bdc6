//! The tenant whose rows a transaction may see and change: a setting that ends with it, and that the row security of the tables
//! asks for. Without it there are no rows.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::types::AccountId;

/// The tenant of a transaction.
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
    match tenant.into() {
        Tenant::Account(account) => {
            // Several statements in one message take no parameters.
            #[allow(clippy::disallowed_types, reason = "the only thing put into it is a number")]
            let statement = sqlx::AssertSqlSafe(format!(
                "begin isolation level read committed; set local credenza.account_id = '{account}'"
            ));
            pool.begin_with(statement).await
        }
        Tenant::Every => {
            pool.begin_with("begin isolation level read committed; set local credenza.every_account = 'on'").await
        }
    }
}

/// Begins to read the rows of every account as they are at one moment.
pub async fn snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with("begin isolation level repeatable read read only; set local credenza.every_account = 'on'").await
}

/// Goes on with the rows of one other account, to the end of the transaction: of an account that was just made, or of a
/// sub-account after the row of its parent.
pub async fn switch_tenant(connection: &mut PgConnection, account: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query("select set_config('credenza.account_id', $1, true), set_config('credenza.every_account', '', true)")
        .bind(account.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
