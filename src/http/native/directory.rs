//! The supplier directory and the service codes. Browsers may read them with a public key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::{Error, Missing};
use crate::http::error::HttpError;
use crate::http::extract::caller::Visitor;
use crate::http::extract::path::Path;
use crate::http::extract::query::Query;
use crate::http::fields::{Fault, FieldError};
use crate::http::native::listing::Listing;
use crate::http::native::supplier_path::supplier_in_path;
use crate::http::openapi::schemas;
use crate::suppliers::endpoints::Endpoint;
use crate::suppliers::{self, Supplier};
use crate::types::{Environment, Service};

/// Suppliers in one page, unless the caller asks for another number; and the most that they can ask for.
const PAGE: i64 = 100;
const LONGEST_PAGE: usize = 1000;

/// Which part of the directory.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[allow(clippy::struct_field_names, reason = "named as in the query")]
pub struct Page {
    /// Suppliers in the page.
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// The page, from 1, of `page_size` suppliers each; in place of `limit` and `offset`.
    #[param(nullable = false, minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    page: Option<i64>,
    /// Suppliers in each page.
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    page_size: Option<i64>,
    /// Suppliers to skip.
    #[param(nullable = false, minimum = 0, maximum = 9_223_372_036_854_775_807_i64, default = 0)]
    offset: Option<i64>,
    /// Read by the caller's extractor.
    #[serde(rename = "pub_api_key")]
    #[param(ignore)]
    _pub_api_key: Option<String>,
}

/// The query of the operations without parameters of their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlyKey {
    /// Read by the caller's extractor.
    #[serde(rename = "pub_api_key")]
    _pub_api_key: Option<String>,
}

/// A supplier.
#[derive(Serialize, ToSchema)]
#[schema(as = Supplier, example = json!({ "supplier_code": "HIT", "supplier_name": "Hit Promotional Products" }))]
pub struct SupplierBody {
    #[schema(value_type = schemas::SupplierCode)]
    supplier_code: String,
    supplier_name: String,
}

/// A supplier as clients of the vendor's API read it.
#[derive(Serialize, ToSchema)]
#[schema(as = VendorSupplier, example = json!({ "id": 1, "code": "HIT", "name": "Hit Promotional Products", "blank_goods_only": false }))]
pub struct VendorSupplier {
    /// A number that stays.
    id: i64,
    #[schema(value_type = schemas::SupplierCode)]
    code: String,
    name: String,
    /// Whether it only sells goods without decoration. The directory has no such suppliers.
    blank_goods_only: bool,
}

/// A page of the directory.
#[derive(Serialize, ToSchema)]
#[schema(as = SupplierPage, example = json!({
    "count": 1, "results": [{ "supplier_code": "HIT", "supplier_name": "Hit Promotional Products" }],
}))]
pub struct SupplierPage {
    /// How many there are in all.
    count: usize,
    /// By code.
    results: Vec<SupplierBody>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = VendorPage)]
    vendor: Option<VendorPage>,
}

/// The same as clients of the vendor's API read it, for a request with `page` or `page_size`.
#[derive(Serialize, ToSchema)]
#[schema(as = VendorSupplierPage)]
pub struct VendorPage {
    /// The number of the page.
    #[schema(required = false)]
    page: i64,
    /// Suppliers in each page.
    #[schema(required = false)]
    page_size: i64,
    /// How many pages there are.
    #[schema(required = false)]
    total_pages: i64,
    /// The number of the page after it.
    #[schema(required = false)]
    next: Option<i64>,
    /// The number of the page before it.
    #[schema(required = false)]
    previous: Option<i64>,
    /// The suppliers of `results`.
    #[schema(required = false)]
    suppliers: Vec<VendorSupplier>,
}

impl Page {
    /// Reads which suppliers are asked for, most and first; and whether they are asked for by page.
    fn parse(&self) -> Result<(i64, i64, bool), FieldError> {
        let by_page = self.page.is_some() || self.page_size.is_some();
        if by_page && (self.limit.is_some() || self.offset.is_some()) {
            let name = if self.limit.is_some() { "limit" } else { "offset" };
            return Err(FieldError::new(name, Fault::NotWithPage));
        }
        let (name, limit) = if by_page { ("page_size", self.page_size) } else { ("limit", self.limit) };
        let limit = limit.unwrap_or(PAGE);
        if !usize::try_from(limit).is_ok_and(|limit| (1..=LONGEST_PAGE).contains(&limit)) {
            return Err(FieldError::new(name, Fault::NotBetween(1, LONGEST_PAGE)));
        }
        let (name, offset) = match self.page {
            Some(page) => {
                ("page", page.checked_sub(1).and_then(|before| before.checked_mul(limit)).unwrap_or(i64::MAX))
            }
            None => ("offset", self.offset.unwrap_or(0)),
        };
        if offset < 0 {
            return Err(FieldError::new(name, Fault::Negative));
        }
        Ok((limit, offset, by_page))
    }
}

