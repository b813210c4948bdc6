//! The rows that a caller's rights rest on, read within a write.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::mac::RightsMac;
use crate::api_key::Pepper;
use crate::principal::Scope;
use crate::types::AccountId;

/// The ids of the presented credential.
pub(super) struct Presented {
    pub key: Option<Uuid>,
    pub client: Option<Uuid>,
    pub token: Option<Uuid>,
}

/// Returns which of the rows no longer gives the rights; `None` if all do. Locks them.
pub(super) async fn why_ended(
    connection: &mut PgConnection,
    account: AccountId,
    acting_account: AccountId,
    presented: &Presented,
    scopes: &[Scope],
    now: DateTime<Utc>,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("select why_rights_ended($1, $2, $3, $4, $5, $6, $7)")
        .bind(acting_account)
        .bind(account)
        .bind(presented.key)
        .bind(presented.client)
        .bind(presented.token)
        .bind(scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>())
        .bind(now)
        .fetch_one(connection)
        .await
}

/// A table whose rows give rights: which of its columns they follow from, and the statements that read and write its MACs. A
/// row is named by its account and the rest of its key, as text.
pub(crate) struct Table {
    pub name: &'static str,
    /// The version of the MACs that brought this table's.
    pub since: i32,
    find: &'static str,
    set: &'static str,
    all: &'static str,
    put: fn(&mut RightsMac, &PgRow) -> Result<(), sqlx::Error>,
}

macro_rules! table {
    ($name:literal, $since:literal, $account:literal, $key:literal, $columns:literal, $put:expr) => {
        Table {
            name: $name,
            since: $since,
            find: concat!(
                "select ",
                $columns,
                ", mac from ",
                $name,
                " t where ",
                $account,
                " = $1 and ",
                $key,
                " = $2"
            ),
            set: concat!("update ", $name, " t set mac = $3 where ", $account, " = $1 and ", $key, " = $2"),
            all: concat!(
                "select ",
                $account,
                " as row_account, ",
                $key,
                " as row_key, ",
                $columns,
                ", mac from ",
                $name,
                " t"
            ),
            put: $put,
        }
    };
}

/// Whether an account's keys work, whose it is, what it may have.
pub(crate) static ACCOUNTS: Table = table!(
    "accounts",
    1,
    "id",
    "''",
    "parent_id, is_active, plan, subaccounts_enabled, allowed_origins",
    |mac, row| {
        mac.number(row.try_get("parent_id")?);
        mac.flag(row.try_get("is_active")?);
        mac.bytes(row.try_get::<&str, _>("plan")?.as_bytes());
        mac.flag(row.try_get("subaccounts_enabled")?);
        mac.texts(&row.try_get::<Vec<String>, _>("allowed_origins")?);
        Ok(())
    }
);

/// The rights of a key, and the person on record for it.
pub(crate) static API_KEYS: Table = table!(
    "api_keys",
    1,
    "account_id",
    "id::text",
    "user_id, coalesce(owner, (select email from users u where u.account_id = t.account_id and u.id = t.user_id), '') as user_email,
     kind, hash,
     scopes, allowed_ips, is_operator, is_rotated, expires_at, revoked_at",
    |mac, row| {
        mac.bytes(row.try_get::<Uuid, _>("user_id")?.as_bytes());
        mac.bytes(row.try_get::<&str, _>("user_email")?.as_bytes());
        mac.bytes(row.try_get::<&str, _>("kind")?.as_bytes());
        mac.bytes(row.try_get::<&[u8], _>("hash")?);
        mac.texts(&row.try_get::<Vec<String>, _>("scopes")?);
        mac.texts(&row.try_get::<Vec<String>, _>("allowed_ips")?);
        mac.flag(row.try_get("is_operator")?);
        mac.flag(row.try_get("is_rotated")?);
        mac.moment(row.try_get("expires_at")?);
        mac.moment(row.try_get("revoked_at")?);
        Ok(())
    }
);

/// The rights of the tokens of a client, and the person on record for it.
pub(crate) static OAUTH_CLIENTS: Table = table!(
    "oauth_clients",
    1,
    "account_id",
    "id::text",
    "user_id, coalesce((select email from users u where u.account_id = t.account_id and u.id = t.user_id), '') as user_email, client_id,
     scopes, access_token_ttl, revoked_at",
    |mac, row| {
        mac.bytes(row.try_get::<Uuid, _>("user_id")?.as_bytes());
        mac.bytes(row.try_get::<&str, _>("user_email")?.as_bytes());
        mac.bytes(row.try_get::<&str, _>("client_id")?.as_bytes());
        mac.texts(&row.try_get::<Vec<String>, _>("scopes")?);
        mac.number(Some(row.try_get::<i32, _>("access_token_ttl")?.into()));
        mac.moment(row.try_get("revoked_at")?);
        Ok(())
    }
);

