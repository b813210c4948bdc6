//! The caller of a request. A handler that asks for [`Caller`] of a right holds the proof that the caller has it.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::edge::RequestContext;
use super::error::HttpError;
use crate::api_key::Kind;
use crate::app::App;
use crate::error::{Denied, Error};
use crate::principal::{Actor, Principal, Scope};
use crate::types::AccountId;

/// A right that a handler can ask for.
pub trait Right: Send + Sync {
    /// The scope that grants it.
    const SCOPE: Scope;
}

/// May see what is configured.
pub struct ReadCredentials;
/// May store and delete.
pub struct WriteCredentials;
/// May be given passwords.
pub struct ResolveCredentials;

impl Right for ReadCredentials {
    const SCOPE: Scope = Scope::CredentialsRead;
}
impl Right for WriteCredentials {
    const SCOPE: Scope = Scope::CredentialsWrite;
}
impl Right for ResolveCredentials {
    const SCOPE: Scope = Scope::CredentialsResolve;
}

/// An authenticated caller who has the right `R`.
pub struct Caller<R> {
    /// Who it is.
    pub principal: Arc<Principal>,
    /// Who it is for the record, with the request it came with.
    pub actor: Actor,
    right: PhantomData<R>,
}

impl<R> Caller<R> {
    /// The account whose rows the request is about.
    pub fn account(&self) -> AccountId {
        self.principal.account
    }
}

impl<R: Right> FromRequestParts<Arc<App>> for Caller<R> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, HttpError> {
        let presented = presented(&parts.headers, parts.uri.query()).map_err(Error::from)?;
        let principal = Arc::new(app.authenticator.api_key(presented).await?);
        let context = parts.extensions.get::<Arc<RequestContext>>();
        if let Some(context) = context {
            // Set once: this is the only extractor that does, and it runs once.
            let _ = context.principal.set(Arc::clone(&principal));
        }
        if !principal.has(R::SCOPE) {
            return Err(Error::Denied(Denied::MissingScope(R::SCOPE)).into());
        }
        let actor = Actor {
            principal: Some(Arc::clone(&principal)),
            request_id: context.and_then(|context| context.id.to_str().ok()).map(str::to_owned),
            client_address: context.and_then(|context| context.client_address),
        };
        Ok(Self { principal, actor, right: PhantomData })
    }
}

/// The one key that the request presents: in the header or, for public keys, in the query.
fn presented<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Result<&'a str, Denied> {
    let in_header = headers
        .get_all("x-api-key")
        .iter()
        .map(|value| value.to_str().map_err(|_| Denied::BadKey("a key that is not ASCII")));
    // Keys are plain ASCII, so one that needs percent-encoding is no key.
    let in_query =
        query.unwrap_or_default().split('&').filter_map(|part| part.strip_prefix("pub_api_key=")).map(|key| {
            // A private key in a URL is in everybody's logs; it must not seem to work there.
            let is_public = key.starts_with(Kind::Public.prefix());
            is_public.then_some(key).ok_or(Denied::BadKey("a key in the query that is not public"))
        });
    let mut keys = in_header.chain(in_query);
    let key = keys.next().ok_or(Denied::NotAuthenticated)??;
    if keys.next().is_some() {
        return Err(Denied::BadKey("more than one key"));
    }
    Ok(key)
}
