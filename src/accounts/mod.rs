//! Accounts (tenants), and the people who own their keys.

mod purge;
mod status;
mod store;
pub mod subaccounts;
pub mod users;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

pub use purge::{Purged, purge};
pub use status::{AccountStatuses, Active};
pub use store::AccountStatus;

use crate::audit::{Action, Event};
use crate::context::Context;
use crate::error::{Error, Missing, OpenError};
use crate::postgres::Tenant;
use crate::rights;
use crate::types::{AccountId, Email, Name, Origin};
use crate::work::Work;

/// The rights of an account beyond its own credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// An account of its own.
    Standard,
    /// May have sub-accounts, if they are enabled for it.
    Enterprise,
}

impl Plan {
    /// The plan's name, as stored and returned.
    pub const fn as_str(self) -> &'static str {
        match self {
            Plan::Standard => "standard",
            Plan::Enterprise => "enterprise",
        }
    }
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its display name.
    pub name: Name,
    /// Its plan.
    pub plan: Plan,
    /// Whether it may have sub-accounts.
    pub subaccounts_enabled: bool,
    /// E-mail of its first user, who owns its first keys.
    pub owner_email: Email,
}

/// An account in a listing.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct AccountSummary {
    /// Its id.
    pub id: AccountId,
    /// Its parent, if it is a sub-account.
    pub parent_id: Option<AccountId>,
    /// Its display name.
    pub name: String,
    /// Its plan.
    pub plan: String,
    /// Whether its keys work.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes an account with its first user, in a unit of work for every account.
pub async fn create(work: &mut Work<'_>, account: &NewAccount) -> Result<AccountId, Error> {
    let now = work.now();
    let id = store::insert(work, account, now).await?;
    work.go_on_for(id).await?;
    work.authenticate(&rights::ACCOUNTS, id, "").await?;
    work.begin_manifest().await?;
    let user = Uuid::now_v7();
    store::insert_user(work, id, user, account.owner_email.as_str(), None, now).await?;
    work.authenticate(&rights::USERS, id, &user.to_string()).await?;
    work.record(Event::new(Action::AccountCreated));
    work.record(Event::about(Action::UserCreated, user));
    Ok(id)
}

/// Every account but the operator's own, by id.
pub async fn list(context: &Context) -> Result<Vec<AccountSummary>, Error> {
    Ok(store::list(&mut *context.read(Tenant::Every).await?).await?)
}

/// An account as it sees itself: a sub-account with its parent's plan.
pub async fn describe(context: &Context, account: AccountId) -> Result<AccountSummary, Error> {
    store::describe(&mut *context.read(account).await?, account).await?.ok_or(Error::missing(Missing::Account))
}

/// Holds an account's row until the end of the transaction: what is limited per account is counted under this lock, so
/// that the count is true until the commit.
pub(crate) async fn lock(connection: &mut PgConnection, account: AccountId) -> Result<(), Error> {
    if store::lock(connection, account).await? { Ok(()) } else { Err(Error::missing(Missing::Account)) }
}

/// Locks the account's row before a right of its keys, clients or tokens is taken away: writes that rest on the right have
/// ended then, and none begins (`rights::hold`). An account that does not exist has no rights.
pub(crate) async fn lock_rights(connection: &mut PgConnection, account: AccountId) -> Result<(), Error> {
    Ok(store::lock(connection, account).await.map(|_exists| ())?)
}

/// Sets where browsers may use the account's public keys from.
pub async fn set_allowed_origins(work: &mut Work<'_>, origins: &[Origin]) -> Result<(), Error> {
    let (account, now) = (work.account(), work.now());
    // What else stands in the row is authenticated with the origins.
    let is_authentic = work.has_authentic(&rights::ACCOUNTS, account, "").await?;
    if !store::set_allowed_origins(work, account, origins, now).await? {
        return Err(Error::missing(Missing::Account));
    }
    if !is_authentic {
        return Err(OpenError::Rejected.into());
    }
    work.authenticate(&rights::ACCOUNTS, account, "").await?;
    work.record(Event::new(Action::AllowedOriginsSet));
    Ok(())
}