/// By which secrets a client is known, and until when.
pub(crate) static OAUTH_CLIENT_SECRETS: Table = table!(
    "oauth_client_secrets",
    1,
    "account_id",
    "client::text || ' ' || encode(hash, 'hex')",
    "expires_at",
    |mac, row| {
        mac.moment(row.try_get("expires_at")?);
        Ok(())
    }
);

/// A person, by whose address keys are owned and who may have a password.
pub(crate) static USERS: Table =
    table!("users", 3, "account_id", "id::text", "email, password_hash, created_at", |mac, row| {
        mac.bytes(row.try_get::<&str, _>("email")?.as_bytes());
        mac.bytes(row.try_get::<Option<&str>, _>("password_hash")?.unwrap_or_default().as_bytes());
        mac.moment(Some(row.try_get("created_at")?));
        Ok(())
    });

/// The services of a default login, and those that its supplier excludes. Its seals bind the rest.
pub(crate) static DEFAULT_CREDENTIALS: Table = table!(
    "default_credentials",
    3,
    "0::bigint",
    "supplier_code || ' ' || environment",
    "services, (select excluded_services from suppliers s where s.code = t.supplier_code) as excluded_services",
    |mac, row| {
        mac.texts(&row.try_get::<Vec<String>, _>("services")?);
        mac.texts(&row.try_get::<Vec<String>, _>("excluded_services")?);
        Ok(())
    }
);

/// Where logins are sent.
pub(crate) static SUPPLIER_ENDPOINTS: Table = table!(
    "supplier_endpoints",
    2,
    "0::bigint",
    "supplier_code || ' ' || service || ' ' || version || ' ' || environment",
    "url, soap_action, timeout_seconds, concurrency, allow_private",
    |mac, row| {
        mac.bytes(row.try_get::<&str, _>("url")?.as_bytes());
        mac.optional_text(row.try_get("soap_action")?);
        mac.number(Some(row.try_get::<i32, _>("timeout_seconds")?.into()));
        mac.number(Some(row.try_get::<i32, _>("concurrency")?.into()));
        mac.flag(row.try_get("allow_private")?);
        Ok(())
    }
);

/// The moments between which a signing key signs and verifies. Its seal binds the rest.
pub(crate) static SIGNING_KEYS: Table =
    table!("signing_keys", 3, "0::bigint", "kid", "created_at, retired_at, expires_at", |mac, row| {
        mac.moment(Some(row.try_get("created_at")?));
        mac.moment(row.try_get("retired_at")?);
        mac.moment(row.try_get("expires_at")?);
        Ok(())
    });

/// Every table whose rows give rights.
pub(super) static TABLES: [&Table; 8] = [
    &ACCOUNTS,
    &USERS,
    &API_KEYS,
    &OAUTH_CLIENTS,
    &OAUTH_CLIENT_SECRETS,
    &DEFAULT_CREDENTIALS,
    &SIGNING_KEYS,
    &SUPPLIER_ENDPOINTS,
];

impl Table {
    /// The MAC of a row whose columns were read.
    pub(super) fn mac(
        &self,
        pepper: &Pepper,
        account: AccountId,
        key: &str,
        row: &PgRow,
    ) -> Result<RightsMac, sqlx::Error> {
        let mut mac = RightsMac::of_row(pepper, self.name, account, key);
        (self.put)(&mut mac, row)?;
        Ok(mac)
    }
}

/// The columns of a row that rights follow from, and its MAC.
pub(super) async fn find(
    connection: &mut PgConnection,
    account: AccountId,
    table: &Table,
    key: &str,
) -> Result<Option<PgRow>, sqlx::Error> {
    sqlx::query(table.find).bind(account).bind(key).fetch_optional(connection).await
}

/// Stores the MAC of a row.
pub(super) async fn set_mac(
    connection: &mut PgConnection,
    account: AccountId,
    table: &Table,
    key: &str,
    mac: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query(table.set).bind(account).bind(key).bind(mac).execute(connection).await?;
    Ok(())
}

/// A row of any account, by its account and key.
pub(super) struct AnyRow {
    pub account: AccountId,
    pub key: String,
    pub row: PgRow,
}

/// Every row of a table.
pub(super) async fn every_row(connection: &mut PgConnection, table: &Table) -> Result<Vec<AnyRow>, sqlx::Error> {
    let rows = sqlx::query(table.all).fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| Ok(AnyRow { account: row.try_get("row_account")?, key: row.try_get("row_key")?, row }))
        .collect()
}

/// The newest version of the MACs.
pub(super) const VERSION: i32 = 3;

/// Checks whether the rows that are older than MACs have theirs.
pub async fn are_authenticated(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    Ok(authenticated_version(connection).await? >= VERSION)
}

/// Returns up to which version of the MACs older rows have theirs.
pub(super) async fn authenticated_version(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select coalesce(max(version), 0) from authenticated_rights").fetch_one(connection).await
}

/// Notes that they have.
pub(super) async fn note_authenticated(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("insert into authenticated_rights values (now(), $1)").bind(VERSION).execute(connection).await?;
    Ok(())
}
