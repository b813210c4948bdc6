//! `/extra/v2/oauth-clients`: OAuth2 clients of the caller's account. A secret is shown once, when it is made.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::api_keys::{RotateBody, scopes, usual_scopes};
use super::body::{JsonBody, Object, OptionalBody};
use super::caller::{Caller, ManageKeys};
use super::credentials::Listing;
use super::error::HttpError;
use super::query::{NoParameters, Query};
use crate::api_key::ApiKey;
use crate::app::App;
use crate::error::{Error, FieldError, FieldErrors, Missing};
use crate::oauth::clients::{self, ClientSummary, DEFAULT_TTL, NewClient, TTL_RANGE};
use crate::principal::Principal;
use crate::types::Name;

/// The body of a creation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    name: Option<String>,
    scopes: Option<Vec<String>>,
    access_token_ttl: Option<i32>,
}

impl CreateBody {
    fn parse(self, by: &Principal) -> Result<NewClient, Error> {
        let mut errors = FieldErrors::default();
        let name = errors.required("name", self.name, |name| Name::parse(&name));
        let scopes = scopes(self.scopes, by, &mut errors)?.unwrap_or_else(|| usual_scopes(by));
        let access_token_ttl = self.access_token_ttl.unwrap_or(DEFAULT_TTL);
        if !TTL_RANGE.contains(&access_token_ttl) {
            let message = format!("must be between {} and {} seconds", TTL_RANGE.start(), TTL_RANGE.end());
            errors.push(FieldError::new("access_token_ttl", message));
        }
        let name = errors.complete(name)?;
        Ok(NewClient { name, scopes, access_token_ttl })
    }
}

/// A client with the secret that was just made for it.
#[derive(Serialize)]
pub struct MadeClient {
    #[serde(flatten)]
    summary: ClientSummary,
    client_secret: String,
}

impl MadeClient {
    fn new((summary, secret): (ClientSummary, ApiKey)) -> (StatusCode, Json<Self>) {
        (StatusCode::CREATED, Json(Self { summary, client_secret: secret.expose().to_owned() }))
    }
}

pub async fn list(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Json<Listing<ClientSummary>>, HttpError> {
    Ok(Json(Listing::new(clients::list(&app, caller.account()).await?)))
}

pub async fn create(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<CreateBody>>,
) -> Result<(StatusCode, Json<MadeClient>), HttpError> {
    let new = body.parse(&caller.principal)?;
    let owner = caller.owner_of_what_is_made();
    Ok(MadeClient::new(clients::create(&app, &caller.actor, caller.account(), owner, &new).await?))
}

pub async fn find(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<ClientSummary>, HttpError> {
    Ok(Json(clients::find(&app, caller.account(), client_in_path(&id)?).await?))
}

pub async fn rotate(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
    OptionalBody(body): OptionalBody<RotateBody>,
) -> Result<(StatusCode, Json<MadeClient>), HttpError> {
    let (id, overlap) = (client_in_path(&id)?, body.parse()?);
    Ok(MadeClient::new(clients::rotate(&app, &caller.actor, &caller.principal, caller.account(), id, overlap).await?))
}

pub async fn revoke(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<StatusCode, HttpError> {
    clients::revoke(&app, &caller.actor, caller.account(), client_in_path(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn client_in_path(id: &str) -> Result<Uuid, Error> {
    id.parse().map_err(|_| Error::missing(Missing::OauthClient))
}
