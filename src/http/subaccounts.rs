//! `/extra/v2/subaccounts`: sub-accounts of the caller's account.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::body::{JsonBody, Object};
use super::caller::Parent;
use super::credentials::Listing;
use super::error::HttpError;
use super::query::{NoParameters, Query};
use crate::accounts::subaccounts::{self, NewSubAccount, SubAccount, SubAccountUpdate};
use crate::app::App;
use crate::error::{Error, FieldError, FieldErrors, Missing};
use crate::types::{AccountId, Email, InvalidText, Name, Notes};

/// The body of a creation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    name: Option<String>,
    external_customer_id: Option<String>,
    organization_contact_email: Option<String>,
    account_notes: Option<String>,
}

impl CreateBody {
    fn parse(self) -> Result<NewSubAccount, Error> {
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

/// The body of a change. What is absent is kept; null clears what may be empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three things here")]
pub struct UpdateBody {
    #[serde(default, deserialize_with = "present")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    external_customer_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    organization_contact_email: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    account_notes: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    is_active: Option<Option<bool>>,
}

/// Tells null from absent.
#[allow(clippy::option_option, reason = "that is what it is for")]
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl UpdateBody {
    fn parse(self) -> Result<SubAccountUpdate, Error> {
        let mut errors = FieldErrors::default();
        for (field, is_null) in [
            ("name", self.name == Some(None)),
            ("external_customer_id", self.external_customer_id == Some(None)),
            ("is_active", self.is_active == Some(None)),
        ] {
            if is_null {
                errors.push(FieldError::new(field, "must not be null"));
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

/// What to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListParameters {
    #[serde(default)]
    include_inactive: bool,
}

pub async fn list(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Query(parameters): Query<ListParameters>,
) -> Result<Json<Listing<SubAccount>>, HttpError> {
    let found = subaccounts::list(&app, caller.account(), parameters.include_inactive).await?;
    Ok(Json(Listing::new(found)))
}

pub async fn create(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<CreateBody>>,
) -> Result<(StatusCode, Json<SubAccount>), HttpError> {
    let created = subaccounts::create(&app, &caller.actor, caller.account(), &body.parse()?).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

pub async fn find(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<SubAccount>, HttpError> {
    Ok(Json(subaccounts::find(&app, caller.account(), account_in_path(&id)?).await?))
}

pub async fn update(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<UpdateBody>>,
) -> Result<Json<SubAccount>, HttpError> {
    let id = account_in_path(&id)?;
    Ok(Json(subaccounts::update(&app, &caller.actor, caller.account(), id, &body.parse()?).await?))
}

pub async fn deactivate(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<StatusCode, HttpError> {
    subaccounts::deactivate(&app, &caller.actor, caller.account(), account_in_path(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The id in a path. One that can be nobody's is simply not found.
pub(super) fn account_in_path(id: &str) -> Result<AccountId, Error> {
    let id = Some(id).filter(|id| id.bytes().all(|byte| byte.is_ascii_digit())).and_then(|id| id.parse().ok());
    id.map(AccountId).ok_or(Error::missing(Missing::SubAccount))
}
