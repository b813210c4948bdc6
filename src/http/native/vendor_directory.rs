//! `/service-codes` and `/services/{supplier_code}` at the root, without a key: the directory as the vendor's published clients
//! read it (the public API's `getServiceCodes` and `getServicesBySupplier`).

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::calls::standard::standard;
use crate::error::{Denied, Error, Missing};
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::http::extract::path::Path;
use crate::http::native::supplier_path::supplier_in_path;
use crate::http::openapi::schemas;
use crate::suppliers::endpoints::{Endpoint, service_code};
use crate::types::{Environment, Service, SupplierCode};

/// A service of the standard.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = StandardService, example = json!({ "Code": "INV", "Name": "Inventory" }))]
pub struct StandardService {
    code: &'static str,
    name: &'static str,
}

/// List the service codes of the standard
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_standard_service_codes",
    responses((status = 200, description = "All of them, by code", body = Vec<StandardService>)),
)]
pub async fn service_codes() -> Json<Vec<StandardService>> {
    let known = standard().map(promostandards::Standard::services).unwrap_or_default();
    let mut services: Vec<_> =
        known.iter().map(|service| StandardService { code: &service.service, name: &service.title }).collect();
    services.dedup_by_key(|service| service.code);
    Json(services)
}

/// The services of a supplier, each null or with the versions that can be called.
#[derive(Serialize, ToSchema)]
#[schema(as = VendorServices, example = json!({
    "Product": null, "MED": null, "PPC": null,
    "INV": { "versions": [{ "version": "2.0.0", "environment": "PROD", "last_validated_at": "2026-01-02T03:04:05Z" }] },
    "PO": null, "ODRSTAT": null, "OSN": null, "INVC": null, "PDC": null, "SPCC": null,
}))]
#[allow(missing_docs, reason = "the codes of the standard")]
pub struct VendorServices {
    #[serde(rename = "Product")]
    #[schema(required)]
    product: Option<Versions>,
    #[serde(rename = "MED")]
    #[schema(required)]
    med: Option<Versions>,
    #[serde(rename = "PPC")]
    #[schema(required)]
    ppc: Option<Versions>,
    #[serde(rename = "INV")]
    #[schema(required)]
    inv: Option<Versions>,
    #[serde(rename = "PO")]
    #[schema(required)]
    po: Option<Versions>,
    #[serde(rename = "ODRSTAT")]
    #[schema(required)]
    odrstat: Option<Versions>,
    #[serde(rename = "OSN")]
    #[schema(required)]
    osn: Option<Versions>,
    #[serde(rename = "INVC")]
    #[schema(required)]
    invc: Option<Versions>,
    #[serde(rename = "PDC")]
    #[schema(required)]
    pdc: Option<Versions>,
    #[serde(rename = "SPCC")]
    #[schema(required)]
    spcc: Option<Versions>,
}

/// The versions of a service that can be called.
#[derive(Serialize, ToSchema)]
#[schema(as = VendorVersions)]
pub struct Versions {
    versions: Vec<Version>,
}

/// A version in an environment.
#[derive(Serialize, ToSchema)]
#[schema(as = VendorVersion)]
#[allow(clippy::struct_field_names, reason = "named as in the answer")]
pub struct Version {
    #[schema(example = "2.0.0")]
    version: String,
    #[schema(value_type = schemas::EnvironmentCode)]
    environment: Environment,
    /// When a call of the service was accepted last.
    #[schema(required)]
    last_validated_at: Option<DateTime<Utc>>,
}

/// List the services of a supplier as the vendor does
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_vendor_services",
    responses(
        (status = 200, description = "Its services", body = VendorServices),
        (status = 404, description = "Supplier not found"),
    ),
)]
pub async fn services(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Arc<RequestContext>>,
    Path(code): Path<String>,
) -> Result<Json<VendorServices>, HttpError> {
    let supplier = known_to_strangers(&app, &context, &code).await?;
    let endpoints = app.endpoints.of(&supplier).await?;
    let accepted = app.health.last_accepted_calls(&supplier).await?;
    let of = |code: &str| {
        let code = service_code(code);
        let version = |endpoint: &Endpoint| {
            let environment = endpoint.place.environment;
            let is_it = |(service, of, _): &&(Service, Environment, DateTime<Utc>)| {
                service.as_str() == code && *of == environment
            };
            let last_validated_at = accepted.iter().find(is_it).map(|(.., at)| *at);
            Version { version: endpoint.place.version.clone(), environment, last_validated_at }
        };
        let versions: Vec<_> =
            endpoints.iter().filter(|endpoint| endpoint.place.service == code).map(version).collect();
        (!versions.is_empty()).then_some(Versions { versions })
    };
    Ok(Json(VendorServices {
        product: of("Product"),
        med: of("MED"),
        ppc: of("PPC"),
        inv: of("INV"),
        po: of("PO"),
        odrstat: of("ODRSTAT"),
        osn: of("OSN"),
        invc: of("INVC"),
        pdc: of("PDC"),
        spcc: of("SPCC"),
    }))
}

/// The supplier of a path, for a caller without a key. A code that is none counts as a failed attempt of its address, so that
/// nobody makes us look for ever new ones.
async fn known_to_strangers(app: &App, context: &RequestContext, code: &str) -> Result<SupplierCode, Error> {
    let address = context.client_address.as_ref();
    if address.is_some_and(|address| app.failed_attempts.is_over(address)) {
        return Err(Denied::TooManyFailures.into());
    }
    let supplier = match supplier_in_path(code, Missing::Supplier) {
        Ok(supplier) => app.resolver.defaults(&supplier).await.map(|_| supplier),
        Err(unknown) => Err(unknown),
    };
    match supplier {
        Err(Error::NotFound { .. }) if address.is_some_and(|address| app.failed_attempts.too_many(address)) => {
            Err(Denied::TooManyFailures.into())
        }
        known => known,
    }
}
