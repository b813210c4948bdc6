//! `/extra/v2/credentials`: base credentials.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::credentials::{self, AuditTrail, BaseCredentials, BaseUpdate, ServiceAuditTrail, Stamps, Tags};
use crate::error::{Error, Missing};
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::http::extract::body::{JsonBody, Object};
use crate::http::extract::caller::{Caller, ReadCredentials, WriteCredentials};
use crate::http::extract::conditions::{Given, etag};
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::idempotency::{Keyed, Once};
use crate::http::extract::path::Path;
use crate::http::extract::preview::{Manner, PreviewBody};
use crate::http::extract::query::{NoParameters, Query};
use crate::http::extract::write::{Instead, Made, Write};
use crate::http::native::listing::Listing;
use crate::http::native::services::ServiceCredentialBody;
use crate::http::native::supplier_path::supplier_in_path;
use crate::http::native::verified::Storing;
use crate::http::openapi::schemas;
use crate::types::{Environment, HalfPair, Password, Service, SupplierCode, Username};

/// A field that is left out or null is kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CredentialsUpdate, example = json!({
    "supplier_code": "HIT", "production_username": "your_prod_user", "production_password": "your_prod_pass",
}))]
pub struct UpsertBody {
    #[schema(value_type = schemas::SupplierCode, required)]
    supplier_code: Option<String>,
    #[schema(value_type = Option<schemas::Secret>)]
    staging_username: Option<SecretString>,
    #[schema(value_type = Option<schemas::Secret>)]
    staging_password: Option<SecretString>,
    #[schema(value_type = Option<schemas::Secret>)]
    production_username: Option<SecretString>,
    #[schema(value_type = Option<schemas::Secret>)]
    production_password: Option<SecretString>,
}

/// The configuration of an account for a supplier. No base user name, no password.
#[derive(Serialize, ToSchema)]
#[schema(as = Credentials, example = json!({
    "supplier_code": "HIT",
    "supplier_name": "Hit Promotional Products",
    "has_staging_credentials": false,
    "has_production_credentials": true,
    "service_credentials": [{ "service": "INV", "environment": "PROD", "username": "hit_inv_user" }],
}))]
pub struct BaseCredentialsBody {
    #[schema(value_type = schemas::SupplierCode)]
    supplier_code: String,
    /// The supplier's display name.
    supplier_name: String,
    /// Whether the staging pair is stored.
    has_staging_credentials: bool,
    /// Whether the production pair is stored.
    has_production_credentials: bool,
    /// By service, production before staging.
    service_credentials: Vec<ServiceCredentialBody>,
}

impl Made for BaseCredentialsBody {
    fn without_secrets(self) -> Self {
        self
    }
}

impl From<BaseCredentials> for BaseCredentialsBody {
    fn from(stored: BaseCredentials) -> Self {
        Self {
            supplier_code: stored.supplier_code,
            supplier_name: stored.supplier_name,
            has_staging_credentials: stored.has_staging_credentials,
            has_production_credentials: stored.has_production_credentials,
            service_credentials: stored.service_credentials.into_iter().map(Into::into).collect(),
        }
    }
}

/// When something was made and last changed, and by whom.
#[derive(Serialize, ToSchema)]
#[schema(as = Stamps)]
pub struct StampsBody {
    created_at: DateTime<Utc>,
    /// E-mail address of the user who made it, or `operator`.
    created_by: String,
    modified_on: DateTime<Utc>,
    /// E-mail address of the user who last changed it, or `operator`.
    modified_by: String,
}

impl From<Stamps> for StampsBody {
    fn from(stamps: Stamps) -> Self {
        let Stamps { created_at, created_by, modified_on, modified_by } = stamps;
        Self { created_at, created_by, modified_on, modified_by }
    }
}

/// The audit fields of the credentials for a supplier.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditFields, example = json!({
    "supplier_code": "HIT",
    "created_at": "2026-11-02T09:30:00Z",
    "created_by": "devs@platform.example",
    "modified_on": "2026-11-20T16:05:00Z",
    "modified_by": "ops@platform.example",
    "service_credentials": [],
}))]
pub struct AuditTrailBody {
    #[schema(value_type = schemas::SupplierCode)]
    supplier_code: String,
    #[serde(flatten)]
    stamps: StampsBody,
    /// By service, production before staging.
    service_credentials: Vec<ServiceAuditTrailBody>,
}

/// The audit fields of service credentials.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceAuditFields)]
pub struct ServiceAuditTrailBody {
    #[schema(value_type = schemas::ServiceCode)]
    service: Service,
    #[schema(value_type = schemas::EnvironmentCode)]
    environment: Environment,
    #[serde(flatten)]
    stamps: StampsBody,
}

impl From<AuditTrail> for AuditTrailBody {
    fn from(trail: AuditTrail) -> Self {
        let of_service = |ServiceAuditTrail { service, environment, stamps }: ServiceAuditTrail| {
            ServiceAuditTrailBody { service, environment, stamps: stamps.into() }
        };
        Self {
            supplier_code: trail.supplier_code,
            stamps: trail.stamps.into(),
            service_credentials: trail.service_credentials.into_iter().map(of_service).collect(),
        }
    }
}

