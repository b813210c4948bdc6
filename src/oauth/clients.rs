//! OAuth2 clients: made, listed, rotated, revoked. Counted apart from API keys.

use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};
use uuid::Uuid;

use super::store;
pub use super::store::{ClientSummary, NewClient};
use crate::accounts::{self, users};
use crate::api_key::{ApiKey, Kind};
use crate::audit::{Action, Event};
use crate::context::Context;
use crate::error::{Error, Limit, Missing};
use crate::principal::{Limits, Scope};
use crate::rights;
use crate::types::AccountId;
use crate::work::Work;

/// Most clients of an account.
pub const MAX_CLIENTS: i64 = 20;
/// Most secrets of a client that rotations with overlap can leave behind.
pub const MAX_SECRETS: u64 = 6;
/// Life of a token unless the client sets another, in seconds.
pub const DEFAULT_TTL: i32 = 7200;
/// Shortest and longest life of a token that a client can ask for, in seconds.
pub const TTL_RANGE: std::ops::RangeInclusive<i32> = 60..=86_400;

/// The prefix of a client's id, and how many random characters follow.
const PREFIX: &str = "czc_";
const RANDOM: usize = 24;

/// Whether a text has the form of a client's name for itself. Anything else is nobody's, and is not looked up.
pub(super) fn is_client_id(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Makes a client. Its secret is returned this once.
///
/// The client belongs to the user with `user_email`, or to the account's oldest user.
pub async fn create(
    work: &mut Work<'_>,
    user_email: Option<&str>,
    new: &NewClient,
) -> Result<(ClientSummary, ApiKey), Error> {
    let (account, now) = (work.account(), work.now());
    // A client has no limits that it could inherit.
    work.actor().require_within_limits(&Limits::default())?;
    accounts::lock(work, account).await?;
    if store::count(work, account).await? >= MAX_CLIENTS {
        return Err(Limit::OauthClients(MAX_CLIENTS).into());
    }
    let (user_id, _) = users::find(work, account, user_email).await?;
    let id = Uuid::now_v7();
    let client_id = format!("{PREFIX}{}", Alphanumeric.sample_string(&mut rand::rng(), RANDOM));
    store::insert(work, account, (id, user_id, &client_id), new, now).await?;
    work.authenticate(&rights::OAUTH_CLIENTS, account, &id.to_string()).await?;
    let secret = add_secret(work, id).await?;
    let summary = store::find(work, account, id).await?.ok_or(Error::missing(Missing::OauthClient))?;
    work.record(Event::about(Action::OauthClientCreated, id));
    Ok((summary, secret))
}

/// The account's clients, oldest first.
pub async fn list(context: &Context, account: AccountId) -> Result<Vec<ClientSummary>, Error> {
    Ok(store::list(&mut *context.read(account).await?, account).await?)
}

/// A client of the account.
pub async fn find(context: &Context, account: AccountId, id: Uuid) -> Result<ClientSummary, Error> {
    store::find(&mut *context.read(account).await?, account, id).await?.ok_or(Error::missing(Missing::OauthClient))
}

/// Gives a client a new secret; the old ones end after an overlap.
///
/// # Errors
/// [`Denied::CannotGrant`](crate::error::Denied::CannotGrant) if the actor lacks a right of the client, because they see its
/// secret.
pub async fn rotate(work: &mut Work<'_>, id: Uuid, overlap: Duration) -> Result<(ClientSummary, ApiKey), Error> {
    let account = work.account();
    // Puts rotations in a row, so that one overlap does not end what another has just made.
    accounts::lock(work, account).await?;
    let summary = store::find(work, account, id).await?.ok_or(Error::missing(Missing::OauthClient))?;
    // Whether the actor may see a new secret follows from what stands in the row.
    if !work.has_authentic(&rights::OAUTH_CLIENTS, account, &id.to_string()).await? {
        return Err(Error::missing(Missing::OauthClient));
    }
    let scopes: Vec<_> = summary.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
    work.actor().require_all(&scopes)?;
    work.actor().require_within_limits(&Limits::default())?;
    let left = expire_secrets(work, id, overlap).await?;
    if !overlap.is_zero() && left >= MAX_SECRETS {
        return Err(Limit::ClientSecrets(MAX_SECRETS).into());
    }
    let secret = add_secret(work, id).await?;
    work.record(Event::about(Action::OauthClientRotated, id));
    Ok((summary, secret))
}

/// Lets the client's secrets end after an overlap. Returns how many are left.
async fn expire_secrets(work: &mut Work<'_>, client: Uuid, overlap: Duration) -> Result<u64, Error> {
    let (account, now) = (work.account(), work.now());
    let mut authentic = Vec::new();
    for hash in store::secrets(work, account, client).await? {
        let key = store::secret_key(client, &hash);
        if work.has_authentic(&rights::OAUTH_CLIENT_SECRETS, account, &key).await? {
            authentic.push(key);
        }
    }
    let left = store::expire_secrets(work, account, client, now + overlap, now).await?;
    for key in authentic {
        work.authenticate(&rights::OAUTH_CLIENT_SECRETS, account, &key).await?;
    }
    Ok(left)
}

async fn add_secret(work: &mut Work<'_>, client: Uuid) -> Result<ApiKey, Error> {
    let (account, now) = (work.account(), work.now());
    let secret = ApiKey::generate(Kind::ClientSecret);
    let hash = work.context().pepper.hash(&secret);
    store::insert_secret(work, account, client, &hash, now).await?;
    work.authenticate(&rights::OAUTH_CLIENT_SECRETS, account, &store::secret_key(client, &hash)).await?;
    Ok(secret)
}

/// Revokes a client for good; its tokens stop at once.
pub async fn revoke(work: &mut Work<'_>, id: Uuid) -> Result<(), Error> {
    let (account, now) = (work.account(), work.now());
    accounts::lock_rights(work, account).await?;
    let is_authentic = work.has_authentic(&rights::OAUTH_CLIENTS, account, &id.to_string()).await?;
    if !store::revoke(work, account, id, now).await? {
        return Err(Error::missing(Missing::OauthClient));
    }
    if is_authentic {
        work.authenticate(&rights::OAUTH_CLIENTS, account, &id.to_string()).await?;
    }
    work.record(Event::about(Action::OauthClientRevoked, id));
    Ok(())
}
