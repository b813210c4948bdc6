//! The table `api_keys`.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::{KeySummary, NewKey};
use crate::api_key::{KeyHash, Kind};
use crate::principal::Scope;
use crate::types::AccountId;

/// What authentication needs to know of a key.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct KeyRow {
    pub account_id: AccountId,
    pub id: Uuid,
    pub user_email: String,
    pub scopes: Vec<String>,
    pub is_operator: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The key with this hash, whatever its state. The only query on a tenant's rows that does not know the tenant yet.
pub(crate) async fn find_by_hash(executor: impl PgExecutor<'_>, hash: &KeyHash) -> Result<Option<KeyRow>, sqlx::Error> {
    sqlx::query_as(
        "select k.account_id, k.id, u.email as user_email, k.scopes, k.is_operator, k.expires_at, k.revoked_at
         from api_keys k join users u on u.account_id = k.account_id and u.id = k.user_id
         where k.hash = $1",
    )
    .bind(hash.0.as_slice())
    .fetch_optional(executor)
    .await
}

/// How many keys of the account work at this moment; `None` if there is no such account. Holds the account's row until the
/// end of the transaction.
pub(super) async fn lock_and_count_active(
    connection: &mut PgConnection,
    account: AccountId,
    now: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    let locked: Option<AccountId> =
        sqlx::query_scalar("select id from accounts where id = $1 and id <> 0 for no key update")
            .bind(account)
            .fetch_optional(&mut *connection)
            .await?;
    if locked.is_none() {
        return Ok(None);
    }
    // A statement of its own: only what began after the lock was granted sees the keys that the last holder made.
    sqlx::query_scalar(
        "select count(*) from api_keys
         where account_id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)",
    )
    .bind(account)
    .bind(now)
    .fetch_one(connection)
    .await
    .map(Some)
}

#[allow(clippy::too_many_arguments, reason = "one per column")]
pub(super) async fn insert(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
    user_id: Uuid,
    new: &NewKey,
    hash: &KeyHash,
    last_four: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into api_keys (account_id, id, user_id, name, kind, hash, last_four, scopes, is_operator, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(account)
    .bind(id)
    .bind(user_id)
    .bind(new.name.as_str())
    .bind(new.kind.as_str())
    .bind(hash.0.as_slice())
    .bind(last_four)
    .bind(new.scopes.iter().map(|scope| Scope::as_str(*scope)).collect::<Vec<_>>())
    .bind(new.is_operator)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The hash of the key that was revoked; `None` if there is none or it was revoked before.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<[u8; 32]>, sqlx::Error> {
    sqlx::query_scalar(
        "update api_keys set revoked_at = $3 where account_id = $1 and id = $2 and revoked_at is null returning hash",
    )
    .bind(account)
    .bind(id)
    .bind(now)
    .fetch_optional(connection)
    .await
}

pub(super) async fn list(executor: impl PgExecutor<'_>, account: AccountId) -> Result<Vec<KeySummary>, sqlx::Error> {
    sqlx::query_as(
        "select k.id, k.name, k.kind, k.last_four, k.scopes, k.is_operator, k.created_at, u.email, k.expires_at,
             k.revoked_at
         from api_keys k join users u on u.account_id = k.account_id and u.id = k.user_id
         where k.account_id = $1 order by k.created_at, k.id",
    )
    .bind(account)
    .fetch_all(executor)
    .await
}

impl FromRow<'_, PgRow> for KeySummary {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let kind = if row.try_get::<&str, _>("kind")? == Kind::Public.as_str() { Kind::Public } else { Kind::Private };
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            masked: format!("{}…{}", kind.prefix(), row.try_get::<&str, _>("last_four")?),
            public: kind == Kind::Public,
            scopes: row.try_get("scopes")?,
            operator: row.try_get("is_operator")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("email")?,
            expires_at: row.try_get("expires_at")?,
            revoked_at: row.try_get("revoked_at")?,
        })
    }
}
