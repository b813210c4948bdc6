//! A token that its client takes back before it has run out (RFC 7009).

use std::sync::Arc;

use chrono::DateTime;

use super::store;
use super::tokens::{IssueError, Tokens};
use crate::audit::{self, Action, Event};
use crate::context::Context;
use crate::error::Error;
use crate::principal::{Actor, AuthMethod, Principal};
use crate::types::ClientAddress;

/// Where a request came from, for the record.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The request's id.
    pub request_id: Option<Arc<str>>,
    /// The client's address.
    pub client_address: Option<ClientAddress>,
}

/// Revokes a token of the client that presents itself, on every use that begins from now on.
pub async fn revoke(
    context: &Context,
    tokens: &Tokens,
    (client_id, client_secret): (&str, &str),
    token: &str,
    origin: Origin,
) -> Result<(), IssueError> {
    let now = context.clock.now();
    let Some((client, claims)) = tokens.to_revoke(client_id, client_secret, token, now).await? else { return Ok(()) };
    let account = client.account_id;
    let actor = Actor {
        principal: Some(Arc::new(Principal {
            method: AuthMethod::OauthClient,
            account,
            acting_account: account,
            user_email: client.user_email.clone(),
            key_id: Some(client.id),
            scopes: client.scopes.clone(),
            is_operator: false,
        })),
        request_id: origin.request_id,
        client_address: origin.client_address,
    };
    let expires_at = DateTime::from_timestamp(claims.exp, 0).unwrap_or(now);
    let mut change = context.cluster.begin(account).await?;
    store::revoke_token(&mut change, account, claims.jti, expires_at, now).await.map_err(Error::from)?;
    let events = [Event::about(Action::OauthTokenRevoked, claims.jti)];
    let recorded = audit::record(&mut change, &context.audit_key, account, &actor, now, &events).await;
    recorded.map_err(Error::from)?;
    change.commit().await?;
    Ok(())
}
