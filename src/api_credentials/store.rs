//! The tables `api_keys` and `api_key_uses`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::{KeySummary, NewKey};
use crate::api_key::{KeyHash, Kind, Pepper};
use crate::principal::{Limits, Scope};
use crate::rights;
use crate::types::AccountId;

/// When keys were last used.
pub(super) type Uses = HashMap<(AccountId, Uuid), DateTime<Utc>>;

/// A key as it is stored, with its owner.
#[derive(Clone)]
pub(crate) struct StoredKey {
    pub account_id: AccountId,
    pub id: Uuid,
    pub user_id: Uuid,
    /// The person on record for it.
    pub user_email: String,
    /// Its owner, if only the outside issuer knows them.
    pub owner: Option<String>,
    pub name: String,
    pub kind: Kind,
    pub hash: KeyHash,
    pub scopes: Vec<Scope>,
    pub allowed_ips: Vec<IpNet>,
    pub is_operator: bool,
    pub is_rotated: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl StoredKey {
    /// Its limits.
    pub fn limits(&self) -> Limits {
        Limits { allowed_ips: self.allowed_ips.clone(), expires_at: self.expires_at }
    }

    /// Whether it works at this moment, as far as the key itself is concerned.
    pub fn is_active(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| expiry > now)
    }
}

impl FromRow<'_, PgRow> for StoredKey {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let decode = |error: ipnet::AddrParseError| sqlx::Error::Decode(Box::new(error));
        let scopes: Vec<String> = row.try_get("scopes")?;
        let allowed_ips: Vec<String> = row.try_get("allowed_ips")?;
        Ok(Self {
            account_id: row.try_get("account_id")?,
            id: row.try_get("id")?,
            user_id: row.try_get("user_id")?,
            user_email: row.try_get("user_email")?,
            owner: row.try_get("owner")?,
            name: row.try_get("name")?,
            kind: kind(row.try_get("kind")?),
            hash: hash(row.try_get("hash")?)?,
            // A scope of a newer version is a right that this one cannot give.
            scopes: scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
            // An address range that cannot be read must not become "everywhere".
            allowed_ips: allowed_ips.iter().map(|range| range.parse().map_err(decode)).collect::<Result<_, _>>()?,
            is_operator: row.try_get("is_operator")?,
            is_rotated: row.try_get("is_rotated")?,
            expires_at: row.try_get("expires_at")?,
            revoked_at: row.try_get("revoked_at")?,
        })
    }
}

fn hash(stored: Vec<u8>) -> Result<KeyHash, sqlx::Error> {
    stored.try_into().map(KeyHash).map_err(|_| sqlx::Error::Decode("a hash that is not 32 bytes long".into()))
}

fn kind(stored: &str) -> Kind {
    if stored == Kind::Public.as_str() { Kind::Public } else { Kind::Private }
}

/// The key with this hash, in any state, if its row is authentic. The only query on a tenant's rows that does not know the tenant
/// yet.
pub(crate) async fn find_by_hash(
    executor: impl PgExecutor<'_>,
    hash: &KeyHash,
    pepper: &Pepper,
) -> Result<Option<StoredKey>, sqlx::Error> {
    let rows = sqlx::query(
        "select account_id, id, user_id, user_email, owner, name, kind, hash, scopes, allowed_ips, is_operator, is_rotated,
             expires_at, revoked_at, mac
         from api_key_by_hash($1)",
    )
    .bind(hash.0.as_slice())
    .fetch_all(executor)
    .await?;
    for row in &rows {
        let (account, id): (AccountId, Uuid) = (row.try_get("account_id")?, row.try_get("id")?);
        if rights::is_authentic(pepper, &rights::API_KEYS, account, &id.to_string(), row)? {
            return StoredKey::from_row(row).map(Some);
        }
    }
    Ok(None)
}

