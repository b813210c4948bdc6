//! Keeps the tables `audit_writers` and `audit_former_writers`, and the lock of a living instance.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// A hint of an instance: everything that it recorded until then is written.
#[derive(sqlx::FromRow)]
pub(super) struct Note {
    pub written_at: DateTime<Utc>,
    /// Authenticates the hint. Empty in notes of versions that did not.
    pub mac: Vec<u8>,
}

/// Returns the number of an instance's advisory lock.
fn lock_key(instance: Uuid) -> i64 {
    i64::from_be_bytes(instance.as_u64_pair().0.to_be_bytes())
}

/// Holds the lock of an instance for as long as the connection stands. The lock is shared, so that a connection that the
/// server has not noticed to be dead is in nobody's way.
pub(super) async fn hold_alive_lock(connection: &mut PgConnection, instance: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_lock_shared($1)").bind(lock_key(instance)).execute(connection).await?;
    Ok(())
}

/// Returns whether an instance is gone. If so, nobody else finds that out before the end of the transaction.
pub(super) async fn is_gone(connection: &mut PgConnection, instance: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(lock_key(instance)).fetch_one(connection).await
}

/// Stores the note of an instance.
pub(super) async fn insert_note(connection: &mut PgConnection, instance: Uuid, note: &Note) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into audit_writers (writer_id, written_at, mac) values ($1, $2, $3)
         on conflict on constraint audit_writers_pkey
             do update set written_at = excluded.written_at, mac = excluded.mac",
    )
    .bind(instance)
    .bind(note.written_at)
    .bind(&note.mac)
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces the note of an instance. Returns whether there was one.
pub(super) async fn update_note(
    connection: &mut PgConnection,
    instance: Uuid,
    note: &Note,
) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query("update audit_writers set written_at = $2, mac = $3 where writer_id = $1")
        .bind(instance)
        .bind(note.written_at)
        .bind(&note.mac)
        .execute(connection)
        .await?;
    Ok(updated.rows_affected() > 0)
}

/// Deletes and returns the note of an instance.
pub(super) async fn take_note(connection: &mut PgConnection, instance: Uuid) -> Result<Option<Note>, sqlx::Error> {
    sqlx::query_as("delete from audit_writers where writer_id = $1 returning written_at, coalesce(mac, '') as mac")
        .bind(instance)
        .fetch_optional(connection)
        .await
}

/// Lists the notes that versions without beginnings had left when the schema was migrated, and that are still there.
pub(super) async fn former_notes(connection: &mut PgConnection) -> Result<Vec<(Uuid, DateTime<Utc>)>, sqlx::Error> {
    sqlx::query_as(
        "select writer_id, former.written_at from audit_former_writers former join audit_writers using (writer_id)
         order by writer_id",
    )
    .fetch_all(connection)
    .await
}
