//! Acting for another account: a parent for its sub-accounts, and nobody else for anybody. The link is checked on each
//! request.

use std::sync::Arc;

use crate::accounts::AccountStatuses;
use crate::error::{Denied, Error};
use crate::principal::Principal;
use crate::types::AccountId;

/// The principal, acting for an account that it names: its own, or a sub-account of its own.
///
/// # Errors
/// [`Denied::OtherAccount`] for any other account, also one that does not exist: what is not theirs does not exist for
/// them. [`Denied::InactiveAccount`] for a sub-account that is inactive.
pub async fn act_for(
    principal: &Arc<Principal>,
    account: AccountId,
    statuses: &AccountStatuses,
) -> Result<Arc<Principal>, Error> {
    if principal.account == account {
        return Ok(Arc::clone(principal));
    }
    require_active_child(principal.account, account, statuses).await?;
    Ok(Arc::new(Principal { account, ..Principal::clone(principal) }))
}

/// Refuses an account that is not a sub-account of the parent's, or is inactive.
pub(super) async fn require_active_child(
    parent: AccountId,
    account: AccountId,
    statuses: &AccountStatuses,
) -> Result<(), Error> {
    statuses.require_parent(parent, account).await?;
    if statuses.is_active(account).await? { Ok(()) } else { Err(Denied::InactiveAccount.into()) }
}
