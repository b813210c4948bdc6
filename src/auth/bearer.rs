//! Bearer tokens: ours, and those of the outside issuer if one is configured.

use std::sync::Arc;

use super::Authenticator;
use crate::error::{Denied, Error};
use crate::oauth;
use crate::principal::{AuthMethod, Principal};

impl Authenticator {
    pub(super) async fn by_bearer(&self, token: &str) -> Result<Arc<Principal>, Error> {
        let header = oauth::read_header(token)?;
        let now = self.clock.now();
        // A key id of ours decides; the issuer that the token claims is only believed once its seal is checked.
        if let Some(claims) = self.tokens.verify(&header, token, now).await? {
            let client = self.tokens.client(&claims.sub).await?;
            let client = client.ok_or(Denied::BadToken("a token of a client that does not exist"))?;
            if client.account_id != claims.account_id {
                return Err(Denied::BadToken("a token that names another account than its client's").into());
            }
            if client.revoked_at.is_some() {
                return Err(Denied::BadToken("a token of a revoked client").into());
            }
            claims.check_life(client.longest_token(), now)?;
            if self.tokens.is_revoked(claims.account_id, claims.jti).await? {
                return Err(Denied::BadToken("a revoked token").into());
            }
            return Ok(Arc::new(Principal {
                method: AuthMethod::OauthClient,
                account: client.account_id,
                acting_account: client.account_id,
                user_email: client.user_email.clone(),
                key_id: Some(client.id),
                // What the client lost since is lost for its tokens as well.
                scopes: claims.scopes().filter(|scope| client.scopes.contains(scope)).collect(),
                is_operator: false,
            }));
        }
        let outside = self.outside.as_ref().ok_or(Denied::BadToken("a token under an unknown key"))?;
        let claims = outside.verify(&header, token, now).await?;
        Ok(Arc::new(Principal {
            method: AuthMethod::OutsideIssuer,
            account: claims.account,
            acting_account: claims.account,
            user_email: claims.user,
            key_id: None,
            scopes: claims.scopes,
            is_operator: false,
        }))
    }
}
