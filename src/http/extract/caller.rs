//! The caller of a request. A handler that asks for [`Caller`] of a right, for [`Parent`] or for [`Visitor`] holds the proof
//! that the caller may do it.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::header_parameter;
use crate::app::App;
use crate::auth::{self, Accepts, Presented};
use crate::error::{Denied, Error};
use crate::http::edge::admission;
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::http::family::Family;
use crate::principal::{Actor, AuthMethod, Principal, Scope};
use crate::types::AccountId;

pub(in crate::http) static X_ACCOUNT_ID: HeaderName = HeaderName::from_static("x-account-id");

/// A right that a handler can ask for.
pub trait Right: Send + Sync {
    /// The scope that grants it; `None` if every private caller has it.
    const SCOPE: Option<Scope>;
    /// Whether a parent can use it for a sub-account, by `X-Account-Id`.
    const FOR_OTHERS: bool = false;
    /// Which kinds of keys have it. A public key has it without the scope, for its own account.
    const ACCEPTS: Accepts = Accepts::Private;
}

/// May see what is configured.
pub struct ReadCredentials;
/// May store and delete.
pub struct WriteCredentials;
/// May be given passwords.
pub struct ResolveCredentials;
/// May read what was done.
pub struct ReadAudit;
/// May manage keys and clients.
pub struct ManageKeys;
/// May manage sub-accounts, if the account has any; see [`Parent`].
pub struct ManageSubaccounts;
/// May call suppliers.
pub struct CallSuppliers;
/// May call suppliers for what they publish: also a browser with a public key, from an allowed origin.
pub struct BrowseSuppliers;
/// May send orders to suppliers.
pub struct SendOrders;
/// Is somebody.
pub struct Anybody;

impl Right for ReadCredentials {
    const SCOPE: Option<Scope> = Some(Scope::CredentialsRead);
    const FOR_OTHERS: bool = true;
}
impl Right for WriteCredentials {
    const SCOPE: Option<Scope> = Some(Scope::CredentialsWrite);
    const FOR_OTHERS: bool = true;
}
impl Right for ResolveCredentials {
    const SCOPE: Option<Scope> = Some(Scope::CredentialsResolve);
}
impl Right for ReadAudit {
    const SCOPE: Option<Scope> = Some(Scope::AuditRead);
    const FOR_OTHERS: bool = true;
}
impl Right for ManageKeys {
    const SCOPE: Option<Scope> = Some(Scope::ApiKeysManage);
}
impl Right for ManageSubaccounts {
    const SCOPE: Option<Scope> = Some(Scope::SubaccountsManage);
}
impl Right for CallSuppliers {
    const SCOPE: Option<Scope> = Some(Scope::SuppliersCall);
    const FOR_OTHERS: bool = true;
}
impl Right for BrowseSuppliers {
    const SCOPE: Option<Scope> = Some(Scope::SuppliersCall);
    const FOR_OTHERS: bool = true;
    const ACCEPTS: Accepts = Accepts::PublicToo;
}
impl Right for SendOrders {
    const SCOPE: Option<Scope> = Some(Scope::OrdersSend);
    const FOR_OTHERS: bool = true;
}
impl Right for Anybody {
    const SCOPE: Option<Scope> = None;
}

/// An authenticated caller who has the right `R`.
pub struct Caller<R> {
    /// The authenticated party.
    pub principal: Arc<Principal>,
    /// The same for the record, with the request it came with.
    pub actor: Actor,
    right: PhantomData<R>,
}

impl<R> Caller<R> {
    /// The account whose rows the request is about.
    pub fn account(&self) -> AccountId {
        self.principal.account
    }

    /// The user to whom a key or client belongs that the caller makes: themselves, unless only the outside issuer knows
    /// them.
    pub fn owner_of_what_is_made(&self) -> Option<&str> {
        self.principal.key_id.map(|_| self.principal.user_email.as_str())
    }
}

/// Names the header by which a parent acts for a sub-account, where the right allows it; the OpenAPI document describes it.
impl<R: Right> IntoParams for Caller<R> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        R::FOR_OTHERS.then(|| header_parameter("X-Account-Id")).into_iter().collect()
    }
}

