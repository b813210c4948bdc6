//! A fresh cluster of our own, made ready: the roles and the database. An installation with its own Postgres does this
//! once by hand.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

/// The database.
pub const DATABASE: &str = "credenza";
/// The role that owns the schema.
pub const OWNER: &str = "credenza_owner";
/// The role that the service works as: it owns nothing and cannot bypass row security.
pub const APPLICATION: &str = "credenza";

/// Makes the two roles, sets their passwords, and makes the database. Can be repeated at every start.
pub async fn bootstrap(
    administrator: &PgConnectOptions,
    owner_password: &str,
    application_password: &str,
) -> Result<(), sqlx::Error> {
    let mut connection = administrator.connect().await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("select set_config('credenza.owner', $1, true), set_config('credenza.application', $2, true)")
        .bind(owner_password)
        .bind(application_password)
        .execute(&mut *transaction)
        .await?;
    sqlx::raw_sql(
        "do $$
        begin
            if not exists (select from pg_roles where rolname = 'credenza_owner') then
                create role credenza_owner login;
            end if;
            if not exists (select from pg_roles where rolname = 'credenza') then
                create role credenza login;
            end if;
            execute format('alter role credenza_owner password %L', current_setting('credenza.owner'));
            execute format('alter role credenza password %L', current_setting('credenza.application'));
        end $$",
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let exists = sqlx::query("select 1 from pg_database where datname = 'credenza'");
    if exists.fetch_optional(&mut connection).await?.is_none() {
        sqlx::query("create database credenza owner credenza_owner").execute(&mut connection).await?;
    }
    connection.close().await
}
