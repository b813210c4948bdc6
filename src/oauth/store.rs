//! The tables `oauth_clients`, `oauth_client_secrets`, `revoked_tokens` and `signing_keys`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::claims::Claims;
use crate::api_key::{KeyHash, Pepper};
use crate::principal::Scope;
use crate::rights;
use crate::types::{AccountId, Name};

/// A client to be made.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its name for people.
    pub name: Name,
    /// The most that its tokens can carry.
    pub scopes: Vec<Scope>,
    /// Life of its tokens, in seconds; within [`TTL_RANGE`](super::clients::TTL_RANGE).
    pub access_token_ttl: i32,
}

/// A client in a listing.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ClientSummary {
    /// Its id.
    pub id: Uuid,
    /// Its id at the token endpoint.
    pub client_id: String,
    /// Its name for people.
    pub name: String,
    /// The most that its tokens can carry.
    pub scopes: Vec<String>,
    /// Life of its tokens, in seconds.
    pub access_token_ttl: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// E-mail of the user who owns it.
    pub created_by: String,
}

/// A client as it is stored, with its owner and its secrets.
#[derive(Clone)]
pub struct StoredClient {
    pub account_id: AccountId,
    pub id: Uuid,
    pub user_email: String,
    pub scopes: Vec<Scope>,
    pub access_token_ttl: i32,
    pub revoked_at: Option<DateTime<Utc>>,
    /// Hashes, each with the moment when it ends.
    pub secrets: Vec<(KeyHash, Option<DateTime<Utc>>)>,
}

impl StoredClient {
    /// Returns whether the client exists, and gave a token of these claims the life that it has.
    pub fn stands_by(&self, claims: &Claims, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && claims.check_life(self.longest_token(), now).is_ok()
    }

    /// Life of its tokens.
    pub fn longest_token(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.access_token_ttl).unwrap_or(0))
    }
}

impl StoredClient {
    /// Reads a client with those of its secrets that are as they were authenticated; `None` if the client is not.
    fn read(row: &PgRow, pepper: &Pepper) -> Result<Option<Self>, sqlx::Error> {
        let wrong = |_| sqlx::Error::Decode("a hash that is not 32 bytes long".into());
        let (account_id, id): (AccountId, Uuid) = (row.try_get("account_id")?, row.try_get("id")?);
        if !rights::is_authentic(pepper, &rights::OAUTH_CLIENTS, account_id, &id.to_string(), row)? {
            return Ok(None);
        }
        let scopes: Vec<String> = row.try_get("scopes")?;
        let hashes: Vec<Vec<u8>> = row.try_get("hashes")?;
        let expiries: Vec<Option<DateTime<Utc>>> = row.try_get("expiries")?;
        let macs: Vec<Option<Vec<u8>>> = row.try_get("macs")?;
        let mut secrets = Vec::with_capacity(hashes.len());
        for ((hash, expiry), mac) in hashes.into_iter().zip(expiries).zip(macs) {
            let hash = KeyHash(hash.try_into().map_err(wrong)?);
            if rights::is_authentic_secret(pepper, account_id, &secret_key(id, &hash), expiry, mac.as_deref()) {
                secrets.push((hash, expiry));
            }
        }
        Ok(Some(Self {
            account_id,
            id,
            user_email: row.try_get("user_email")?,
            scopes: scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
            access_token_ttl: row.try_get("access_token_ttl")?,
            revoked_at: row.try_get("revoked_at")?,
            secrets,
        }))
    }
}

/// The key of a secret's row, without its account.
pub(super) fn secret_key(client: Uuid, hash: &KeyHash) -> String {
    use std::fmt::Write;
    hash.0.iter().fold(format!("{client} "), |mut key, byte| {
        // Writing to a text does not fail.
        let _ = write!(key, "{byte:02x}");
        key
    })
}

/// The client with this `client_id`, in any state, if its row is authentic. Like the lookup of a key, it
/// does not know the tenant yet.
pub(super) async fn find_by_client_id(
    executor: impl PgExecutor<'_>,
    client_id: &str,
    pepper: &Pepper,
) -> Result<Option<StoredClient>, sqlx::Error> {
    let rows = sqlx::query(
        "select account_id, id, user_id, client_id, user_email, scopes, access_token_ttl, revoked_at, mac, hashes, expiries,
             macs
         from oauth_client_by_client_id($1)",
    )
    .bind(client_id)
    .fetch_all(executor)
    .await?;
    for row in &rows {
        if let Some(client) = StoredClient::read(row, pepper)? {
            return Ok(Some(client));
        }
    }
    Ok(None)
}

/// The hashes of a client's secrets.
pub(super) async fn secrets(
    connection: &mut PgConnection,
    account: AccountId,
    client: Uuid,
) -> Result<Vec<KeyHash>, sqlx::Error> {
    let wrong = |_| sqlx::Error::Decode("a hash that is not 32 bytes long".into());
    let hashes: Vec<Vec<u8>> =
        sqlx::query_scalar("select hash from oauth_client_secrets where account_id = $1 and client = $2")
            .bind(account)
            .bind(client)
            .fetch_all(connection)
            .await?;
    hashes.into_iter().map(|hash| hash.try_into().map(KeyHash).map_err(wrong)).collect()
}