impl<R: Right> FromRequestParts<Arc<App>> for Caller<R> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, HttpError> {
        let own = authenticate(parts, app, R::ACCEPTS).await?;
        let is_public = own.method == AuthMethod::PublicKey;
        let acting = match account_named(&parts.headers) {
            Ok(None) => Ok(Arc::clone(&own)),
            Ok(Some(_)) if is_public => Err(Denied::NotForOthers.into()),
            Ok(Some(account)) if R::FOR_OTHERS => auth::act_for(&own, account, &app.statuses).await,
            Ok(Some(_)) => Err(Denied::NotForOthers.into()),
            Err(error) => Err(error),
        };
        let context = parts.extensions.get::<Arc<RequestContext>>();
        let noted = acting.as_ref().map_or(own, Arc::clone);
        if let Some(context) = context {
            // For the log, also of a refusal. Set once: one of the extractors of this page runs, and runs once.
            let _ = context.principal.set(Arc::clone(&noted));
        }
        acting?;
        let principal = noted;
        if let Some(scope) = R::SCOPE
            && !principal.has(scope)
            && !is_public
        {
            return Err(Error::Denied(Denied::MissingScope(scope)).into());
        }
        if let Some(context) = context
            && !admission::brings_a_body(&parts.method)
        {
            admission::wait_for_turn(context, app, &parts.method, principal.acting_account).await?;
            app.authenticator.confirm(&principal, context.client_address.as_ref()).await?;
        }
        let actor = actor(Arc::clone(&principal), context.map(Arc::as_ref));
        Ok(Self { principal, actor, right: PhantomData })
    }
}

/// A caller for the record, with the request that they came with.
fn actor(principal: Arc<Principal>, context: Option<&RequestContext>) -> Actor {
    Actor {
        principal: Some(principal),
        request_id: context.and_then(|context| context.id.to_str().ok()).map(Into::into),
        client_address: context.and_then(|context| context.client_address.clone()),
    }
}

/// Returns the caller of a request that was refused, if known.
pub(in crate::http) fn refused_actor(parts: &Parts) -> Option<Actor> {
    let context = parts.extensions.get::<Arc<RequestContext>>()?;
    Some(actor(Arc::clone(context.principal.get()?), Some(context)))
}

/// A caller who may manage sub-accounts, and whose account may have some.
pub struct Parent(pub Caller<ManageSubaccounts>);

impl FromRequestParts<Arc<App>> for Parent {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, HttpError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let status = app.statuses.get(caller.account()).await?;
        if !status.is_some_and(|status| status.may_have_subaccounts()) {
            return Err(Error::Denied(Denied::NoSubAccounts).into());
        }
        Ok(Self(caller))
    }
}

/// Somebody who may look at the directory: also a browser with a public key, from an allowed origin.
pub struct Visitor;

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, HttpError> {
        if account_named(&parts.headers)?.is_some() {
            return Err(Error::Denied(Denied::NotForOthers).into());
        }
        let principal = authenticate(parts, app, Accepts::PublicToo).await?;
        if let Some(context) = parts.extensions.get::<Arc<RequestContext>>() {
            let account = principal.acting_account;
            let _ = context.principal.set(principal);
            admission::wait_for_turn(context, app, &parts.method, account).await?;
        }
        Ok(Self)
    }
}

async fn authenticate(parts: &Parts, app: &App, accepts: Accepts) -> Result<Arc<Principal>, Error> {
    let context = parts.extensions.get::<Arc<RequestContext>>();
    let query_keys = parts.uri.query().unwrap_or_default().split('&');
    let presented = Presented {
        api_keys: texts(&parts.headers, &HeaderName::from_static("x-api-key"))
            .ok_or(Denied::BadKey("a key that is not ASCII"))?,
        // Keys are plain ASCII, so one that needs percent-encoding is no key.
        query_keys: query_keys.filter_map(|part| part.strip_prefix("pub_api_key=")).collect(),
        authorization: texts(&parts.headers, &AUTHORIZATION)
            .ok_or(Denied::BadToken("an Authorization header that is not ASCII"))?,
        client_address: context.and_then(|context| context.client_address.as_ref()),
        origin: parts.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()),
    };
    let schemes = context.map_or(Family::Native, |context| context.family).schemes();
    match app.authenticator.authenticate(&presented, schemes, accepts).await {
        Ok(principal) => {
            if let Some(context) = context
                && let Err(refused) =
                    admission::count(context, app, admission::holder(&principal), principal.is_operator).await
            {
                let _ = context.principal.set(principal);
                return Err(refused);
            }
            Ok(principal)
        }
        Err(error) => Err(error),
    }
}

/// Every value of a header; `None` if one is not text.
fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    headers.get_all(name).iter().map(|value| value.to_str().ok()).collect()
}

/// The account that the request is to act for. Anything but one id is somebody that the caller may not act for.
fn account_named(headers: &HeaderMap) -> Result<Option<AccountId>, Error> {
    let mut named = headers.get_all(&X_ACCOUNT_ID).iter();
    let Some(first) = named.next() else { return Ok(None) };
    let id = first.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match id.and_then(|text| text.parse().ok()) {
        Some(id) if named.next().is_none() => Ok(Some(AccountId(id))),
        _ => Err(Denied::OtherAccount.into()),
    }
}
