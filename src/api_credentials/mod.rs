//! API keys: made, listed, revoked. (Who a presented key belongs to is `auth`'s business.)

mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use uuid::Uuid;

pub(crate) use store::{KeyRow, find_by_hash};

use crate::accounts;
use crate::api_key::{ApiKey, Kind};
use crate::audit::{self, Action, Event};
use crate::cluster::Owner;
use crate::core::Core;
use crate::error::{Error, FieldError, Missing};
use crate::principal::{Actor, Scope};
use crate::types::{AccountId, Name};

/// Most keys of an account that work at one time, private and public together.
pub const MAX_ACTIVE_KEYS: i64 = 6;

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: Name,
    /// For servers or for browsers.
    pub kind: Kind,
    /// Its rights; none for a public key.
    pub scopes: Vec<Scope>,
    /// Whether it may resolve for any account.
    pub is_operator: bool,
    /// The user who owns it; the account's oldest one if none is named.
    pub user_email: Option<String>,
}

/// A key in a listing: enough to recognise it, nothing to use it.
#[derive(Clone, Debug, Serialize)]
pub struct KeySummary {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Kind and last four characters, as in `czs_…a1B2`.
    pub masked: String,
    /// For browsers.
    pub public: bool,
    /// Its rights.
    pub scopes: Vec<String>,
    /// May resolve for any account.
    pub operator: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// E-mail of the user who owns it.
    pub created_by: String,
    /// When it stops working by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Makes a key. It is returned this once; what is stored cannot be turned back into it.
pub async fn create(core: &Core, actor: &Actor, account: AccountId, new: &NewKey) -> Result<(Uuid, ApiKey), Error> {
    let key = ApiKey::generate(new.kind);
    let id = store_key(core, actor, account, new, &key).await?;
    Ok((id, key))
}

/// Stores a key that was made elsewhere, unless it is stored already, in whatever state. For `dev`, whose keys are kept
/// in a file.
pub async fn ensure(core: &Core, actor: &Actor, account: AccountId, new: &NewKey, key: &ApiKey) -> Result<(), Error> {
    if store::find_by_hash(&core.pool, &core.pepper.hash(key)).await?.is_none() {
        store_key(core, actor, account, new, key).await?;
    }
    Ok(())
}

async fn store_key(core: &Core, actor: &Actor, account: AccountId, new: &NewKey, key: &ApiKey) -> Result<Uuid, Error> {
    let now = core.clock.now();
    let hash = core.pepper.hash(key);
    let mut change = core.cluster.begin().await?;
    // The account's row lock puts creations in a row, so that the count is true until the commit.
    let active = store::lock_and_count_active(&mut change, account, now).await?;
    if active.ok_or(Error::missing(Missing::Account))? >= MAX_ACTIVE_KEYS {
        return Err(Error::invalid(FieldError::sentence_alone(
            "public",
            "An account can have at most 6 active API keys",
        )));
    }
    let (user_id, _) = accounts::user(&mut change, account, new.user_email.as_deref()).await?;
    let id = Uuid::now_v7();
    store::insert(&mut change, account, id, user_id, new, &hash, key.last_four(), now).await?;
    audit::record(&mut change, &core.audit_key, account, actor, now, &[Event::new(Action::ApiKeyCreated)]).await?;
    change.commit(&[Owner::key(&hash.0)]).await?;
    Ok(id)
}

/// Revokes a key, for good; tells whether there was one that still worked.
pub async fn revoke(core: &Core, actor: &Actor, account: AccountId, id: Uuid) -> Result<bool, Error> {
    let now = core.clock.now();
    let mut change = core.cluster.begin().await?;
    let Some(hash) = store::revoke(&mut change, account, id, now).await? else { return Ok(false) };
    audit::record(&mut change, &core.audit_key, account, actor, now, &[Event::new(Action::ApiKeyRevoked)]).await?;
    change.commit(&[Owner::key(&hash)]).await?;
    Ok(true)
}

/// The keys of an account, oldest first.
pub async fn list(executor: impl PgExecutor<'_>, account: AccountId) -> Result<Vec<KeySummary>, sqlx::Error> {
    store::list(executor, account).await
}
