//! The end of an account: its data keys are destroyed, and its rows with them. Its sealed values open nowhere any more,
//! not even from a copy of its rows; only a backup that holds the wrapped data keys can bring it back.

use super::store;
use crate::audit::{Action, Event};
use crate::error::{BrokenRule, Error, Missing};
use crate::postgres::violates;
use crate::work::Work;

/// The counts of what a purge destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Data keys.
    pub data_keys: u64,
}

/// Purges the account of the unit of work. Its audit events stay, and one more records the purge; a parent is refused while
/// it has sub-accounts.
pub async fn purge(work: &mut Work<'_>) -> Result<Purged, Error> {
    let (context, account) = (work.context(), work.account());
    // After the lock nobody can add to the account.
    if !store::lock_to_delete(work, account).await? {
        return Err(Error::missing(Missing::Account));
    }
    let data_keys = context.vault.destroy_data_keys(work, account).await?;
    store::delete(work, account).await.map_err(|error| {
        if violates(&error, "accounts_parent_fkey") { Error::from(BrokenRule::PurgeParent) } else { error.into() }
    })?;
    work.record(Event::new(Action::AccountPurged));
    Ok(Purged { data_keys })
}