/// A service.
#[derive(Serialize, ToSchema)]
#[schema(as = Service, example = json!({ "code": "INV", "description": Service::Inv.description() }))]
pub struct ServiceBody {
    #[schema(value_type = schemas::ServiceCode)]
    code: &'static str,
    description: &'static str,
}

/// A supplier's services.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "supplier_code": "HIT",
    "supplier_name": "Hit Promotional Products",
    "services": [{
        "code": "MED", "description": Service::Med.description(), "default_environments": [Environment::Production],
        "versions": [{ "version": "1.1.0", "environments": [Environment::Production] }],
    }],
}))]
pub struct SupplierServices {
    #[schema(value_type = schemas::SupplierCode)]
    supplier_code: String,
    supplier_name: String,
    services: Vec<SupplierService>,
}

/// A service of a supplier, as far as the directory knows it.
#[derive(Serialize, ToSchema)]
pub struct SupplierService {
    #[schema(value_type = schemas::ServiceCode)]
    code: &'static str,
    description: &'static str,
    /// The environments in which calls are answered without credentials of one's own.
    #[schema(value_type = Vec<schemas::EnvironmentCode>)]
    default_environments: Vec<Environment>,
    /// The versions that can be called, in their order.
    versions: Vec<CallableVersion>,
}

/// A version of a service that can be called.
#[derive(Serialize, ToSchema)]
pub struct CallableVersion {
    #[schema(example = "2.0.0")]
    version: String,
    /// The environments in which it can be called.
    #[schema(value_type = Vec<schemas::EnvironmentCode>)]
    environments: Vec<Environment>,
}

/// The versions of a service that a supplier has endpoints for, which are listed by service and version.
fn versions(endpoints: &[Endpoint], service: Service) -> Vec<CallableVersion> {
    let of_service: Vec<_> = endpoints.iter().filter(|endpoint| endpoint.place.service == service.as_str()).collect();
    let by_version = of_service.chunk_by(|one, next| one.place.version == next.place.version);
    by_version
        .map(|group| CallableVersion {
            version: group[0].place.version.clone(),
            environments: group.iter().map(|endpoint| endpoint.place.environment).collect(),
        })
        .collect()
}

/// List the supplier directory
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_suppliers",
    params(Page),
    responses((status = 200, description = "A page; `count` is of the whole directory", body = SupplierPage)),
    security(("public_api_key" = []))
)]
pub async fn suppliers(
    _: Visitor,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<SupplierPage>, HttpError> {
    let (limit, offset, by_page) = page.parse()?;
    let (count, suppliers) = suppliers::page(&app.pool, limit, offset).await.map_err(Error::from)?;
    let results = suppliers.iter().map(|supplier| SupplierBody {
        supplier_code: supplier.code.to_string(),
        supplier_name: supplier.name.clone(),
    });
    let results = results.collect();
    let vendor = by_page.then(|| VendorPage::new(count, limit, offset, suppliers));
    Ok(Json(SupplierPage { count, results, vendor }))
}

impl VendorPage {
    fn new(count: usize, page_size: i64, offset: i64, suppliers: Vec<Supplier>) -> Self {
        let total_pages = i64::try_from(count).unwrap_or(i64::MAX).div_euclid(page_size)
            + i64::from(i64::try_from(count).unwrap_or(0) % page_size > 0);
        let page = offset / page_size + 1;
        let of = |Supplier { id, code, name, .. }: Supplier| VendorSupplier {
            id,
            code: code.to_string(),
            name,
            blank_goods_only: false,
        };
        Self {
            page,
            page_size,
            total_pages,
            next: (page < total_pages).then(|| page + 1),
            previous: (page > 1).then(|| page - 1),
            suppliers: suppliers.into_iter().map(of).collect(),
        }
    }
}

/// List the service codes
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_service_codes",
    responses((status = 200, description = "All of them", body = Listing<ServiceBody>)),
    security(("public_api_key" = []))
)]
pub async fn service_codes(_: Visitor, _: Query<OnlyKey>) -> Listing<ServiceBody> {
    let services = Service::ALL
        .map(|service| ServiceBody { code: service.as_str(), description: service.description() })
        .into_iter()
        .collect();
    Listing::new(services)
}

/// List the services of a supplier
///
/// With the environments in which calls are answered without credentials of one's own.
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_supplier_services",
    responses(
        (status = 200, description = "Its services", body = SupplierServices),
        (status = 404, description = "Supplier not found"),
    ),
    security(("public_api_key" = []))
)]
pub async fn services(
    _: Visitor,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    _: Query<OnlyKey>,
) -> Result<Json<SupplierServices>, HttpError> {
    let supplier = supplier_in_path(&code, Missing::Supplier)?;
    let (supplier_name, defaults) = app.resolver.defaults(&supplier).await?;
    let endpoints = app.endpoints.of(&supplier).await?;
    let services = defaults.into_iter().map(|(service, default_environments)| SupplierService {
        code: service.as_str(),
        description: service.description(),
        default_environments,
        versions: versions(&endpoints, service),
    });
    Ok(Json(SupplierServices { supplier_code: supplier.to_string(), supplier_name, services: services.collect() }))
}
