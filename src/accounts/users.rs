//! The people who own keys, and their passwords.
//!
//! argon2id is for passwords that people choose. It takes tens of milliseconds and as many mebibytes on purpose, so it runs
//! off the async threads, and only a few at a time.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::store;
use crate::audit::{Action, Event};
use crate::context::Context;
use crate::error::{BrokenRule, Error, Missing, OpenError, Taken};
use crate::postgres::violates;
use crate::rights;
use crate::types::{AccountId, Email};
use crate::work::Work;

/// Fewest characters of a password that a person chooses (NIST SP 800-63B asks for eight at least).
pub const MIN_PASSWORD_CHARS: usize = 12;

/// How many hashes may be under way at once: each takes 19 MiB.
static HASHING: Semaphore = Semaphore::const_new(2);

/// The argon2 string of a password that a person chose.
pub struct HashedPassword(String);

impl HashedPassword {
    /// Hashes a password. Before the transaction: it takes a while.
    pub async fn of(password: SecretString) -> Result<Self, Error> {
        if password.expose_secret().chars().count() < MIN_PASSWORD_CHARS {
            return Err(BrokenRule::ShortPassword(MIN_PASSWORD_CHARS).into());
        }
        hash(password).await.map(Self)
    }
}

/// Makes a user of the account, with a password for the console if one is given.
pub async fn create(work: &mut Work<'_>, email: &Email, password: Option<&HashedPassword>) -> Result<Uuid, Error> {
    let (account, now) = (work.account(), work.now());
    let id = Uuid::now_v7();
    let hash = password.map(|HashedPassword(hash)| hash.as_str());
    store::insert_user(work, account, id, email.as_str(), hash, now).await.map_err(|error| {
        if violates(&error, "users_email_unique") {
            Error::from(Taken::UserEmail)
        } else if violates(&error, "users_account_fkey") || violates(&error, "users_not_operator") {
            Error::missing(Missing::Account)
        } else {
            error.into()
        }
    })?;
    work.authenticate(&rights::USERS, account, &id.to_string()).await?;
    work.record(Event::about(Action::UserCreated, id));
    Ok(id)
}

/// Whether this is the user's password. A user who does not exist, or has none, takes as long.
pub async fn verify_password(
    context: &Context,
    account: AccountId,
    email: &Email,
    password: SecretString,
) -> Result<bool, Error> {
    let Some(stored) = authentic_hash(context, account, email).await? else {
        // The same work, for nothing.
        hash(password).await?;
        return Ok(false);
    };
    let matches = off_the_async_threads(move || {
        let parsed = PasswordHash::new(&stored).ok()?;
        Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).ok()
    });
    Ok(matches.await.is_some())
}

/// The stored hash, of a user whose row is as it was authenticated.
async fn authentic_hash(context: &Context, account: AccountId, email: &Email) -> Result<Option<String>, Error> {
    let mut connection = context.read(account).await?;
    let Some((id, stored)) = store::password_hash(&mut connection, account, email.as_str()).await? else {
        return Ok(None);
    };
    let is_authentic =
        rights::has_authentic(&mut connection, &context.pepper, &rights::USERS, account, &id.to_string()).await?;
    Ok(is_authentic.then_some(stored))
}

/// The user of an account with this e-mail; the account's oldest user if none is named.
///
/// # Errors
/// [`OpenError::Rejected`] for a user whose row is not as it was authenticated: what is made for them would be on record as theirs.
pub(crate) async fn find(
    work: &mut Work<'_>,
    account: AccountId,
    email: Option<&str>,
) -> Result<(Uuid, String), Error> {
    let user = store::find_user(work, account, email).await?.ok_or(Error::missing(Missing::User))?;
    if !work.has_authentic(&rights::USERS, account, &user.0.to_string()).await? {
        return Err(OpenError::Rejected.into());
    }
    Ok(user)
}

async fn hash(password: SecretString) -> Result<String, Error> {
    let hash = off_the_async_threads(move || {
        Argon2::default().hash_password(password.expose_secret().as_bytes()).map(|hash| hash.to_string()).ok()
    });
    hash.await.ok_or(Error::Seal(crate::error::SealError))
}

/// Runs slow work on a thread that may block; `None` if the work gives nothing.
async fn off_the_async_threads<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    let _permit = HASHING.acquire().await.ok()?;
    tokio::task::spawn_blocking(work).await.ok().flatten()
}
