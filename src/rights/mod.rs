//! Rights, and what they rest on in the database.
//!
//! - [`hold`]: confirmed within a write, and kept until its transaction ends.
//! - [`authenticate`], [`is_authentic`]: rows that give rights carry a MAC over what the rights follow from. Somebody who writes
//!   the database without the pepper can take rights away, and put back an old row as a whole, but can give none.
//! - [`Manifest`]: the places that an account has filled, so that an emptied one is not mistaken for one that never was.

mod mac;
mod manifest;
mod store;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use crate::api_key::Pepper;
use crate::error::{Denied, Error};
use crate::principal::{AuthMethod, Grounds, Principal};
use crate::types::AccountId;

use mac::RightsMac;
pub use manifest::{Emptied, Manifest, Places, make_manifest};
pub(crate) use manifest::{begin as begin_manifest, empty, fill, fill_many};
pub use store::are_authenticated;
pub(crate) use store::{
    ACCOUNTS, API_KEYS, DEFAULT_CREDENTIALS, OAUTH_CLIENT_SECRETS, OAUTH_CLIENTS, SIGNING_KEYS, SUPPLIER_ENDPOINTS,
    Table, USERS,
};

/// The version of the MACs that brought manifests.
const MANIFESTS_SINCE: i32 = 2;

/// Confirms that a principal still has its rights; nobody can revoke them before the transaction ends. To be called when the work is done, shortly before the commit.
///
/// # Errors
/// The refusal that a request would get that began now.
pub async fn hold(connection: &mut PgConnection, principal: &Principal, now: DateTime<Utc>) -> Result<(), Error> {
    if let Grounds::Token { exp, .. } | Grounds::OutsideToken { exp, .. } = principal.grounds
        && exp <= now.timestamp()
    {
        return Err(Denied::BadToken("a token that has run out").into());
    }
    let (key, client) = match principal.method {
        AuthMethod::ApiKey | AuthMethod::PublicKey => (principal.key_id, None),
        AuthMethod::OauthClient => (None, principal.key_id),
        AuthMethod::OutsideIssuer => (None, None),
    };
    let token = match principal.grounds {
        Grounds::Token { jti, .. } => Some(jti),
        Grounds::Key(_) | Grounds::OutsideToken { .. } | Grounds::ClientSecret => None,
    };
    let presented = store::Presented { key, client, token };
    let Principal { account, acting_account, scopes, .. } = principal;
    match store::why_ended(connection, *account, *acting_account, &presented, scopes, now).await?.as_deref() {
        None => Ok(()),
        Some("account") => Err(Denied::InactiveAccount.into()),
        Some("link") => Err(Denied::OtherAccount.into()),
        Some("key") => Err(Denied::BadKey("a key that ended during its request").into()),
        Some(_) => Err(Denied::BadToken("a token that ended during its request").into()),
    }
}

/// Checks whether a row that was read is as it was authenticated. One that is not gives no right; it is named in the log.
pub(crate) fn is_authentic(
    pepper: &Pepper,
    table: &Table,
    account: AccountId,
    key: &str,
    row: &PgRow,
) -> Result<bool, sqlx::Error> {
    let is = table.mac(pepper, account, key, row)?.is(row.try_get("mac")?);
    if !is {
        let table = table.name;
        tracing::error!(
            table,
            account = account.0,
            key,
            "a row gives no right, because it is not as it was authenticated"
        );
    }
    Ok(is)
}

/// The same for the secret of a client, which is read together with the client.
pub(crate) fn is_authentic_secret(
    pepper: &Pepper,
    account: AccountId,
    key: &str,
    expires_at: Option<DateTime<Utc>>,
    stored: Option<&[u8]>,
) -> bool {
    let table = OAUTH_CLIENT_SECRETS.name;
    let mut mac = RightsMac::of_row(pepper, table, account, key);
    mac.moment(expires_at);
    let is = mac.is(stored);
    if !is {
        // The key of the row holds a hash.
        let client = key.split(' ').next().unwrap_or_default();
        tracing::error!(
            table,
            account = account.0,
            client,
            "a row gives no right, because it is not as it was authenticated"
        );
    }
    is
}

