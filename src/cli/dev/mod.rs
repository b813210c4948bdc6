//! `credenza dev`: everything on this machine, with nothing set up. Not for production: the secrets are next to the data.

mod database;
mod demo;
mod env_file;
mod installation;
mod screen;
mod secrets;
mod supplier;

use std::net::SocketAddr;
use std::path::PathBuf;

use installation::{Installation, Service};
use screen::Screen;

use super::signals::Signals;
use crate::config::Source;

#[derive(clap::Args)]
pub(super) struct Options {
    /// Address of the public listener; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address of the internal listener; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8081")]
    internal_listen: SocketAddr,
    /// Where the database, the secrets and the logs are
    #[arg(long, default_value = ".credenza", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Print one line of JSON on standard output when ready, and nothing more there
    #[arg(long)]
    json: bool,
    /// Start a small supplier on this machine as well, and make it the one that calls to HIT reach
    #[arg(long)]
    demo_supplier: bool,
}

pub(super) async fn run(options: Options, source: &Source) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let Options { listen, internal_listen, data_dir, json, demo_supplier } = options;
    let installation = tokio::select! {
        installation = Installation::open(&data_dir, listen, internal_listen, source) => installation?,
        () = signals.first() => return Ok(()),
    };
    let prepared = tokio::select! {
        prepared = installation.prepare(demo_supplier) => prepared,
        () = signals.first() => return installation.close().await,
    };
    match prepared {
        Ok(service) => {
            show(&installation, &service, json)?;
            Box::pin(installation.serve(service, &signals)).await
        }
        Err(error) => {
            installation.close().await?;
            Err(error)
        }
    }
}

/// Prints that everything is ready, and where.
fn show(installation: &Installation, service: &Service, json: bool) -> anyhow::Result<()> {
    let (public, internal) = installation.addresses()?;
    let screen = Screen {
        url: format!("http://{public}"),
        internal_url: format!("http://{internal}"),
        demo: &service.demo,
        has_supplier: service.supplier.is_some(),
        database_url: installation.database().admin_url(),
        env_file: installation.env_file(),
        data_dir: installation.data_dir(),
    };
    if json {
        return screen.print_json();
    }
    screen.print();
    Ok(())
}
