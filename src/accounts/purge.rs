//! The end of an account: its data keys are destroyed, and its rows with them. What it had sealed opens nowhere any more,
//! not even from a copy of its rows; only a backup that holds the wrapped data keys can bring it back.

use super::store;
use crate::audit::{self, Action, Event};
use crate::context::Context;
use crate::error::{Error, FieldError, Missing};
use crate::postgres::violates;
use crate::principal::Actor;
use crate::types::AccountId;

/// What was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Data keys.
    pub data_keys: u64,
}

/// Purges an account. Its audit events stay, and say so; a parent is refused while it has sub-accounts.
pub async fn purge(context: &Context, actor: &Actor, account: AccountId) -> Result<Purged, Error> {
    let now = context.clock.now();
    let mut change = context.cluster.begin(account).await?;
    // Behind the lock nobody can add to the account.
    if !store::lock_to_delete(&mut change, account).await? {
        return Err(Error::missing(Missing::Account));
    }
    let data_keys = context.vault.destroy_data_keys(&mut change, account).await?;
    store::delete(&mut change, account).await.map_err(|error| {
        if violates(&error, "accounts_parent_fkey") {
            let message = "The account has sub-accounts: purge them first";
            Error::invalid(FieldError::sentence_alone("account", message))
        } else {
            error.into()
        }
    })?;
    audit::record(&mut change, &context.audit_key, account, actor, now, &[Event::new(Action::AccountPurged)]).await?;
    // Keys and clients of the account may be in memory by other names than its own.
    change.commit().await?;
    Ok(Purged { data_keys })
}
