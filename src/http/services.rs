//! `/extra/v2/credentials/{supplier_code}/services`: service credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use super::body::{JsonBody, Object};
use super::caller::{Caller, WriteCredentials};
use super::credentials::supplier_in_path;
use super::error::HttpError;
use super::query::{NoParameters, Query};
use crate::app::App;
use crate::credentials::{self, ServiceCredential, ServiceUpdate};
use crate::error::{Error, FieldErrors, Missing};
use crate::types::{Environment, Pair, Password, Service, Username};

/// The body of a create or update. Every field is required.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpsertBody {
    service: Option<String>,
    environment: Option<String>,
    username: Option<SecretString>,
    password: Option<SecretString>,
}

impl UpsertBody {
    fn parse(self) -> Result<ServiceUpdate, Error> {
        let mut errors = FieldErrors::default();
        let service = errors.required_service("service", self.service.as_deref());
        let environment = errors.required_environment("environment", self.environment.as_deref());
        let username = errors.required("username", self.username, Username::parse);
        let password = errors.required("password", self.password, Password::parse);
        let pair = username.zip(password).map(|(username, password)| Pair { username, password });
        let ((service, environment), pair) = errors.complete(service.zip(environment).zip(pair))?;
        Ok(ServiceUpdate { service, environment, pair })
    }
}

pub async fn upsert(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<UpsertBody>>,
) -> Result<(StatusCode, Json<ServiceCredential>), HttpError> {
    let update = body.parse()?;
    let supplier = supplier_in_path(&code, Missing::ParentCredentials)?;
    let stored = credentials::upsert_service(&app, &caller.actor, caller.account(), &supplier, update).await?;
    Ok((StatusCode::CREATED, Json(stored)))
}

pub async fn delete(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    Path((code, service, environment)): Path<(String, String, String)>,
    _: Query<NoParameters>,
) -> Result<StatusCode, HttpError> {
    let missing = || Error::missing(Missing::ServiceCredential);
    let supplier = supplier_in_path(&code, Missing::ServiceCredential)?;
    // The path names a thing; a service or environment that cannot be is a thing that is not there.
    let service = Service::parse(&service).ok_or_else(missing)?;
    let environment = Environment::parse(&environment).ok_or_else(missing)?;
    credentials::delete_service(&app, &caller.actor, caller.account(), &supplier, service, environment).await?;
    Ok(StatusCode::NO_CONTENT)
}
