//! Looks at rights again that a request began with: what was revoked while its body was on its way, or while it waited for its
//! turn, does not count any more when it goes on.

use super::{Authenticator, act_for, api_key};
use crate::error::{Denied, Error};
use crate::oauth;
use crate::principal::{Grounds, Principal, Scope};
use crate::types::ClientAddress;

impl Authenticator {
    /// Confirms, from memory, that a principal still has every right that it was given: its key or token, the status of the
    /// accounts, the link between them, its scopes, its end.
    ///
    /// # Errors
    /// The refusal that a request would get that began now.
    pub async fn confirm(&self, principal: &Principal, client_address: Option<&ClientAddress>) -> Result<(), Error> {
        let now = self.clock.now();
        match &principal.grounds {
            Grounds::Key(hash) => {
                let known = self.lookup(*hash).await?.ok_or(Denied::BadKey("a key that does not exist"))?;
                api_key::check(&known.stored, client_address, now)?;
                require_all(&known.stored.scopes, &principal.scopes)?;
            }
            Grounds::Token { client, jti, exp } => {
                oauth::check_expiry(*exp, now)?;
                let client = self.client_with_token(client, *jti).await?;
                require_all(&client.scopes, &principal.scopes)?;
            }
            Grounds::OutsideToken { exp, .. } => oauth::check_expiry(*exp, now)?,
            Grounds::ClientSecret => {}
        }
        if !self.statuses.is_active(principal.acting_account).await? {
            return Err(Denied::InactiveAccount.into());
        }
        if principal.account == principal.acting_account {
            return Ok(());
        }
        act_for::require_active_child(principal.acting_account, principal.account, &self.statuses).await
    }
}

/// Refuses if a scope is gone.
fn require_all(present: &[Scope], had: &[Scope]) -> Result<(), Denied> {
    match had.iter().find(|scope| !present.contains(scope)) {
        Some(gone) => Err(Denied::MissingScope(*gone)),
        None => Ok(()),
    }
}
