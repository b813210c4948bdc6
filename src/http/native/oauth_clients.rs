//! `/extra/v2/oauth-clients`: OAuth2 clients of the caller's account. A secret is shown once, when it is made.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api_key::ApiKey;
use crate::app::App;
use crate::error::{Error, Missing};
use crate::http::error::HttpError;
use crate::http::extract::body::{JsonBody, Object, OptionalBody};
use crate::http::extract::caller::{Caller, ManageKeys};
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::idempotency::{Keyed, Once};
use crate::http::extract::number;
use crate::http::extract::path::Path;
use crate::http::extract::query::{NoParameters, Query};
use crate::http::extract::write::{Instead, Made, Write};
use crate::http::fields::Fault;
use crate::http::native::listing::Listing;
use crate::http::native::rotation::RotateBody;
use crate::http::native::scopes::{scopes, usual_scopes};
use crate::http::openapi::schemas;
use crate::oauth::clients::{self, ClientSummary, DEFAULT_TTL, NewClient, TTL_RANGE};
use crate::principal::Principal;
use crate::types::Name;

/// A client to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOAuthClient, example = json!({ "name": "order desk", "scopes": ["credentials:read"] }))]
pub struct CreateBody {
    /// Its display name.
    #[schema(value_type = schemas::Text, required)]
    name: Option<String>,
    /// The most that its tokens can carry.
    #[schema(value_type = Option<Vec<schemas::ScopeName>>)]
    scopes: Option<Vec<String>>,
    /// Life of its tokens, in seconds; 7200 if it is left out.
    #[serde(default, deserialize_with = "number::whole")]
    #[schema(minimum = 60, maximum = 86_400)]
    access_token_ttl: Option<i32>,
}

/// A client.
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthClient, example = json!({
    "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5c",
    "client_id": "czc_8mTq2LxWv0RkYb4NsD6uEoZa",
    "name": "order desk",
    "scopes": ["credentials:read"],
    "access_token_ttl": 7200,
    "created_at": "2026-11-02T09:30:00Z",
    "created_by": "devs@platform.example",
}))]
pub struct ClientBody {
    id: Uuid,
    /// Its `client_id` at the token endpoint.
    client_id: String,
    /// Its display name.
    name: String,
    /// The most that its tokens can carry.
    #[schema(value_type = Vec<schemas::ScopeName>)]
    scopes: Vec<String>,
    /// Life of its tokens, in seconds.
    access_token_ttl: i32,
    created_at: DateTime<Utc>,
    /// E-mail address of the user who owns it.
    created_by: String,
}

impl From<ClientSummary> for ClientBody {
    fn from(client: ClientSummary) -> Self {
        Self {
            id: client.id,
            client_id: client.client_id,
            name: client.name,
            scopes: client.scopes,
            access_token_ttl: client.access_token_ttl,
            created_at: client.created_at,
            created_by: client.created_by,
        }
    }
}

impl CreateBody {
    fn parse(self, by: &Principal) -> Result<NewClient, HttpError> {
        let mut errors = FieldErrors::default();
        let name = errors.required("name", self.name, |name| Name::parse(&name));
        let scopes = scopes(self.scopes, by, &mut errors)?.unwrap_or_else(|| usual_scopes(by));
        let access_token_ttl = self.access_token_ttl.unwrap_or(DEFAULT_TTL);
        if !TTL_RANGE.contains(&access_token_ttl) {
            let (shortest, longest) = (*TTL_RANGE.start(), *TTL_RANGE.end());
            errors.push("access_token_ttl", Fault::NotBetweenSeconds(shortest, longest));
        }
        let name = errors.complete(name)?;
        Ok(NewClient { name, scopes, access_token_ttl })
    }
}

/// A client with the secret that was just made for it.
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthClientWithSecret)]
pub struct MadeClient {
    #[serde(flatten)]
    summary: ClientBody,
    /// The secret, this once; null in the answer to a request that was carried out before.
    #[schema(example = "czo_…", required)]
    client_secret: Option<String>,
}

impl MadeClient {
    fn new((summary, secret): (ClientSummary, ApiKey)) -> Self {
        Self { summary: summary.into(), client_secret: Some(secret.expose().to_owned()) }
    }
}

impl Made for MadeClient {
    fn without_secrets(self) -> Self {
        Self { client_secret: None, ..self }
    }
}

/// List OAuth2 clients
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_oauth_clients",
    responses((status = 200, description = "All of them", body = Listing<ClientBody>)),
    security(("oauth2" = ["api-keys:manage"]))
)]
pub async fn list(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Listing<ClientBody>, HttpError> {
    let clients = clients::list(&app, caller.account()).await?;
    Ok(Listing::new(clients.into_iter().map(Into::into).collect()))
}

/// Create an OAuth2 client
///
/// Without `scopes` it gets all but `credentials:resolve`, as far as the caller has them. An account has at most 20 clients.
#[utoipa::path(
    post,
    path = "",
    operation_id = "create_oauth_client",
    params(Keyed),
    request_body = CreateBody,
    responses((status = 201, description = "Made; `client_secret` is shown this once", body = MadeClient)),
    security(("oauth2" = ["api-keys:manage"]))
)]
pub async fn create(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    Once(keyed, JsonBody(Object(body))): Once<JsonBody<Object<CreateBody>>>,
) -> Result<Response, Instead> {
    let new = body.parse(&caller.principal)?;
    let mut write = Write::begin(&app, &caller, caller.account(), keyed).await?;
    let made = clients::create(write.work(), caller.owner_of_what_is_made(), &new).await;
    write.created(made, |made| (None, MadeClient::new(made))).await
}

/// Get an OAuth2 client
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_oauth_client",
    responses(
        (status = 200, description = "The client", body = ClientBody),
        (status = 404, description = "OAuth client not found"),
    ),
    security(("oauth2" = ["api-keys:manage"]))
)]
pub async fn find(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<ClientBody>, HttpError> {
    Ok(Json(clients::find(&app, caller.account(), client_in_path(&id)?).await?.into()))
}

/// Rotate the secret of an OAuth2 client
///
/// The old secret ends after the overlap.
#[utoipa::path(
    post,
    path = "",
    operation_id = "rotate_oauth_client",
    params(Keyed),
    request_body = Option<RotateBody>,
    responses(
        (status = 201, description = "Made; `client_secret` is shown this once", body = MadeClient),
        (status = 404, description = "OAuth client not found"),
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
    let (id, overlap) = (client_in_path(&id)?, body.parse()?);
    let mut write = Write::begin(&app, &caller, caller.account(), keyed).await?;
    let made = clients::rotate(write.work(), id, overlap).await;
    write.created(made, |made| (None, MadeClient::new(made))).await
}

/// Revoke an OAuth2 client
///
/// Its tokens stop working at once.
#[utoipa::path(
    delete,
    path = "",
    operation_id = "revoke_oauth_client",
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "OAuth client not found"),
    ),
    security(("oauth2" = ["api-keys:manage"]))
)]
pub async fn revoke(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Response, Instead> {
    let id = client_in_path(&id)?;
    let mut write = Write::begin(&app, &caller, caller.account(), None).await?;
    clients::revoke(write.work(), id).await?;
    write.deleted().await
}

fn client_in_path(id: &str) -> Result<Uuid, Error> {
    id.parse().map_err(|_| Error::missing(Missing::OauthClient))
}