/// The key with this id, if it works, locked until the end of the transaction.
pub(super) async fn lock_active(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<StoredKey>, sqlx::Error> {
    let key: Option<StoredKey> = sqlx::query_as(
        "select k.account_id, k.id, k.user_id, coalesce(k.owner, u.email) as user_email, k.owner, k.name, k.kind, k.hash, k.scopes,
             k.allowed_ips, k.is_operator, k.is_rotated, k.expires_at, k.revoked_at
         from api_keys k join users u on u.account_id = k.account_id and u.id = k.user_id
         where k.account_id = $1 and k.id = $2
         for update of k",
    )
    .bind(account)
    .bind(id)
    .fetch_optional(connection)
    .await?;
    Ok(key.filter(|key| key.is_active(now)))
}

/// How many keys of the account work at this moment.
pub(super) async fn count_active(
    connection: &mut PgConnection,
    account: AccountId,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*) from api_keys
         where account_id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)",
    )
    .bind(account)
    .bind(now)
    .fetch_one(connection)
    .await
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
        "insert into api_keys (account_id, id, user_id, name, kind, hash, last_four, scopes, allowed_ips, is_operator,
             created_at, expires_at, owner)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(account)
    .bind(id)
    .bind(user_id)
    .bind(new.name.as_str())
    .bind(new.kind.as_str())
    .bind(hash.0.as_slice())
    .bind(last_four)
    .bind(new.scopes.iter().map(|scope| Scope::as_str(*scope)).collect::<Vec<_>>())
    .bind(new.allowed_ips.iter().map(ToString::to_string).collect::<Vec<_>>())
    .bind(new.is_operator)
    .bind(now)
    .bind(new.expires_at)
    .bind(&new.owner)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the key that was revoked was an operator's; `None` if there is none or it was revoked before.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar(
        "update api_keys set revoked_at = $3 where account_id = $1 and id = $2 and revoked_at is null
         returning is_operator",
    )
    .bind(account)
    .bind(id)
    .bind(now)
    .fetch_optional(connection)
    .await
}

/// Lets a rotated key end at a moment, or earlier if it was to end earlier.
pub(super) async fn end_after_rotation(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update api_keys set is_rotated = true, expires_at = least(expires_at, $3) where account_id = $1 and id = $2",
    )
    .bind(account)
    .bind(id)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The query of `list` and `find`, without its last condition.
macro_rules! select_summary {
    ($condition:literal) => {
        concat!(
            "select k.id, k.name, k.kind, k.last_four, k.scopes, k.allowed_ips, k.is_operator, k.created_at,
                 coalesce(k.owner, u.email) as created_by,
                 k.expires_at, s.last_used_at, k.revoked_at
             from api_keys k
             join users u on u.account_id = k.account_id and u.id = k.user_id
             left join api_key_uses s on s.account_id = k.account_id and s.key_id = k.id
             where k.account_id = $1 and ",
            $condition
        )
    };
}

pub(super) async fn list(connection: &mut PgConnection, account: AccountId) -> Result<Vec<KeySummary>, sqlx::Error> {
    sqlx::query_as(select_summary!("true order by k.created_at, k.id")).bind(account).fetch_all(connection).await
}

pub(super) async fn find(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
) -> Result<Option<KeySummary>, sqlx::Error> {
    sqlx::query_as(select_summary!("k.id = $2")).bind(account).bind(id).fetch_optional(connection).await
}

impl FromRow<'_, PgRow> for KeySummary {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let kind = kind(row.try_get("kind")?);
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            masked: format!("{}…{}", kind.prefix(), row.try_get::<&str, _>("last_four")?),
            public: kind == Kind::Public,
            scopes: row.try_get("scopes")?,
            allowed_ips: row.try_get("allowed_ips")?,
            operator: row.try_get("is_operator")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
            expires_at: row.try_get("expires_at")?,
            last_used_at: row.try_get("last_used_at")?,
            revoked_at: row.try_get("revoked_at")?,
        })
    }
}

/// Writes when keys of all accounts were last used, in one statement. A key that was deleted meanwhile is passed over.
pub(super) async fn note_uses(connection: &mut PgConnection, uses: &Uses) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into api_key_uses (account_id, key_id, last_used_at)
         select u.* from unnest($1::bigint[], $2::uuid[], $3::timestamptz[]) as u (account_id, key_id, last_used_at)
         join api_keys k on k.account_id = u.account_id and k.id = u.key_id
         on conflict on constraint api_key_uses_pkey do update
             set last_used_at = greatest(api_key_uses.last_used_at, excluded.last_used_at)",
    )
    .bind(uses.keys().map(|(account, _)| account.0).collect::<Vec<_>>())
    .bind(uses.keys().map(|(_, key)| *key).collect::<Vec<_>>())
    .bind(uses.values().copied().collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
