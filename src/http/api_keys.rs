//! `/extra/v2/api-keys`, and `/extra/v2/subaccounts/{id}/api-keys` for a parent: API keys. A key is shown once, when it is
//! made.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::{JsonBody, Object, OptionalBody};
use super::caller::{Caller, ManageKeys, Parent};
use super::credentials::Listing;
use super::error::HttpError;
use super::query::{NoParameters, Query};
use super::subaccounts::account_in_path;
use crate::accounts::subaccounts;
use crate::api_credentials::{self, KeySummary, MAX_OVERLAP, NewKey};
use crate::api_key::{ApiKey, Kind};
use crate::app::App;
use crate::error::{Denied, Error, FieldError, FieldErrors, Missing};
use crate::principal::{Principal, Scope};
use crate::types::{Name, parse_range};

/// The body of a creation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    public: Option<bool>,
    name: Option<String>,
    scopes: Option<Vec<String>>,
    allowed_ips: Option<Vec<String>>,
    expires_at: Option<DateTime<Utc>>,
}

/// A key that was just made: what a listing says of it, and the key itself.
#[derive(Serialize)]
pub struct MadeKey {
    #[serde(flatten)]
    summary: KeySummary,
    key: String,
}

impl MadeKey {
    fn new((summary, key): (KeySummary, ApiKey)) -> (StatusCode, Json<Self>) {
        (StatusCode::CREATED, Json(Self { summary, key: key.expose().to_owned() }))
    }
}

impl CreateBody {
    fn parse(self, by: &Principal, now: DateTime<Utc>) -> Result<NewKey, Error> {
        let mut errors = FieldErrors::default();
        let kind = if self.public == Some(true) { Kind::Public } else { Kind::Private };
        let name = errors.required("name", Some(self.name.unwrap_or("API key".to_owned())), |name| Name::parse(&name));
        let scopes = scopes(self.scopes, by, &mut errors)?;
        if kind == Kind::Public && scopes.as_ref().is_some_and(|scopes| !scopes.is_empty()) {
            errors.push(FieldError::new("scopes", "must not be named for a public key, which has none"));
        }
        let mut allowed_ips = Vec::new();
        for (index, range) in self.allowed_ips.unwrap_or_default().iter().enumerate() {
            allowed_ips
                .extend(errors.optional(&format!("allowed_ips[{index}]"), Some(range), |text| parse_range(text)));
        }
        if self.expires_at.is_some_and(|expiry| expiry <= now) {
            errors.push(FieldError::new("expires_at", "must be in the future"));
        }
        let name = errors.complete(name)?;
        let scopes = match kind {
            Kind::Public => vec![],
            _ => scopes.unwrap_or_else(|| usual_scopes(by)),
        };
        let (expires_at, user_email) = (self.expires_at, None);
        Ok(NewKey { name, kind, scopes, allowed_ips, expires_at, is_operator: false, user_email })
    }
}

/// Scopes by their names, if any are named. Nobody can grant a scope that they lack.
pub(super) fn scopes(
    names: Option<Vec<String>>,
    by: &Principal,
    errors: &mut FieldErrors,
) -> Result<Option<Vec<Scope>>, Error> {
    let Some(names) = names else { return Ok(None) };
    let mut scopes = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match Scope::parse(name) {
            Some(scope) if !by.has(scope) => return Err(Denied::CannotGrant(scope).into()),
            Some(scope) if scopes.contains(&scope) => {}
            Some(scope) => scopes.push(scope),
            None => {
                let known = Scope::ALL.map(Scope::as_str).join(", ");
                errors.push(FieldError::new(&format!("scopes[{index}]"), format!("must be one of {known}")));
            }
        }
    }
    Ok(Some(scopes))
}

/// What a key or client gets when nobody names scopes, as far as whoever makes it has them.
pub(super) fn usual_scopes(by: &Principal) -> Vec<Scope> {
    Scope::DEFAULT.into_iter().filter(|scope| by.has(*scope)).collect()
}

/// The body of a rotation.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    overlap_seconds: Option<u64>,
}

impl RotateBody {
    pub(super) fn parse(&self) -> Result<Duration, Error> {
        let overlap = Duration::from_secs(self.overlap_seconds.unwrap_or(0));
        if overlap > MAX_OVERLAP {
            let message = format!("must be at most {}", MAX_OVERLAP.as_secs());
            return Err(Error::invalid(FieldError::new("overlap_seconds", message)));
        }
        Ok(overlap)
    }
}

pub async fn list(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Json<Listing<KeySummary>>, HttpError> {
    Ok(Json(Listing::new(api_credentials::list(&app, caller.account()).await?)))
}

pub async fn create(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<CreateBody>>,
) -> Result<(StatusCode, Json<MadeKey>), HttpError> {
    let new = NewKey {
        user_email: caller.owner_of_what_is_made().map(str::to_owned),
        ..body.parse(&caller.principal, app.clock.now())?
    };
    Ok(MadeKey::new(api_credentials::create(&app, &caller.actor, caller.account(), &new).await?))
}

pub async fn rotate(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
    OptionalBody(body): OptionalBody<RotateBody>,
) -> Result<(StatusCode, Json<MadeKey>), HttpError> {
    let (id, overlap) = (key_in_path(&id)?, body.parse()?);
    Ok(MadeKey::new(
        api_credentials::rotate(&app, &caller.actor, &caller.principal, caller.account(), id, overlap).await?,
    ))
}

pub async fn revoke(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<StatusCode, HttpError> {
    api_credentials::revoke(&app, &caller.actor, caller.account(), key_in_path(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn list_of_subaccount(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(account): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<Listing<KeySummary>>, HttpError> {
    let account = subaccounts::find(&app, caller.account(), account_in_path(&account)?).await?.id;
    Ok(Json(Listing::new(api_credentials::list(&app, account).await?)))
}

pub async fn create_for_subaccount(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(account): Path<String>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<CreateBody>>,
) -> Result<(StatusCode, Json<MadeKey>), HttpError> {
    let account = subaccounts::find(&app, caller.account(), account_in_path(&account)?).await?.id;
    let new = body.parse(&caller.principal, app.clock.now())?;
    Ok(MadeKey::new(api_credentials::create(&app, &caller.actor, account, &new).await?))
}

pub async fn revoke_of_subaccount(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path((account, id)): Path<(String, String)>,
    _: Query<NoParameters>,
) -> Result<StatusCode, HttpError> {
    let account = subaccounts::find(&app, caller.account(), account_in_path(&account)?).await?.id;
    api_credentials::revoke(&app, &caller.actor, account, key_in_path(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn key_in_path(id: &str) -> Result<Uuid, Error> {
    id.parse().map_err(|_| Error::missing(Missing::ApiKey))
}
