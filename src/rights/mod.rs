//! Rights within a write: confirmed in its transaction, and kept until that ends.

mod store;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::{Denied, Error};
use crate::principal::{AuthMethod, Grounds, Principal};

/// Confirms that a principal still has its rights; nobody can revoke them before the transaction ends. To be called when the work is done, shortly before the commit.
///
/// # Errors
/// The refusal that a request would get that began now.
pub async fn hold(connection: &mut PgConnection, principal: &Principal, now: DateTime<Utc>) -> Result<(), Error> {
    if let Grounds::Token { exp, .. } | Grounds::OutsideToken { exp } = principal.grounds
        && exp <= now.timestamp()
    {
        return Err(Denied::BadToken("a token that has run out").into());
    }
    let (key, client) = match principal.method {
        AuthMethod::ApiKey | AuthMethod::PublicKey => (principal.key_id, None),
        AuthMethod::OauthClient => (None, principal.key_id),
        AuthMethod::OutsideIssuer => (None, None),
    };
    let token = match principal.grounds {
        Grounds::Token { jti, .. } => Some(jti),
        Grounds::Key(_) | Grounds::OutsideToken { .. } | Grounds::ClientSecret => None,
    };
    let presented = store::Presented { key, client, token };
    let Principal { account, acting_account, scopes, .. } = principal;
    match store::why_ended(connection, *account, *acting_account, &presented, scopes, now).await?.as_deref() {
        None => Ok(()),
        Some("account") => Err(Denied::InactiveAccount.into()),
        Some("link") => Err(Denied::OtherAccount.into()),
        Some("key") => Err(Denied::BadKey("a key that ended during its request").into()),
        Some(_) => Err(Denied::BadToken("a token that ended during its request").into()),
    }
}