/// Checks whether the row of this key is there and as it was authenticated.
pub(crate) async fn has_authentic(
    connection: &mut PgConnection,
    pepper: &Pepper,
    table: &Table,
    account: AccountId,
    key: &str,
) -> Result<bool, Error> {
    match store::find(connection, account, table, key).await? {
        Some(row) => Ok(is_authentic(pepper, table, account, key, &row)?),
        None => Ok(false),
    }
}

/// Authenticates a row as it is now. Only what was made in this transaction, or was authentic before it was changed here, is
/// authenticated: everything else in the row may be somebody else's.
pub(crate) async fn authenticate(
    connection: &mut PgConnection,
    pepper: &Pepper,
    table: &Table,
    account: AccountId,
    key: &str,
) -> Result<(), Error> {
    if let Some(row) = store::find(connection, account, table, key).await? {
        let mac = table.mac(pepper, account, key, &row)?.finish();
        store::set_mac(connection, account, table, key, &mac).await?;
    }
    Ok(())
}

/// A row that gives no right, because it is not as it was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthentic {
    /// Its table.
    pub table: &'static str,
    /// Its account.
    pub account: AccountId,
    /// The rest of its key.
    pub key: String,
}

/// Finds the places that accounts have filled and that are empty. For a transaction on every account's rows.
pub async fn find_emptied(connection: &mut PgConnection, pepper: &Pepper) -> Result<Vec<Emptied>, Error> {
    Ok(manifest::verify(connection, pepper).await?.1)
}

/// Finds every row that is not as it was authenticated. For a transaction on every account's rows.
pub async fn find_unauthentic(connection: &mut PgConnection, pepper: &Pepper) -> Result<Vec<Unauthentic>, Error> {
    let mut found = Vec::new();
    for table in store::TABLES {
        for store::AnyRow { account, key, row } in store::every_row(connection, table).await? {
            // The operator's own account has no rights by its row.
            let has_rights = account != AccountId::OPERATOR || table.name != ACCOUNTS.name;
            if has_rights && !table.mac(pepper, account, &key, &row)?.is(row.try_get("mac")?) {
                found.push(Unauthentic { table: table.name, account, key });
            }
        }
    }
    found.extend(manifest::verify(connection, pepper).await?.0);
    Ok(found)
}

/// Authenticates the rows that are older than MACs, once for an installation. Returns how many there were. To be run as the owner
/// of the schema: the application's role cannot ask for it again.
pub async fn authenticate_older(owner: &PgConnectOptions, pepper: &Pepper) -> Result<u64, Error> {
    let mut connection = owner.connect().await?;
    let mut transaction = connection.begin_with("begin; set local credenza.every_account = 'on'").await?;
    let before = store::authenticated_version(&mut transaction).await?;
    if before >= store::VERSION {
        return Ok(0);
    }
    let count = authenticate_since(&mut transaction, pepper, before).await?;
    store::note_authenticated(&mut transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(count)
}

/// Authenticates every row as it is. For tests that change rows by hand.
pub async fn authenticate_every_row(connection: &mut PgConnection, pepper: &Pepper) -> Result<u64, Error> {
    authenticate_since(connection, pepper, 0).await
}

/// Authenticates the rows of the tables whose MACs came after a version.
async fn authenticate_since(connection: &mut PgConnection, pepper: &Pepper, before: i32) -> Result<u64, Error> {
    let mut count = if before < MANIFESTS_SINCE { manifest::make_every(connection, pepper).await? } else { 0 };
    for table in store::TABLES.into_iter().filter(|table| before < table.since) {
        for store::AnyRow { account, key, row } in store::every_row(connection, table).await? {
            let mac = table.mac(pepper, account, &key, &row)?.finish();
            store::set_mac(connection, account, table, &key, &mac).await?;
            count += 1;
        }
    }
    Ok(count)
}