impl UpsertBody {
    fn parse(self) -> Result<BaseUpdate, HttpError> {
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

/// List credentials
///
/// One entry for each supplier that the account has credentials for, by supplier code.
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_credentials",
    params(Caller<ReadCredentials>),
    responses((status = 200, description = "All of them", body = Listing<BaseCredentialsBody>)),
    security(("oauth2" = ["credentials:read"]))
)]
pub async fn list(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Listing<BaseCredentialsBody>, HttpError> {
    let results = credentials::list(&app, caller.account()).await?;
    Ok(Listing::new(results.into_iter().map(Into::into).collect()))
}

/// Create or update base credentials
///
/// A field that is left out is kept, and null means the same as absent. A user name may come without its password, and
/// the other way round, only if the other half is already stored: a half pair is never stored. The supplier code by itself
/// makes a row without a pair, so that service credentials can be added.
#[utoipa::path(
    post,
    path = "",
    operation_id = "upsert_credentials",
    params(Storing, Caller<WriteCredentials>, Given, Keyed),
    request_body = UpsertBody,
    responses(
        (status = 200, description = "With `dry_run`: what would change", body = PreviewBody),
        (
            status = 201, description = "Stored", body = BaseCredentialsBody,
            headers(("X-Login-State" = Option<String>, description = "With `verify`: what the supplier said of each pair, such as `PROD=accepted`.")),
        ),
        (status = 422, description = "The supplier refused this login, or this Idempotency-Key was used for another request"),
        (status = 404, description = "Supplier not found"),
    ),
    security(("oauth2" = ["credentials:write"]))
)]
pub async fn upsert(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    Query(storing): Query<Storing>,
    Extension(context): Extension<Arc<RequestContext>>,
    Given(conditions): Given,
    Once(keyed, JsonBody(Object(body))): Once<JsonBody<Object<UpsertBody>>>,
) -> Result<Response, Instead> {
    let (account, update, manner) = (caller.account(), body.parse()?, storing.manner());
    let pairs = [(Environment::Production, update.production.clone()), (Environment::Staging, update.staging.clone())];
    let states = storing.verified(&app, &caller, &context, &update.supplier, None, pairs).await?;
    let sealer = if update.brings_values() { Some(manner.sealer(&app, account).await?) } else { None };
    let mut write = Write::to_credentials(&app, &caller, &update.supplier, manner, keyed).await?;
    let stored = credentials::upsert_base(write.work(), update, sealer.as_ref(), &conditions).await;
    let answer = write.created(stored, |(stored, tag)| (Some(tag), BaseCredentialsBody::from(stored))).await?;
    Ok(states.on(answer))
}

/// Get the credentials for a supplier
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_credentials",
    params(Caller<ReadCredentials>, Given),
    responses(
        (status = 200, description = "What is configured", body = BaseCredentialsBody),
        (status = 404, description = "Credentials not found"),
    ),
    security(("oauth2" = ["credentials:read"]))
)]
pub async fn find(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    _: Query<NoParameters>,
    Given(conditions): Given,
) -> Result<Response, HttpError> {
    let supplier = supplier_in_path(&code, Missing::Credentials)?;
    let (found, tag) = credentials::find(&app, caller.account(), &supplier).await?;
    if !conditions.matches(Some(&tag)) {
        return Err(Error::PreconditionFailed.into());
    }
    let etag = etag(&tag);
    if conditions.if_none_match == Some(Tags::Any) || conditions.lists(Some(&tag)) {
        return Ok((StatusCode::NOT_MODIFIED, etag).into_response());
    }
    Ok((etag, Json(BaseCredentialsBody::from(found))).into_response())
}

/// Delete the credentials for a supplier
///
/// The base credentials and all service credentials, for good.
#[utoipa::path(
    delete,
    path = "",
    operation_id = "delete_credentials",
    params(Manner, Caller<WriteCredentials>, Given),
    responses(
        (status = 200, description = "With `dry_run`: what would change", body = PreviewBody),
        (status = 204, description = "Deleted"),
        (status = 404, description = "Credentials not found"),
    ),
    security(("oauth2" = ["credentials:write"]))
)]
pub async fn delete(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Query(manner): Query<Manner>,
    Given(conditions): Given,
) -> Result<Response, Instead> {
    let supplier = supplier_in_path(&code, Missing::Credentials)?;
    let mut write = Write::to_credentials(&app, &caller, &supplier, manner, None).await?;
    credentials::delete_base(write.work(), &supplier, &conditions).await?;
    write.deleted().await
}

/// Get the audit fields
///
/// Returns the users who made and last changed the credentials for a supplier, and the times.
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_credentials_audit",
    params(Caller<ReadCredentials>),
    responses(
        (status = 200, description = "Who and when", body = AuditTrailBody),
        (status = 404, description = "Credentials not found"),
    ),
    security(("oauth2" = ["credentials:read"]))
)]
pub async fn audit_trail(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<AuditTrailBody>, HttpError> {
    let supplier = supplier_in_path(&code, Missing::Credentials)?;
    Ok(Json(credentials::audit_trail(&app, caller.account(), &supplier).await?.into()))
}