/// How many clients of the account are not revoked.
pub(super) async fn count(connection: &mut PgConnection, account: AccountId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from oauth_clients where account_id = $1 and revoked_at is null")
        .bind(account)
        .fetch_one(connection)
        .await
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    account: AccountId,
    (id, user_id, client_id): (Uuid, Uuid, &str),
    new: &NewClient,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into oauth_clients (account_id, id, user_id, client_id, name, scopes, access_token_ttl, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(account)
    .bind(id)
    .bind(user_id)
    .bind(client_id)
    .bind(new.name.as_str())
    .bind(new.scopes.iter().map(|scope| Scope::as_str(*scope)).collect::<Vec<_>>())
    .bind(new.access_token_ttl)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn insert_secret(
    connection: &mut PgConnection,
    account: AccountId,
    client: Uuid,
    hash: &KeyHash,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into oauth_client_secrets (account_id, client, hash, created_at) values ($1, $2, $3, $4)")
        .bind(account)
        .bind(client)
        .bind(hash.0.as_slice())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets every secret of a client end at a moment, or earlier if it was to end earlier; forgets those that have ended.
/// Returns how many are left.
pub(super) async fn expire_secrets(
    connection: &mut PgConnection,
    account: AccountId,
    client: Uuid,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    sqlx::query("delete from oauth_client_secrets where account_id = $1 and client = $2 and expires_at <= $3")
        .bind(account)
        .bind(client)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    let left = sqlx::query(
        "update oauth_client_secrets set expires_at = least(expires_at, $3) where account_id = $1 and client = $2",
    )
    .bind(account)
    .bind(client)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(left.rows_affected())
}

/// Returns whether there was one that was not revoked before.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let revoked = sqlx::query(
        "update oauth_clients set revoked_at = $3 where account_id = $1 and id = $2 and revoked_at is null",
    )
    .bind(account)
    .bind(id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(revoked.rows_affected() > 0)
}

/// The query of `list` and `find`, without its last condition.
macro_rules! select_clients {
    ($condition:literal) => {
        concat!(
            "select c.id, c.client_id, c.name, c.scopes, c.access_token_ttl, c.created_at, u.email as created_by
             from oauth_clients c join users u on u.account_id = c.account_id and u.id = c.user_id
             where c.account_id = $1 and c.revoked_at is null and ",
            $condition
        )
    };
}

pub(super) async fn list(connection: &mut PgConnection, account: AccountId) -> Result<Vec<ClientSummary>, sqlx::Error> {
    sqlx::query_as(select_clients!("true order by c.created_at, c.id")).bind(account).fetch_all(connection).await
}

pub(super) async fn find(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
) -> Result<Option<ClientSummary>, sqlx::Error> {
    sqlx::query_as(select_clients!("c.id = $2")).bind(account).bind(id).fetch_optional(connection).await
}

/// Revokes a token, and forgets revoked ones that have run out since.
pub(super) async fn revoke_token(
    connection: &mut PgConnection,
    account: AccountId,
    jti: Uuid,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from revoked_tokens where account_id = $1 and expires_at <= $2")
        .bind(account)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "insert into revoked_tokens (account_id, jti, expires_at) values ($1, $2, $3)
         on conflict on constraint revoked_tokens_pkey do nothing",
    )
    .bind(account)
    .bind(jti)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn is_token_revoked(
    executor: impl PgExecutor<'_>,
    account: AccountId,
    jti: Uuid,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select is_token_revoked($1, $2)").bind(account).bind(jti).fetch_one(executor).await
}

/// A key that signs or signed tokens.
pub(super) struct SigningKeyRow {
    pub kid: String,
    /// Whether the moments below are as they were authenticated.
    pub is_authentic: bool,
    pub private_key: Vec<u8>,
    pub retired_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Every signing key, the newest first.
pub(super) async fn signing_keys(
    executor: impl PgExecutor<'_>,
    pepper: &Pepper,
) -> Result<Vec<SigningKeyRow>, sqlx::Error> {
    let rows = sqlx::query(
        "select kid, private_key, created_at, retired_at, expires_at, mac from signing_keys order by created_at desc",
    )
    .fetch_all(executor)
    .await?;
    let read = |row: &PgRow| {
        let kid: String = row.try_get("kid")?;
        Ok(SigningKeyRow {
            is_authentic: rights::is_authentic(pepper, &rights::SIGNING_KEYS, AccountId::OPERATOR, &kid, row)?,
            kid,
            private_key: row.try_get("private_key")?,
            retired_at: row.try_get("retired_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Stores a key that signs, unless another one does by now.
pub(super) async fn insert_signing_key(
    connection: &mut PgConnection,
    kid: &str,
    public_jwk: &Value,
    private_key: &[u8],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into signing_keys (kid, public_jwk, private_key, created_at) values ($1, $2, $3, $4)
         on conflict do nothing",
    )
    .bind(kid)
    .bind(public_jwk)
    .bind(private_key)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Holds the table, so that rotations come one after the other and each returns the key that it made. Returns the key that
/// signs.
pub(super) async fn lock_signing_keys(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query("lock table signing_keys in share row exclusive mode").execute(&mut *connection).await?;
    sqlx::query_scalar("select kid from signing_keys where retired_at is null").fetch_optional(connection).await
}

/// Ends signing with the present key, and forgets keys whose last token has run out.
pub(super) async fn retire_signing_key(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from signing_keys where expires_at <= $1").bind(now).execute(&mut *connection).await?;
    sqlx::query("update signing_keys set retired_at = $1, expires_at = $2 where retired_at is null")
        .bind(now)
        .bind(expires_at)
        .execute(connection)
        .await?;
    Ok(())
}
