//! The tables `accounts` and `users`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{AccountStatus, AccountSummary, NewAccount};
use crate::types::AccountId;

pub(super) async fn insert(
    connection: &mut PgConnection,
    account: &NewAccount,
    now: DateTime<Utc>,
) -> Result<AccountId, sqlx::Error> {
    sqlx::query_scalar(
        "insert into accounts (name, plan, subaccounts_enabled, created_at, modified_on)
         values ($1, $2, $3, $4, $4) returning id",
    )
    .bind(account.name.as_str())
    .bind(account.plan.as_str())
    .bind(account.subaccounts_enabled)
    .bind(now)
    .fetch_one(connection)
    .await
}

pub(super) async fn list(executor: impl PgExecutor<'_>) -> Result<Vec<AccountSummary>, sqlx::Error> {
    sqlx::query_as("select id, parent_id, name, plan, is_active, created_at from accounts where id <> 0 order by id")
        .fetch_all(executor)
        .await
}

pub(super) async fn status(
    executor: impl PgExecutor<'_>,
    account: AccountId,
) -> Result<Option<AccountStatus>, sqlx::Error> {
    sqlx::query_as("select parent_id, is_active from accounts where id = $1 and id <> 0")
        .bind(account)
        .fetch_optional(executor)
        .await
}

pub(super) async fn insert_user(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into users (account_id, id, email, created_at) values ($1, $2, $3, $4)")
        .bind(account)
        .bind(id)
        .bind(email)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Id and e-mail of the user with this e-mail, or of the oldest one.
pub(super) async fn find_user(
    connection: &mut PgConnection,
    account: AccountId,
    email: Option<&str>,
) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as(
        "select id, email from users where account_id = $1 and ($2::text is null or email = $2)
         order by created_at, id limit 1",
    )
    .bind(account)
    .bind(email)
    .fetch_optional(connection)
    .await
}
