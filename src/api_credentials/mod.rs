//! API keys: made, listed, rotated, revoked. (The owner of a presented key is `auth`'s business.)

mod last_use;
mod rotate;
mod store;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use serde::Serialize;
use uuid::Uuid;

pub use last_use::LastUse;
pub use rotate::{MAX_OVERLAP, rotate};
pub(crate) use store::{StoredKey, find_by_hash};

use crate::accounts::{self, users};
use crate::api_key::{ApiKey, Kind};
use crate::audit::{Action, Event};
use crate::context::Context;
use crate::error::{Denied, Error, Limit, Missing};
use crate::principal::{Limits, Scope};
use crate::rights;
use crate::types::{AccountId, InvalidText, Name, parse_range};
use crate::work::Work;

/// Most keys of an account that work at one time, private and public together, those in overlap included.
pub const MAX_ACTIVE_KEYS: i64 = 6;

/// Most address ranges of a key.
pub const MAX_RANGES: usize = 100;

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name for people.
    pub name: Name,
    /// For servers or for browsers.
    pub kind: Kind,
    /// Its rights; none for a public key.
    pub scopes: Vec<Scope>,
    /// Where it works from; everywhere if empty.
    pub allowed_ips: Vec<IpNet>,
    /// When it stops working by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it may resolve for any account.
    pub is_operator: bool,
    /// The user who owns it; the account's oldest one if none is named.
    pub user_email: Option<String>,
    /// Its owner, if only the outside issuer knows them.
    pub owner: Option<String>,
}

impl NewKey {
    /// A key without restrictions, of the account's oldest user.
    pub fn new(name: Name, kind: Kind, scopes: Vec<Scope>) -> Self {
        let (allowed_ips, expires_at, is_operator, user_email, owner) = (vec![], None, false, None, None);
        Self { name, kind, scopes, allowed_ips, expires_at, is_operator, user_email, owner }
    }
}

/// A limit that a new key cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongLimit {
    /// Scopes of a public key.
    #[error("a public key has no scopes")]
    ScopesOfPublicKey,
    /// More ranges of addresses than [`MAX_RANGES`].
    #[error("a key has at most {MAX_RANGES} ranges of addresses")]
    TooManyRanges,
    /// A text at this index that is no range.
    #[error("range {} of addresses {_1}", _0 + 1)]
    Range(usize, InvalidText),
    /// An end that has passed.
    #[error("the end of a key must be in the future")]
    NotInTheFuture,
}

