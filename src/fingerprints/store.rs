//! The table `secret_fingerprints`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};

/// A fingerprint as it is stored.
#[derive(FromRow)]
pub(super) struct Row {
    /// Name of the secret.
    pub secret: String,
    /// A MAC, or a wrapped check value.
    pub fingerprint: Vec<u8>,
    /// Of a check value, the id of the key-encryption key that wrapped it.
    pub kek_id: Option<String>,
    /// Time of the first use.
    pub first_used_at: DateTime<Utc>,
}

/// Reads every fingerprint.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as("select secret, fingerprint, kek_id, first_used_at from secret_fingerprints")
        .fetch_all(connection)
        .await
}

/// Stores a fingerprint, unless there is one of that secret by now.
pub(super) async fn insert(connection: &mut PgConnection, row: &Row) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into secret_fingerprints (secret, fingerprint, kek_id, first_used_at) values ($1, $2, $3, $4)
         on conflict on constraint secret_fingerprints_pkey do nothing",
    )
    .bind(&row.secret)
    .bind(&row.fingerprint)
    .bind(&row.kek_id)
    .bind(row.first_used_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces the check value of a key service's key by one of another version. The time of the first use stays.
pub(super) async fn replace(connection: &mut PgConnection, row: &Row) -> Result<(), sqlx::Error> {
    sqlx::query("update secret_fingerprints set fingerprint = $2, kek_id = $3 where secret = $1 and kek_id <> $3")
        .bind(&row.secret)
        .bind(&row.fingerprint)
        .bind(&row.kek_id)
        .execute(connection)
        .await?;
    Ok(())
}
