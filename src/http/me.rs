//! `GET /me`: who the caller is to us.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::caller::{Anybody, Caller};
use super::error::HttpError;
use super::query::{NoParameters, Query};
use crate::accounts;
use crate::app::App;
use crate::types::AccountId;

/// The caller.
#[derive(Serialize)]
pub struct Me {
    id: AccountId,
    name: String,
    plan: String,
    parent_id: Option<AccountId>,
    auth_method: &'static str,
    scopes: Vec<&'static str>,
}

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
    }))
}
