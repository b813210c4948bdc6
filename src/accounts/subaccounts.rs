//! Sub-accounts: made and kept by their parent. Nothing is inherited but the plan, and nothing is nested.

use uuid::Uuid;

pub use super::store::{NewSubAccount, SubAccount, SubAccountUpdate};
use super::{store, users};
use crate::audit::{Action, Event};
use crate::context::Context;
use crate::error::{Error, Missing, Taken};
use crate::postgres::violates;
use crate::rights;
use crate::types::{AccountId, Email};
use crate::work::Work;

/// The parent's sub-accounts, by id.
pub async fn list(context: &Context, parent: AccountId, include_inactive: bool) -> Result<Vec<SubAccount>, Error> {
    Ok(store::list_subaccounts(&mut *context.read(parent).await?, parent, include_inactive).await?)
}

/// A sub-account of the parent. Anybody else's is not there.
pub async fn find(context: &Context, parent: AccountId, id: AccountId) -> Result<SubAccount, Error> {
    let mut connection = context.read(parent).await?;
    let found = store::find_subaccount(&mut connection, parent, id).await?;
    // The link gives the parent rights on the account.
    if !rights::has_authentic(&mut connection, &context.pepper, &rights::ACCOUNTS, id, "").await? {
        return Err(Error::missing(Missing::SubAccount));
    }
    found.ok_or(Error::missing(Missing::SubAccount))
}

/// Makes a sub-account of the unit of work's account, with its first user. The events are in the sub-account's chain.
pub async fn create(work: &mut Work<'_>, new: &NewSubAccount) -> Result<SubAccount, Error> {
    let (parent, now) = (work.account(), work.now());
    let id = store::insert_subaccount(work, parent, new, now).await.map_err(taken)?;
    let email = match (&new.organization_contact_email, Email::parse(work.actor().name())) {
        (Some(contact), _) => contact.as_str().to_owned(),
        (None, Ok(maker)) => maker.as_str().to_owned(),
        // Whom the outside issuer knows by a number has no address here.
        (None, Err(_)) => users::find(work, parent, None).await?.1,
    };
    let created = store::find_subaccount(work, parent, id).await?;
    let created = created.ok_or(Error::missing(Missing::SubAccount))?;
    work.go_on_for(id).await?;
    work.authenticate(&rights::ACCOUNTS, id, "").await?;
    work.begin_manifest().await?;
    let user = Uuid::now_v7();
    store::insert_user(work, id, user, &email, None, now).await?;
    work.authenticate(&rights::USERS, id, &user.to_string()).await?;
    work.record(Event::new(Action::AccountCreated));
    work.record(Event::about(Action::UserCreated, user));
    Ok(created)
}

/// Changes a sub-account of the unit of work's account. The event is in the sub-account's chain.
pub async fn update(work: &mut Work<'_>, id: AccountId, update: &SubAccountUpdate) -> Result<SubAccount, Error> {
    let (parent, now) = (work.account(), work.now());
    if !work.has_authentic(&rights::ACCOUNTS, id, "").await? {
        return Err(Error::missing(Missing::SubAccount));
    }
    if !store::update_subaccount(work, parent, id, update, now).await.map_err(taken)? {
        return Err(Error::missing(Missing::SubAccount));
    }
    let updated = store::find_subaccount(work, parent, id).await?;
    let updated = updated.ok_or(Error::missing(Missing::SubAccount))?;
    work.go_on_for(id).await?;
    if update.is_active.is_some() {
        work.authenticate(&rights::ACCOUNTS, id, "").await?;
    }
    let action = match update.is_active {
        Some(true) => Action::AccountActivated,
        Some(false) => Action::AccountDeactivated,
        None => Action::AccountUpdated,
    };
    work.record(Event::new(action));
    Ok(updated)
}

/// Deactivates a sub-account: its keys and tokens stop at once, its credentials stay.
pub async fn deactivate(work: &mut Work<'_>, id: AccountId) -> Result<(), Error> {
    let inactive = SubAccountUpdate { is_active: Some(false), ..SubAccountUpdate::default() };
    update(work, id, &inactive).await.map(drop)
}

fn taken(error: sqlx::Error) -> Error {
    if violates(&error, "accounts_external_customer_id_unique") {
        return Taken::ExternalCustomerId.into();
    }
    error.into()
}
