//! `/extra/v2/api-keys`: API keys of the account. A key is shown once, when it is made.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::listing::Listing;
use super::rotation::RotateBody;
use super::scopes::{scopes, usual_scopes};
use crate::api_credentials::{self, KeySummary, MAX_RANGES, NewKey, WrongLimit};
use crate::api_key::{ApiKey, Kind};
use crate::app::App;
use crate::error::{Error, Missing};
use crate::http::error::HttpError;
use crate::http::extract::body::{JsonBody, Object, OptionalBody};
use crate::http::extract::caller::{Caller, ManageKeys};
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::idempotency::{Keyed, Once};
use crate::http::extract::moment;
use crate::http::extract::path::Path;
use crate::http::extract::query::{NoParameters, Query};
use crate::http::extract::write::{Instead, Made, Write};
use crate::http::fields::Fault;
use crate::http::openapi::schemas;
use crate::principal::{Limits, Principal};
use crate::types::Name;

/// A key to be made. Every field may be left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey, example = json!({ "name": "nightly import", "scopes": ["credentials:write"] }))]
pub struct CreateBody {
    /// For browsers, on the account's allowed origins; a public key has no scopes.
    public: Option<bool>,
    /// Its display name.
    #[schema(value_type = Option<schemas::Text>)]
    name: Option<String>,
    /// Its rights.
    #[schema(value_type = Option<Vec<schemas::ScopeName>>)]
    scopes: Option<Vec<String>>,
    /// Where it works from; everywhere if there is none.
    #[schema(value_type = Option<Vec<schemas::AddressRange>>)]
    allowed_ips: Option<Vec<String>>,
    /// When it stops working by itself; in the future.
    #[serde(default, deserialize_with = "moment::moment")]
    expires_at: Option<DateTime<Utc>>,
}

/// A key: enough to recognise it, nothing to use it.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey, example = json!({
    "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
    "name": "nightly import",
    "masked": "czs_…a1B2",
    "public": false,
    "scopes": ["credentials:write"],
    "allowed_ips": [],
    "operator": false,
    "created_at": "2026-11-02T09:30:00Z",
    "created_by": "devs@platform.example",
    "expires_at": null,
    "last_used_at": "2026-11-20T16:05:00Z",
    "revoked_at": null,
}))]
pub struct KeyBody {
    id: Uuid,
    /// Its display name.
    name: String,
    /// Kind and last four characters.
    masked: String,
    /// For browsers.
    public: bool,
    /// Its rights.
    #[schema(value_type = Vec<schemas::ScopeName>)]
    scopes: Vec<String>,
    /// Where it works from; everywhere if there is none.
    allowed_ips: Vec<String>,
    /// May resolve for any account; made on the command line only.
    operator: bool,
    created_at: DateTime<Utc>,
    /// E-mail address of the user who owns it.
    created_by: String,
    /// When it stops working by itself.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// A few seconds late perhaps.
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    #[schema(required)]
    revoked_at: Option<DateTime<Utc>>,
}

