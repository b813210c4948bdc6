//! `GET /me`: who the caller is to us.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts;
use crate::app::App;
use crate::http::error::HttpError;
use crate::http::extract::caller::{Anybody, Caller};
use crate::http::extract::query::{NoParameters, Query};
use crate::http::openapi::schemas;
use crate::types::AccountId;

/// The caller.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 1,
    "name": "Demo Platform",
    "plan": "enterprise",
    "parent_id": null,
    "auth_method": "api_key",
    "scopes": ["credentials:read", "credentials:write"],
    "email": "demo@example.com",
    "user_id": null,
    "username": "demo@example.com",
    "first_name": null,
    "last_name": null,
}))]
pub struct Me {
    #[schema(value_type = schemas::AccountNumber)]
    id: AccountId,
    /// The account's display name.
    name: String,
    plan: String,
    /// The account's parent, if it is a sub-account.
    #[schema(value_type = Option<schemas::AccountNumber>, required)]
    parent_id: Option<AccountId>,
    /// `api_key`, `oauth2` or `oauth2_external`.
    auth_method: &'static str,
    #[schema(value_type = Vec<schemas::ScopeName>)]
    scopes: Vec<&'static str>,
    /// The e-mail address of the user who owns the key or client.
    email: String,
    /// Always null: users have no number here. For clients of the vendor's API, like the names.
    #[schema(required)]
    user_id: Option<i64>,
    /// As `email`.
    username: String,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
}

/// Tell who the caller is
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_me",
    responses((status = 200, description = "The caller", body = Me)),
    security(("oauth2" = []))
)]
pub async fn me(
    caller: Caller<Anybody>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Json<Me>, HttpError> {
    let account = accounts::describe(&app, caller.account()).await?;
    Ok(Json(Me {
        id: account.id,
        name: account.name,
        plan: account.plan,
        parent_id: account.parent_id,
        auth_method: caller.principal.method.as_str(),
        scopes: caller.principal.scopes.iter().map(|scope| scope.as_str()).collect(),
        email: caller.principal.user_email.clone(),
        user_id: None,
        username: caller.principal.user_email.clone(),
        first_name: None,
        last_name: None,
    }))
}
