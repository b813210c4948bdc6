//! Calls of the functions of `migrations/0013_instances.sql` and `0076_authenticated_messages.sql`.

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

/// An instance that may answer from memory, as a write finds it.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct Member {
    pub id: Uuid,
    pub name: String,
    pub lease_ms: u64,
    /// Which messages it understands.
    pub protocol: i16,
}

/// The data that a transaction needs before it commits.
#[derive(Debug, FromRow)]
pub(super) struct Prepared {
    /// The owners that it changed, as messages, one a line.
    pub changed: String,
    /// The other instances that may have them in memory.
    pub members: Json<Vec<Member>>,
}

/// An instance's renewals, as another one sees them.
#[derive(Debug, FromRow)]
pub(super) struct Seen {
    pub id: Uuid,
    pub name: String,
    pub lease_ms: i64,
    pub renewals: i64,
    pub protocol: i16,
}

pub(super) async fn join(
    executor: impl PgExecutor<'_>,
    instance: Uuid,
    name: &str,
    lease_ms: i64,
    message: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("select join_members($1, $2, $3, $4)")
        .bind(instance)
        .bind(name)
        .bind(lease_ms)
        .bind(message)
        .execute(executor)
        .await
        .map(|_| ())
}

pub(super) async fn renew(
    executor: impl PgExecutor<'_>,
    instance: Uuid,
    renewal: i64,
    message: &str,
) -> Result<Vec<Seen>, sqlx::Error> {
    sqlx::query_as("select id, name, lease_ms, renewals, protocol from renew_membership($1, $2, $3)")
        .bind(instance)
        .bind(renewal)
        .bind(message)
        .fetch_all(executor)
        .await
}

/// Removes an instance; only if it renewed no more than `renewal` times, if that is given. Returns whether it was there.
pub(super) async fn remove(
    executor: impl PgExecutor<'_>,
    instance: Uuid,
    renewal: Option<i64>,
    message: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select remove_member($1, $2, $3)")
        .bind(instance)
        .bind(renewal)
        .bind(message)
        .fetch_one(executor)
        .await
}

pub(super) async fn prepare_commit(
    connection: &mut PgConnection,
    change: Uuid,
    instance: Uuid,
    done: &str,
) -> Result<Prepared, sqlx::Error> {
    sqlx::query_as("select changed, members from prepare_commit_of($1, $2, $3)")
        .bind(change)
        .bind(instance)
        .bind(done)
        .fetch_one(connection)
        .await
}

/// Announces a change of the transaction, as the triggers do.
pub(super) async fn announce(connection: &mut PgConnection, message: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select announce_change($1)").bind(message).execute(connection).await.map(|_| ())
}

/// A message, ready to be sent on a channel.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub channel: &'static str,
    pub text: String,
}

/// Sends messages to every instance, in one round trip.
pub(super) async fn send(executor: impl PgExecutor<'_>, notices: &[Notice]) -> Result<(), sqlx::Error> {
    let (channels, texts): (Vec<_>, Vec<_>) = notices.iter().map(|notice| (notice.channel, &*notice.text)).unzip();
    sqlx::query("select pg_notify(channel, message) from unnest($1::text[], $2::text[]) notice (channel, message)")
        .bind(channels)
        .bind(texts)
        .execute(executor)
        .await
        .map(|_| ())
}

/// An instance in the table, as an operator sees it.
#[derive(Clone, Debug, FromRow)]
pub struct Instance {
    /// The client's id.
    pub name: String,
    /// How long a renewal lasts.
    pub lease_ms: i64,
    /// How long ago the last one was.
    pub renewed_ms_ago: i64,
}

pub(super) async fn instances(executor: impl PgExecutor<'_>) -> Result<Vec<Instance>, sqlx::Error> {
    sqlx::query_as(
        "select name, lease_ms, (extract(epoch from clock_timestamp() - renewed_at) * 1000)::bigint as renewed_ms_ago
         from instances order by name, id",
    )
    .fetch_all(executor)
    .await
}

/// Sends a notification on another channel.
pub(super) async fn notify(executor: impl PgExecutor<'_>, channel: &str, message: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_notify($1, $2)").bind(channel).bind(message).execute(executor).await.map(|_| ())
}