impl From<KeySummary> for KeyBody {
    fn from(key: KeySummary) -> Self {
        Self {
            id: key.id,
            name: key.name,
            masked: key.masked,
            public: key.public,
            scopes: key.scopes,
            allowed_ips: key.allowed_ips,
            operator: key.operator,
            created_at: key.created_at,
            created_by: key.created_by,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A new key: its entry in a listing, and the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKeyMade)]
pub struct MadeKey {
    #[serde(flatten)]
    summary: KeyBody,
    /// The key, this once; null in the answer to a request that was carried out before.
    #[schema(example = "czs_…", required)]
    key: Option<String>,
}

impl MadeKey {
    pub(super) fn new((summary, key): (KeySummary, ApiKey)) -> Self {
        Self { summary: summary.into(), key: Some(key.expose().to_owned()) }
    }
}

impl Made for MadeKey {
    fn without_secrets(self) -> Self {
        Self { key: None, ..self }
    }
}

impl CreateBody {
    pub(super) fn parse(self, by: &Principal, now: DateTime<Utc>) -> Result<NewKey, HttpError> {
        let mut errors = FieldErrors::default();
        let kind = if self.public == Some(true) { Kind::Public } else { Kind::Private };
        let name = errors.required("name", Some(self.name.unwrap_or("API key".to_owned())), |name| Name::parse(&name));
        let scopes = scopes(self.scopes, by, &mut errors)?;
        let ranges = self.allowed_ips.unwrap_or_default();
        let named = scopes.as_deref().unwrap_or_default();
        let limits = api_credentials::limits_of_new(kind, named, &ranges, self.expires_at, now);
        let limits = limits.map_err(|wrong| wrong.iter().for_each(|wrong| push(&mut errors, wrong))).ok();
        let (name, limits) = errors.complete(name.zip(limits))?;
        let scopes = match kind {
            Kind::Public => vec![],
            _ => scopes.unwrap_or_else(|| usual_scopes(by)),
        };
        let Limits { allowed_ips, expires_at } = limits;
        Ok(NewKey { allowed_ips, expires_at, ..NewKey::new(name, kind, scopes) })
    }
}

fn push(errors: &mut FieldErrors, wrong: &WrongLimit) {
    match *wrong {
        WrongLimit::ScopesOfPublicKey => errors.push("scopes", Fault::ScopesOfPublicKey),
        WrongLimit::TooManyRanges => errors.push("allowed_ips", Fault::TooManyRanges(MAX_RANGES)),
        WrongLimit::Range(index, why) => errors.push(&format!("allowed_ips[{index}]"), Fault::Text(why)),
        WrongLimit::NotInTheFuture => errors.push("expires_at", Fault::NotInTheFuture),
    }
}

/// List API keys
///
/// Those that were revoked are listed as well.
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_api_keys",
    responses((status = 200, description = "All of them", body = Listing<KeyBody>)),
    security(("oauth2" = ["api-keys:manage"]))
)]
pub async fn list(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Listing<KeyBody>, HttpError> {
    let keys = api_credentials::list(&app, caller.account()).await?;
    Ok(Listing::new(keys.into_iter().map(Into::into).collect()))
}

/// Create an API key
///
/// Without `scopes`, a private key gets all but `credentials:resolve`, as far as the caller has them; nobody can grant a scope that
/// they lack. A public key has none. An account has at most six keys that work. A key that is made with a limited one has at least
/// its limits, and inherits those that it does not name.
#[utoipa::path(
    post,
    path = "",
    operation_id = "create_api_key",
    params(Keyed),
    request_body = CreateBody,
    responses((status = 201, description = "Made; `key` is shown this once", body = MadeKey)),
    security(("oauth2" = ["api-keys:manage"]))
)]
pub async fn create(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    Once(keyed, JsonBody(Object(body))): Once<JsonBody<Object<CreateBody>>>,
) -> Result<Response, Instead> {
    let new = NewKey {
        user_email: caller.owner_of_what_is_made().map(str::to_owned),
        ..body.parse(&caller.principal, app.clock.now())?
    };
    let mut write = Write::begin(&app, &caller, caller.account(), keyed).await?;
    let made = api_credentials::create(write.work(), &new).await;
    write.created(made, |made| (None, MadeKey::new(made))).await
}

/// Rotate an API key
///
/// Makes a key with the same name, scopes and restrictions. The old one ends after the overlap and counts until then.
#[utoipa::path(
    post,
    path = "",
    operation_id = "rotate_api_key",
    params(Keyed),
    request_body = Option<RotateBody>,
    responses(
        (status = 201, description = "Made; `key` is shown this once", body = MadeKey),
        (status = 404, description = "API key not found"),
    ),
    security(("oauth2" = ["api-keys:manage"]))
)]
pub async fn rotate(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
    Once(keyed, OptionalBody(body)): Once<OptionalBody<RotateBody>>,
) -> Result<Response, Instead> {
    let (id, overlap) = (key_in_path(&id)?, body.parse()?);
    let mut write = Write::begin(&app, &caller, caller.account(), keyed).await?;
    let made = api_credentials::rotate(write.work(), id, overlap).await;
    write.created(made, |made| (None, MadeKey::new(made))).await
}

/// Revoke an API key
///
/// It stops working at once.
#[utoipa::path(
    delete,
    path = "",
    operation_id = "revoke_api_key",
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "API key not found"),
    ),
    security(("oauth2" = ["api-keys:manage"]))
)]
pub async fn revoke(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Response, Instead> {
    let id = key_in_path(&id)?;
    let mut write = Write::begin(&app, &caller, caller.account(), None).await?;
    api_credentials::revoke(write.work(), id).await?;
    write.deleted().await
}

/// Reads the id of a key in a path. Anything else is the id of none.
pub(super) fn key_in_path(id: &str) -> Result<Uuid, Error> {
    id.parse().map_err(|_| Error::missing(Missing::ApiKey))
}
