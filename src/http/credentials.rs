//! `/extra/v2/credentials`: base credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::body::{JsonBody, Object};
use super::caller::{Caller, ReadCredentials, WriteCredentials};
use super::error::HttpError;
use super::query::{NoParameters, Query};
use crate::app::App;
use crate::credentials::{self, AuditTrail, BaseCredentials, BaseUpdate};
use crate::error::{Error, FieldErrors, Missing};
use crate::types::{HalfPair, Password, SupplierCode, Username};

/// The body of a listing.
#[derive(Serialize)]
pub struct Listing<T> {
    count: usize,
    results: Vec<T>,
}

impl<T> Listing<T> {
    /// All of it.
    pub(super) fn new(results: Vec<T>) -> Self {
        Self { count: results.len(), results }
    }

    /// A page of it; `count` says how many there are in all.
    pub(super) fn part_of(count: usize, results: Vec<T>) -> Self {
        Self { count, results }
    }
}

/// The body of a create or update. What is absent or null is kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpsertBody {
    supplier_code: Option<String>,
    staging_username: Option<SecretString>,
    staging_password: Option<SecretString>,
    production_username: Option<SecretString>,
    production_password: Option<SecretString>,
}

impl UpsertBody {
    fn parse(self) -> Result<BaseUpdate, Error> {
        let mut errors = FieldErrors::default();
        let supplier = errors.required("supplier_code", self.supplier_code, |code| SupplierCode::parse(&code));
        let staging = HalfPair {
            username: errors.optional("staging_username", self.staging_username, Username::parse),
            password: errors.optional("staging_password", self.staging_password, Password::parse),
        };
        let production = HalfPair {
            username: errors.optional("production_username", self.production_username, Username::parse),
            password: errors.optional("production_password", self.production_password, Password::parse),
        };
        let supplier = errors.complete(supplier)?;
        Ok(BaseUpdate { supplier, staging, production })
    }
}

pub async fn list(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Json<Listing<BaseCredentials>>, HttpError> {
    let results = credentials::list(&app, caller.account()).await?;
    Ok(Json(Listing::new(results)))
}

pub async fn upsert(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<UpsertBody>>,
) -> Result<(StatusCode, Json<BaseCredentials>), HttpError> {
    let stored = credentials::upsert_base(&app, &caller.actor, caller.account(), body.parse()?).await?;
    Ok((StatusCode::CREATED, Json(stored)))
}

pub async fn find(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<BaseCredentials>, HttpError> {
    let supplier = supplier_in_path(&code, Missing::Credentials)?;
    Ok(Json(credentials::find(&app, caller.account(), &supplier).await?))
}

pub async fn delete(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    _: Query<NoParameters>,
) -> Result<StatusCode, HttpError> {
    let supplier = supplier_in_path(&code, Missing::Credentials)?;
    credentials::delete_base(&app, &caller.actor, caller.account(), &supplier).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn audit_trail(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<AuditTrail>, HttpError> {
    let supplier = supplier_in_path(&code, Missing::Credentials)?;
    Ok(Json(credentials::audit_trail(&app, caller.account(), &supplier).await?))
}

/// The code in a path. One that can be nobody's is simply not found.
pub(super) fn supplier_in_path(code: &str, missing: Missing) -> Result<SupplierCode, Error> {
    SupplierCode::parse(code).map_err(|_| Error::missing(missing))
}
