//! `credenza suppliers endpoints`.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, bail};
use promostandards::Standard;
use serde_json::json;

use crate::app::App;
use crate::principal::Actor;
use crate::suppliers::endpoints::{self, Endpoint, Place, Report, file};
use crate::types::{AccountId, Environment, SupplierCode};
use crate::work::Work;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Set endpoints from a CSV file with the columns supplier_code, service, version, environment, url and, optionally,
    /// soap_action, timeout (seconds), concurrency, allow_private; or from the JSON of the PromoStandards registry; all or
    /// nothing
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// The supplier of a registry's JSON
        #[arg(long, value_parser = SupplierCode::parse)]
        supplier: Option<SupplierCode>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the endpoints
    List {
        /// Only those of this supplier
        #[arg(long, value_parser = SupplierCode::parse)]
        supplier: Option<SupplierCode>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an endpoint
    Remove {
        /// The supplier's code
        #[arg(long, value_parser = SupplierCode::parse)]
        supplier: SupplierCode,
        /// The service's code
        #[arg(long)]
        service: String,
        /// The service's version
        #[arg(long)]
        version: String,
        /// STAGING or PROD
        #[arg(long, value_parser = super::arguments::environment)]
        environment: Environment,
    },
}

pub(super) async fn run(command: Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Import { file, supplier, json } => import(app, &file, supplier.as_ref(), json).await,
        Command::List { supplier, json } => list(app, supplier.as_ref(), json).await,
        Command::Remove { supplier, service, version, environment } => {
            let place = Place { service: endpoints::service_code(&service).to_owned(), version, environment };
            let remove = async |work: &mut Work<'_>| endpoints::remove(work, &supplier, &place).await;
            if !Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, remove).await? {
                let Place { service, version, environment } = &place;
                bail!("there is no endpoint for {service} {version} of {supplier} in {environment}");
            }
            super::print_line("removed")
        }
    }
}

async fn import(app: &App, file: &PathBuf, supplier: Option<&SupplierCode>, json: bool) -> anyhow::Result<()> {
    let standard = Standard::embedded().context("the tables of the standard cannot be used")?;
    let contents = if file.as_os_str() == "-" {
        file::parse(std::io::stdin().lock(), supplier, &standard)?
    } else {
        let opened = File::open(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
        file::parse(opened, supplier, &standard)?
    };
    let import = async |work: &mut Work<'_>| endpoints::import(work, &contents.endpoints).await;
    let report = Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, import).await;
    let Report { created, updated, unchanged } = report.context("the endpoints could not be stored")?;
    if json {
        let skipped = &contents.skipped;
        return super::print_json(
            &json!({ "created": created, "updated": updated, "unchanged": unchanged, "skipped": skipped }),
        );
    }
    for skipped in &contents.skipped {
        super::note(&format!("{skipped} is skipped: no table describes it"));
    }
    super::print_line(&format!("{created} created, {updated} updated, {unchanged} unchanged"))
}

async fn list(app: &App, supplier: Option<&SupplierCode>, json: bool) -> anyhow::Result<()> {
    let endpoints = endpoints::list(&app.pool, supplier).await?;
    if json {
        return super::print_json(&endpoints.iter().map(as_json).collect::<Vec<_>>());
    }
    for endpoint in &endpoints {
        let Place { service, version, environment } = &endpoint.place;
        super::print_line(&format!(
            "{}\t{service}\t{version}\t{environment}\t{}",
            endpoint.supplier,
            endpoint.url.as_str()
        ))?;
    }
    Ok(())
}

/// The members have the names of the CSV's columns.
fn as_json(endpoint: &Endpoint) -> serde_json::Value {
    json!({
        "supplier_code": endpoint.supplier.as_str(),
        "service": endpoint.place.service,
        "version": endpoint.place.version,
        "environment": endpoint.place.environment,
        "url": endpoint.url.as_str(),
        "soap_action": endpoint.soap_action,
        "timeout": endpoint.timeout.as_secs(),
        "concurrency": endpoint.concurrency,
        "allow_private": endpoint.allow_private,
    })
}
