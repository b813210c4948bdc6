//! `/extra/v2/credentials/{supplier_code}/services`: service credentials.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::credentials::{self, ServiceCredential, ServiceUpdate};
use crate::error::{Error, Missing};
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::http::extract::body::{JsonBody, Object};
use crate::http::extract::caller::{Caller, WriteCredentials};
use crate::http::extract::conditions::Given;
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::idempotency::{Keyed, Once};
use crate::http::extract::path::Path;
use crate::http::extract::preview::{Manner, PreviewBody};
use crate::http::extract::query::Query;
use crate::http::extract::write::{Instead, Made, Write};
use crate::http::native::supplier_path::supplier_in_path;
use crate::http::native::verified::Storing;
use crate::http::openapi::schemas;
use crate::types::{Environment, HalfPair, Pair, Password, Service, Username};

/// A pair for one service and environment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServiceCredentialUpdate, example = json!({
    "service": "INV", "environment": "PROD", "username": "hit_inv_user", "password": "hit_inv_pass",
}))]
pub struct UpsertBody {
    #[schema(value_type = schemas::ServiceName, required)]
    service: Option<String>,
    #[schema(value_type = schemas::EnvironmentCode, required)]
    environment: Option<String>,
    #[schema(value_type = schemas::Text, required)]
    username: Option<SecretString>,
    #[schema(value_type = schemas::Secret, required)]
    password: Option<SecretString>,
}

/// Credentials for one service and environment.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceCredential, example = json!({
    "service": "INV", "environment": "PROD", "username": "hit_inv_user",
}))]
pub struct ServiceCredentialBody {
    #[schema(value_type = schemas::ServiceCode)]
    service: Service,
    #[schema(value_type = schemas::EnvironmentCode)]
    environment: Environment,
    #[schema(value_type = schemas::Text)]
    username: String,
}

impl Made for ServiceCredentialBody {
    fn without_secrets(self) -> Self {
        self
    }
}

impl From<ServiceCredential> for ServiceCredentialBody {
    fn from(stored: ServiceCredential) -> Self {
        let ServiceCredential { service, environment, username } = stored;
        Self { service, environment, username }
    }
}

impl UpsertBody {
    fn parse(self, code: &str) -> Result<ServiceUpdate, HttpError> {
        let mut errors = FieldErrors::default();
        let service = errors.required_service("service", self.service.as_deref());
        let environment = errors.required_environment("environment", self.environment.as_deref());
        let username = errors.required("username", self.username, Username::parse);
        let password = errors.required("password", self.password, Password::parse);
        let pair = username.zip(password).map(|(username, password)| Pair { username, password });
        let ((service, environment), pair) = errors.complete(service.zip(environment).zip(pair))?;
        // A code that can be nobody's has no credentials, and so has no services.
        let supplier = supplier_in_path(code, Missing::ParentCredentials)?;
        Ok(ServiceUpdate { supplier, service, environment, pair })
    }
}

/// Create or update service credentials
///
/// For a service for which the supplier requires another login than the base credentials.
#[utoipa::path(
    post,
    path = "",
    operation_id = "upsert_service_credentials",
    params(Storing, Caller<WriteCredentials>, Given, Keyed),
    request_body = UpsertBody,
    responses(
        (status = 200, description = "With `dry_run`: what would change", body = PreviewBody),
        (
            status = 201, description = "Stored", body = ServiceCredentialBody,
            headers(("X-Login-State" = Option<String>, description = "With `verify`: what the supplier said of each pair, such as `PROD=accepted`.")),
        ),
        (status = 422, description = "The supplier refused this login, or this Idempotency-Key was used for another request"),
        (status = 404, description = "Parent credentials must exist first"),
    ),
    security(("oauth2" = ["credentials:write"]))
)]
pub async fn upsert(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Query(storing): Query<Storing>,
    Extension(context): Extension<Arc<RequestContext>>,
    Given(conditions): Given,
    Once(keyed, JsonBody(Object(body))): Once<JsonBody<Object<UpsertBody>>>,
) -> Result<Response, Instead> {
    let (update, manner) = (body.parse(&code)?, storing.manner());
    let Pair { username, password } = update.pair.clone();
    let pair = HalfPair { username: Some(username), password: Some(password) };
    let pairs = [(update.environment, pair)];
    let states = storing.verified(&app, &caller, &context, &update.supplier, Some(update.service), pairs).await?;
    let sealer = manner.sealer(&app, caller.account()).await?;
    let mut write = Write::to_credentials(&app, &caller, &update.supplier, manner, keyed).await?;
    let stored = credentials::upsert_service(write.work(), update, &sealer, &conditions).await;
    let answer = write.created(stored, |(stored, tag)| (Some(tag), ServiceCredentialBody::from(stored))).await?;
    Ok(states.on(answer))
}

/// Delete service credentials
///
/// Calls of the service use the base credentials from then on.
#[utoipa::path(
    delete,
    path = "",
    operation_id = "delete_service_credentials",
    params(Manner, Caller<WriteCredentials>, Given),
    responses(
        (status = 200, description = "With `dry_run`: what would change", body = PreviewBody),
        (status = 204, description = "Deleted"),
        (status = 404, description = "Service credential not found"),
    ),
    security(("oauth2" = ["credentials:write"]))
)]
pub async fn delete(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    Path((code, service, environment)): Path<(String, String, String)>,
    Query(manner): Query<Manner>,
    Given(conditions): Given,
) -> Result<Response, Instead> {
    let missing = || Error::missing(Missing::ServiceCredential);
    let supplier = supplier_in_path(&code, Missing::ServiceCredential)?;
    // The path names a thing; a service or environment that cannot be is a thing that is not there.
    let service = Service::parse(&service).ok_or_else(missing)?;
    let environment = Environment::parse(&environment).ok_or_else(missing)?;
    let mut write = Write::to_credentials(&app, &caller, &supplier, manner, None).await?;
    credentials::delete_service(write.work(), &supplier, (service, environment), &conditions).await?;
    write.deleted().await
}
