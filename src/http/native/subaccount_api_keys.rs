//! `/extra/v2/subaccounts/{id}/api-keys`: API keys of a sub-account, managed by its parent.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::api_keys::{CreateBody, KeyBody, MadeKey, key_in_path};
use super::listing::Listing;
use super::subaccounts::account_in_path;
use crate::accounts::subaccounts;
use crate::api_credentials;
use crate::app::App;
use crate::http::error::HttpError;
use crate::http::extract::body::{JsonBody, Object};
use crate::http::extract::caller::Parent;
use crate::http::extract::idempotency::{Keyed, Once};
use crate::http::extract::path::Path;
use crate::http::extract::query::{NoParameters, Query};
use crate::http::extract::write::{Instead, Write};
/// List the API keys of a sub-account
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_subaccount_api_keys",
    responses(
        (status = 200, description = "All of them", body = Listing<KeyBody>),
        (status = 404, description = "Sub-account not found"),
    ),
    security(("oauth2" = ["subaccounts:manage"]))
)]
pub async fn list(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(account): Path<String>,
    _: Query<NoParameters>,
) -> Result<Listing<KeyBody>, HttpError> {
    let account = subaccounts::find(&app, caller.account(), account_in_path(&account)?).await?.id;
    let keys = api_credentials::list(&app, account).await?;
    Ok(Listing::new(keys.into_iter().map(Into::into).collect()))
}

/// Create an API key for a sub-account
///
/// The key is the sub-account's own: it can act for nobody else.
#[utoipa::path(
    post,
    path = "",
    operation_id = "create_subaccount_api_key",
    params(Keyed),
    request_body = CreateBody,
    responses(
        (status = 201, description = "Made; `key` is shown this once", body = MadeKey),
        (status = 404, description = "Sub-account not found"),
    ),
    security(("oauth2" = ["subaccounts:manage"]))
)]
pub async fn create(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path(account): Path<String>,
    _: Query<NoParameters>,
    Once(keyed, JsonBody(Object(body))): Once<JsonBody<Object<CreateBody>>>,
) -> Result<Response, Instead> {
    let account = subaccounts::find(&app, caller.account(), account_in_path(&account)?).await?.id;
    let new = body.parse(&caller.principal, app.clock.now())?;
    let mut write = Write::begin(&app, &caller, account, keyed).await?;
    let made = api_credentials::create(write.work(), &new).await;
    write.created(made, |made| (None, MadeKey::new(made))).await
}

/// Revoke an API key of a sub-account
#[utoipa::path(
    delete,
    path = "",
    operation_id = "revoke_subaccount_api_key",
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "API key not found"),
    ),
    security(("oauth2" = ["subaccounts:manage"]))
)]
pub async fn revoke(
    Parent(caller): Parent,
    State(app): State<Arc<App>>,
    Path((account, id)): Path<(String, String)>,
    _: Query<NoParameters>,
) -> Result<Response, Instead> {
    let account = subaccounts::find(&app, caller.account(), account_in_path(&account)?).await?.id;
    let id = key_in_path(&id)?;
    let mut write = Write::begin(&app, &caller, account, None).await?;
    api_credentials::revoke(write.work(), id).await?;
    write.deleted().await
}
