//! `credenza suppliers`.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;

use super::supplier_endpoints;
use crate::app::App;
use crate::principal::Actor;
use crate::suppliers::{self, import};
use crate::types::{AccountId, Service};
use crate::work::Work;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Create and update suppliers from a CSV file with the columns supplier_code, supplier_name and, optionally,
    /// excluded_services (services, separated by blanks, that shared logins never serve); all or nothing
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the directory
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set, list and remove the endpoints of suppliers: where each version of their services is reached
    #[command(subcommand)]
    Endpoints(supplier_endpoints::Command),
}

pub(super) async fn run(command: Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Endpoints(command) => supplier_endpoints::run(command, app).await,
        Command::Import { file, json } => {
            let tell = |done, of| super::progress(&format!("{done} of {of} suppliers"));
            let entries = if file.as_os_str() == "-" {
                import::parse(std::io::stdin().lock())?
            } else {
                let file = File::open(&file).with_context(|| format!("`{}` cannot be read", file.display()))?;
                import::parse(file)?
            };
            let import = async |work: &mut Work<'_>| import::import(work, &entries, tell).await;
            let report = Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, import).await;
            let report = report.context("the directory could not be stored")?;
            if json {
                return super::print_json(&report);
            }
            let import::Report { created, updated, unchanged } = report;
            super::print_line(&format!("{created} created, {updated} updated, {unchanged} unchanged"))
        }
        Command::List { json } => {
            let suppliers = suppliers::list(&app.pool).await?;
            let excluded = |services: &[Service]| services.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" ");
            if json {
                let rows: Vec<_> = suppliers
                    .iter()
                    .map(|supplier| {
                        serde_json::json!({
                            "supplier_code": supplier.code.as_str(),
                            "supplier_name": supplier.name,
                            "excluded_services": supplier.excluded_services,
                        })
                    })
                    .collect();
                return super::print_json(&rows);
            }
            for supplier in suppliers {
                let excluded = excluded(&supplier.excluded_services);
                super::print_line(&format!("{}\t{}\t{excluded}", supplier.code, supplier.name))?;
            }
            Ok(())
        }
    }
}
