//! Bearer tokens: ours, and those of the outside issuer if one is configured.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Authenticator;
use crate::error::{Denied, Error};
use crate::oauth::{self, Claims, StoredClient};
use crate::principal::{AuthMethod, Grounds, Limits, Principal};

impl Authenticator {
    pub(super) async fn by_bearer(&self, token: &str) -> Result<Arc<Principal>, Error> {
        let header = oauth::read_header(token)?;
        let now = self.clock.now();
        // A key id of ours decides; the issuer that the token claims is only believed once its seal is checked.
        if let Some(claims) = self.tokens.verify(&header, token, now).await? {
            let client = self.client_of(&claims, now).await?;
            return Ok(Arc::new(Principal {
                method: AuthMethod::OauthClient,
                account: client.account_id,
                acting_account: client.account_id,
                user_email: client.user_email.clone(),
                key_id: Some(client.id),
                // What the client lost since is lost for its tokens as well.
                scopes: claims.scopes().filter(|scope| client.scopes.contains(scope)).collect(),
                is_operator: false,
                grounds: Grounds::Token { client: claims.sub.into(), jti: claims.jti, exp: claims.exp },
                // Only what is unlimited makes clients.
                limits: Limits::default(),
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
            grounds: Grounds::OutsideToken { exp: claims.exp, owner: claims.owner.into() },
            limits: Limits { expires_at: Some(claims.made_keys_end), ..Limits::default() },
        }))
    }
    /// The client that a token of ours was issued to, if both still count.
    async fn client_of(&self, claims: &Claims, now: DateTime<Utc>) -> Result<Arc<StoredClient>, Error> {
        let client = self.client_with_token(&claims.sub, claims.jti).await?;
        if client.account_id != claims.account_id {
            return Err(Denied::BadToken("a token that names another account than its client's").into());
        }
        claims.check_life(client.longest_token(), now)?;
        Ok(client)
    }

    /// The client of this `client_id`, unless it or its token of this id was revoked.
    pub(super) async fn client_with_token(&self, client_id: &str, jti: Uuid) -> Result<Arc<StoredClient>, Error> {
        let client = self.tokens.client(client_id).await?;
        let client = client.ok_or(Denied::BadToken("a token of a client that does not exist"))?;
        if client.revoked_at.is_some() {
            return Err(Denied::BadToken("a token of a revoked client").into());
        }
        if self.tokens.is_revoked(client.account_id, jti).await? {
            return Err(Denied::BadToken("a revoked token").into());
        }
        Ok(client)
    }
}