/// Reads the limits of a new key, for everybody who makes one.
///
/// # Errors
/// All that is wrong with them.
pub fn limits_of_new(
    kind: Kind,
    scopes: &[Scope],
    ranges: &[String],
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Limits, Vec<WrongLimit>> {
    let mut wrong = Vec::new();
    if kind == Kind::Public && !scopes.is_empty() {
        wrong.push(WrongLimit::ScopesOfPublicKey);
    }
    if ranges.len() > MAX_RANGES {
        wrong.push(WrongLimit::TooManyRanges);
    }
    let mut allowed_ips = Vec::new();
    for (index, range) in ranges.iter().take(MAX_RANGES).enumerate() {
        match parse_range(range) {
            Ok(range) => allowed_ips.push(range),
            Err(why) => wrong.push(WrongLimit::Range(index, why)),
        }
    }
    if expires_at.is_some_and(|expiry| expiry <= now) {
        wrong.push(WrongLimit::NotInTheFuture);
    }
    if wrong.is_empty() { Ok(Limits { allowed_ips, expires_at }) } else { Err(wrong) }
}

/// A key in a listing: enough to recognise it, nothing to use it.
#[derive(Clone, Debug, Serialize)]
pub struct KeySummary {
    /// Its id.
    pub id: Uuid,
    /// Its name for people.
    pub name: String,
    /// Kind and last four characters, as in `czs_…a1B2`.
    pub masked: String,
    /// For browsers.
    pub public: bool,
    /// Its rights.
    pub scopes: Vec<String>,
    /// Where it works from; everywhere if empty.
    pub allowed_ips: Vec<String>,
    /// May resolve for any account.
    pub operator: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// E-mail of the user who owns it.
    pub created_by: String,
    /// When it stops working by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, a few seconds late perhaps.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Makes a key, limited as its maker is unless it is limited more. It is returned this once; what is stored cannot be turned back into it.
pub async fn create(work: &mut Work<'_>, new: &NewKey) -> Result<(KeySummary, ApiKey), Error> {
    let named = Limits { allowed_ips: new.allowed_ips.clone(), expires_at: new.expires_at };
    let Limits { allowed_ips, expires_at } = work.actor().limit(named)?;
    let owner = work.actor().outside_owner().map(str::to_owned);
    let new = &NewKey { allowed_ips, expires_at, owner, ..new.clone() };
    let key = ApiKey::generate(new.kind);
    let summary = store_new(work, new, &key).await?;
    Ok((summary, key))
}

/// Stores a key that was made elsewhere, unless it is stored already, in any state. For `dev`, whose keys are kept
/// in a file.
pub async fn ensure(work: &mut Work<'_>, new: &NewKey, key: &ApiKey) -> Result<(), Error> {
    let hash = work.context().pepper.hash(key);
    let pepper = &work.context().pepper;
    if store::find_by_hash(&mut **work, &hash, pepper).await?.is_none() {
        store_new(work, new, key).await?;
    }
    Ok(())
}

async fn store_new(work: &mut Work<'_>, new: &NewKey, key: &ApiKey) -> Result<KeySummary, Error> {
    make_room(work).await?;
    let account = work.account();
    let (user_id, _) = users::find(work, account, new.user_email.as_deref()).await?;
    let summary = insert(work, user_id, new, key).await?;
    work.record(Event::about(Action::ApiKeyCreated, summary.id));
    Ok(summary)
}

/// Refuses one key too many.
async fn make_room(work: &mut Work<'_>) -> Result<(), Error> {
    let (account, now) = (work.account(), work.now());
    accounts::lock(work, account).await?;
    if store::count_active(work, account, now).await? >= MAX_ACTIVE_KEYS {
        return Err(Limit::ApiKeys(MAX_ACTIVE_KEYS).into());
    }
    Ok(())
}

async fn insert(work: &mut Work<'_>, user_id: Uuid, new: &NewKey, key: &ApiKey) -> Result<KeySummary, Error> {
    let (account, now, id) = (work.account(), work.now(), Uuid::now_v7());
    let hash = work.context().pepper.hash(key);
    store::insert(work, account, id, user_id, new, &hash, key.last_four(), now).await?;
    work.authenticate(&rights::API_KEYS, account, &id.to_string()).await?;
    store::find(work, account, id).await?.ok_or(Error::missing(Missing::ApiKey))
}

/// Revokes a key, for good. An operator's key can be revoked on the command line only.
pub async fn revoke(work: &mut Work<'_>, id: Uuid) -> Result<(), Error> {
    let (account, now) = (work.account(), work.now());
    accounts::lock_rights(work, account).await?;
    let is_authentic = work.has_authentic(&rights::API_KEYS, account, &id.to_string()).await?;
    let is_operator = store::revoke(work, account, id, now).await?.ok_or(Error::missing(Missing::ApiKey))?;
    // One that gave no right before gives none now; it is revoked all the same.
    if is_authentic {
        work.authenticate(&rights::API_KEYS, account, &id.to_string()).await?;
    }
    // Dropping the work puts the key back.
    if is_operator && !work.actor().is_operator() {
        return Err(Denied::OperatorKey.into());
    }
    work.record(Event::about(Action::ApiKeyRevoked, id));
    Ok(())
}

/// The keys of an account, oldest first, those that ended included.
pub async fn list(context: &Context, account: AccountId) -> Result<Vec<KeySummary>, Error> {
    Ok(store::list(&mut *context.read(account).await?, account).await?)
}
