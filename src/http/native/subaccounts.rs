//! `/extra/v2/subaccounts`: sub-accounts of the caller's account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::accounts::subaccounts::{self, NewSubAccount, SubAccount, SubAccountUpdate};
use crate::app::App;
use crate::error::{Error, Missing};
use crate::http::error::HttpError;
use crate::http::extract::body::{JsonBody, Object};
use crate::http::extract::caller::Parent;
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::idempotency::{Keyed, Once};
use crate::http::extract::path::Path;
use crate::http::extract::query::{NoParameters, Query};
use crate::http::extract::write::{Instead, Made, Write};
use crate::http::fields::Fault;
use crate::http::native::listing::Listing;
use crate::http::openapi::schemas;
use crate::types::{AccountId, Email, InvalidText, Name, Notes};

/// A sub-account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSubAccount, example = json!({ "name": "Client A", "external_customer_id": "client-a" }))]
pub struct CreateBody {
    /// Its display name.
    #[schema(value_type = schemas::Text, required)]
    name: Option<String>,
    /// Your own id for it; unique among your sub-accounts, the inactive ones included.
    #[schema(value_type = schemas::Text, required)]
    external_customer_id: Option<String>,
    #[schema(value_type = Option<schemas::Email>)]
    organization_contact_email: Option<String>,
    #[schema(value_type = Option<schemas::Notes>)]
    account_notes: Option<String>,
}

/// A sub-account.
#[derive(Serialize, ToSchema)]
#[schema(as = SubAccount, example = json!({
    "id": 7,
    "name": "Client A",
    "external_customer_id": "client-a",
    "organization_contact_email": "ops@client-a.example",
    "account_notes": null,
    "plan": "enterprise",
    "is_active": true,
    "created_at": "2026-11-02T09:30:00Z",
    "modified_on": "2026-11-02T09:30:00Z",
}))]
pub struct SubAccountBody {
    #[schema(value_type = schemas::AccountNumber)]
    id: AccountId,
    /// Its display name.
    name: String,
    /// The parent's id for it.
    external_customer_id: String,
    #[schema(required)]
    organization_contact_email: Option<String>,
    #[schema(required)]
    account_notes: Option<String>,
    /// Its parent's plan.
    plan: String,
    /// Whether its keys work.
    is_active: bool,
    created_at: DateTime<Utc>,
    modified_on: DateTime<Utc>,
}

impl Made for SubAccountBody {
    fn without_secrets(self) -> Self {
        self
    }
}

impl From<SubAccount> for SubAccountBody {
    fn from(account: SubAccount) -> Self {
        Self {
            id: account.id,
            name: account.name,
            external_customer_id: account.external_customer_id,
            organization_contact_email: account.organization_contact_email,
            account_notes: account.account_notes,
            plan: account.plan,
            is_active: account.is_active,
            created_at: account.created_at,
            modified_on: account.modified_on,
        }
    }
}

impl CreateBody {
    fn parse(self) -> Result<NewSubAccount, HttpError> {
        let mut errors = FieldErrors::default();
        let name = errors.required("name", self.name, parse(Name::parse));
        let id = errors.required("external_customer_id", self.external_customer_id, parse(Name::parse));
        let email = self.organization_contact_email;
        let organization_contact_email = errors.optional("organization_contact_email", email, parse(Email::parse));
        let account_notes = errors.optional("account_notes", self.account_notes, parse(Notes::parse));
        let (name, external_customer_id) = errors.complete(name.zip(id))?;
        Ok(NewSubAccount { name, external_customer_id, organization_contact_email, account_notes })
    }
}

/// A field that is left out is kept; null clears one that may be empty.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubAccountUpdate, example = json!({ "name": "Client A, Inc.", "account_notes": null }))]
#[allow(clippy::option_option, reason = "absent, null and a value are three things here")]
pub struct UpdateBody {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = schemas::Text, required = false)]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = schemas::Text, required = false)]
    external_customer_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<schemas::Email>)]
    organization_contact_email: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<schemas::Notes>)]
    account_notes: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    is_active: Option<Option<bool>>,
}

