//! `--demo-supplier`: a supplier on this machine, as the endpoints of Hit Promotional Products.

use std::time::Duration;

use anyhow::Context;

use crate::app::App;
use crate::http::demo_supplier::{DemoSupplier, SERVICES};
use crate::principal::Actor;
use crate::suppliers::endpoints::address::EndpointUrl;
use crate::suppliers::endpoints::{self, Endpoint, Place, service_code};
use crate::types::{AccountId, Environment, SupplierCode};
use crate::work::Work;

/// The supplier whose endpoints lead to it.
pub(super) const CODE: &str = "HIT";

/// Starts the supplier, and makes its services the endpoints of [`CODE`] in production.
pub(super) async fn start(app: &App) -> anyhow::Result<DemoSupplier> {
    let supplier = DemoSupplier::start().await.context("the demo supplier cannot be started")?;
    let code = SupplierCode::parse(CODE)?;
    let mut rows = Vec::new();
    for (service, version) in SERVICES {
        rows.push(Endpoint {
            supplier: code.clone(),
            place: Place {
                service: service_code(service).to_owned(),
                version: version.to_owned(),
                environment: Environment::Production,
            },
            url: EndpointUrl::parse(&supplier.url(service, version), true)?,
            soap_action: None,
            timeout: Duration::from_secs(10),
            concurrency: endpoints::DEFAULT_CONCURRENCY,
            allow_private: true,
        });
    }
    let import = async |work: &mut Work<'_>| endpoints::import(work, &rows).await;
    let imported = Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, import).await;
    imported.context("the endpoints of the demo supplier cannot be stored")?;
    Ok(supplier)
}
