//! The table `data_key_rotations`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

use crate::types::AccountId;

/// A rotation that was begun and is not finished.
#[derive(FromRow)]
pub(super) struct Run {
    pub id: i64,
    pub started_at: DateTime<Utc>,
}

/// The unfinished rotation of these accounts, begun now if there is none.
pub(super) async fn begin_rotation(
    connection: &mut PgConnection,
    only: Option<AccountId>,
    now: DateTime<Utc>,
) -> Result<Run, sqlx::Error> {
    sqlx::query("insert into data_key_rotations (only_account, started_at) values ($1, $2) on conflict do nothing")
        .bind(only)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query_as(
        "select id, started_at from data_key_rotations
         where only_account is not distinct from $1 and finished_at is null",
    )
    .bind(only)
    .fetch_one(connection)
    .await
}

/// Notes that a rotation is finished.
pub(super) async fn finish_rotation(
    connection: &mut PgConnection,
    run: &Run,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("update data_key_rotations set finished_at = coalesce(finished_at, $2) where id = $1")
        .bind(run.id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}