/// Distinguishes null from absent.
#[allow(clippy::option_option, reason = "that is what it is for")]
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl UpdateBody {
    fn parse(self) -> Result<SubAccountUpdate, HttpError> {
        let mut errors = FieldErrors::default();
        for (field, is_null) in [
            ("name", self.name == Some(None)),
            ("external_customer_id", self.external_customer_id == Some(None)),
            ("is_active", self.is_active == Some(None)),
        ] {
            if is_null {
                errors.push(field, Fault::Null);
            }
        }
        let name = errors.optional("name", self.name.flatten(), parse(Name::parse));
        let id = self.external_customer_id.flatten();
        let external_customer_id = errors.optional("external_customer_id", id, parse(Name::parse));
        let organization_contact_email = self
            .organization_contact_email
            .map(|email| errors.optional("organization_contact_email", email, parse(Email::parse)));
        let account_notes =
            self.account_notes.map(|notes| errors.optional("account_notes", notes, parse(Notes::parse)));
        errors.into_result()?;
        Ok(SubAccountUpdate {
            name,
            external_customer_id,
            organization_contact_email,
            account_notes,
            is_active: self.is_active.flatten(),
        })
    }
}

fn parse<T>(parse: fn(&str) -> Result<T, InvalidText>) -> impl FnOnce(String) -> Result<T, InvalidText> {
    move |text| parse(&text)
}

/// The filter of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Whether to list those that were deactivated as well.
    #[serde(default)]
    #[param(required = false, default = false)]
    include_inactive: bool,
}

/// List sub-accounts
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_subaccounts",
    params(ListParameters),
    responses((status = 200, description = "All of them", body = Listing<SubAccountBody>)),
    security(("oauth2" = ["subaccounts:manage"]))
)]
pub async fn list(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Query(parameters): Query<ListParameters>,
) -> Result<Listing<SubAccountBody>, HttpError> {
    let found = subaccounts::list(&app, caller.account(), parameters.include_inactive).await?;
    Ok(Listing::new(found.into_iter().map(Into::into).collect()))
}

/// Create a sub-account
///
/// It starts with the plan of its parent and with nothing else of it: credentials are never shared. Its first user, who owns its
/// keys, is `organization_contact_email`, else the user who makes it.
#[utoipa::path(
    post,
    path = "",
    operation_id = "create_subaccount",
    params(Keyed),
    request_body = CreateBody,
    responses((status = 201, description = "Made", body = SubAccountBody)),
    security(("oauth2" = ["subaccounts:manage"]))
)]
pub async fn create(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    Once(keyed, JsonBody(Object(body))): Once<JsonBody<Object<CreateBody>>>,
) -> Result<Response, Instead> {
    let new = body.parse()?;
    let mut write = Write::begin(&app, &caller, caller.account(), keyed).await?;
    let created = subaccounts::create(write.work(), &new).await;
    write.created(created, |created| (None, SubAccountBody::from(created))).await
}

/// Get a sub-account
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_subaccount",
    responses(
        (status = 200, description = "The sub-account", body = SubAccountBody),
        (status = 404, description = "Sub-account not found"),
    ),
    security(("oauth2" = ["subaccounts:manage"]))
)]
pub async fn find(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<SubAccountBody>, HttpError> {
    Ok(Json(subaccounts::find(&app, caller.account(), account_in_path(&id)?).await?.into()))
}

/// Change a sub-account
///
/// A field that is left out is kept; null clears one that may be empty.
#[utoipa::path(
    patch,
    path = "",
    operation_id = "update_subaccount",
    request_body = UpdateBody,
    responses(
        (status = 200, description = "As it is now", body = SubAccountBody),
        (status = 404, description = "Sub-account not found"),
    ),
    security(("oauth2" = ["subaccounts:manage"]))
)]
pub async fn update(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<UpdateBody>>,
) -> Result<Response, Instead> {
    let (id, update) = (account_in_path(&id)?, body.parse()?);
    let mut write = Write::begin(&app, &caller, caller.account(), None).await?;
    let updated = subaccounts::update(write.work(), id, &update).await?;
    write.done(StatusCode::OK, None, SubAccountBody::from(updated)).await
}

/// Deactivate a sub-account
///
/// Its keys and tokens stop working at once; its credentials stay, and it can be activated again.
#[utoipa::path(
    delete,
    path = "",
    operation_id = "deactivate_subaccount",
    responses(
        (status = 204, description = "Deactivated"),
        (status = 404, description = "Sub-account not found"),
    ),
    security(("oauth2" = ["subaccounts:manage"]))
)]
pub async fn deactivate(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Response, Instead> {
    let id = account_in_path(&id)?;
    let mut write = Write::begin(&app, &caller, caller.account(), None).await?;
    subaccounts::deactivate(write.work(), id).await?;
    write.deleted().await
}

/// The id in a path. One that can be nobody's is simply not found.
pub(in crate::http) fn account_in_path(id: &str) -> Result<AccountId, Error> {
    let id = Some(id).filter(|id| id.bytes().all(|byte| byte.is_ascii_digit())).and_then(|id| id.parse().ok());
    id.map(AccountId).ok_or(Error::missing(Missing::SubAccount))
}
