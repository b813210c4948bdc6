//! Revocation of a token by its client, before it has run out (RFC 7009).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store;
use super::tokens::{IssueError, Tokens};
use crate::accounts;
use crate::audit::{Action, Event};
use crate::error::Error;
use crate::principal::{Actor, AuthMethod, Grounds, Limits, Principal};
use crate::types::{AccountId, ClientAddress};
use crate::work::Work;

/// Where a request came from, for the record.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The request's id.
    pub request_id: Option<Arc<str>>,
    /// The client's address.
    pub client_address: Option<ClientAddress>,
}

/// A token with the client that asks to revoke it.
pub struct TokenToRevoke {
    /// The client, as the actor.
    pub actor: Actor,
    /// The client's account.
    pub account: AccountId,
    id: Uuid,
    expires_at: DateTime<Utc>,
}

impl TokenToRevoke {
    /// Finds the token of the client that presents itself; `None` for any other token, which changes nothing (RFC 7009 §2.2).
    pub async fn find(
        tokens: &Tokens,
        (client_id, client_secret): (&str, &str),
        token: &str,
        origin: Origin,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, IssueError> {
        let Some((client, claims)) = tokens.to_revoke(client_id, client_secret, token, now).await? else {
            return Ok(None);
        };
        let account = client.account_id;
        let principal = Principal {
            method: AuthMethod::OauthClient,
            account,
            acting_account: account,
            user_email: client.user_email.clone(),
            key_id: Some(client.id),
            scopes: client.scopes.clone(),
            is_operator: false,
            grounds: Grounds::ClientSecret,
            limits: Limits::default(),
        };
        let Origin { request_id, client_address } = origin;
        let actor = Actor { principal: Some(Arc::new(principal)), request_id, client_address };
        let expires_at = DateTime::from_timestamp(claims.exp, 0).unwrap_or(now);
        Ok(Some(Self { actor, account, id: claims.jti, expires_at }))
    }
}

/// Revokes a token, on every use that begins from now on.
pub async fn revoke(work: &mut Work<'_>, token: &TokenToRevoke) -> Result<(), Error> {
    let (account, now) = (work.account(), work.now());
    accounts::lock_rights(work, account).await?;
    store::revoke_token(work, account, token.id, token.expires_at, now).await?;
    work.record(Event::about(Action::OauthTokenRevoked, token.id));
    Ok(())
}
