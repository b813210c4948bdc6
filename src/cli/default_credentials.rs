//! `credenza default-credentials`.

use std::collections::HashSet;

use anyhow::{anyhow, bail};
use secrecy::SecretString;

use crate::app::App;
use crate::principal::Actor;
use crate::suppliers::{self, defaults};
use crate::types::{AccountId, DEFAULT_SERVICES, Environment, Pair, Password, Service, SupplierCode, Username};
use crate::work::Work;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Set the shared login of a supplier; its password comes on standard input
    Set {
        #[command(flatten)]
        place: Place,
        /// The user name
        #[arg(long, value_parser = |text: &str| Username::parse(SecretString::from(text)))]
        username: Username,
        /// Read the password from standard input. It is never an argument, which other users of the machine could see
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Services that the login may serve, comma-separated
        #[arg(long, value_delimiter = ',', value_parser = super::arguments::service, default_values_t = DEFAULT_SERVICES)]
        services: Vec<Service>,
    },
    /// Remove the shared login of a supplier
    Remove {
        #[command(flatten)]
        place: Place,
    },
    /// List the shared logins: where and for what, never the login itself
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct Place {
    /// The supplier's code
    #[arg(long, value_parser = SupplierCode::parse)]
    supplier: SupplierCode,
    /// STAGING or PROD
    #[arg(long, value_parser = super::arguments::environment)]
    environment: Environment,
}

pub(super) async fn run(command: Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Set { place: Place { supplier, environment }, username, password_stdin: _, services } => {
            let password = Password::parse(super::secret_from_stdin("the password")?)
                .map_err(|why| anyhow!("the password {why}"))?;
            let mut named = HashSet::new();
            let services: Vec<_> = services.into_iter().filter(|service| named.insert(*service)).collect();
            let (pair, sealer) =
                (Pair { username, password }, app.vault.sealer(AccountId::OPERATOR, app.clock.now()).await?);
            let set = async |work: &mut Work<'_>| {
                defaults::set(work, &supplier, environment, services.clone(), &pair, &sealer).await
            };
            Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, set).await?;
            let directory = suppliers::list(&app.pool).await?;
            let excluded = directory.iter().find(|entry| entry.code == supplier).map(|entry| &entry.excluded_services);
            for service in services.iter().filter(|service| excluded.is_some_and(|excluded| excluded.contains(service)))
            {
                super::note(&format!("{supplier} excludes {service}; the login will not serve it"));
            }
            super::print_line("set")
        }
        Command::Remove { place: Place { supplier, environment } } => {
            let remove = async |work: &mut Work<'_>| defaults::remove(work, &supplier, environment).await;
            if !Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, remove).await? {
                bail!("there are no default credentials for {supplier} in {environment}");
            }
            super::print_line("removed")
        }
        Command::List { json } => list(app, json).await,
    }
}

async fn list(app: &App, json: bool) -> anyhow::Result<()> {
    let defaults = defaults::list(&app.pool).await?;
    let directory = suppliers::list(&app.pool).await?;
    // What counts: the login's own list without what the supplier excludes.
    let serves = |default: &defaults::DefaultCredentials| {
        let supplier = directory.iter().find(|supplier| supplier.code == default.supplier);
        let excluded = supplier.map_or(&[][..], |supplier| &supplier.excluded_services);
        default.services.iter().filter(|service| !excluded.contains(service)).map(|s| s.as_str()).collect::<Vec<_>>()
    };
    if json {
        let rows: Vec<_> = defaults
            .iter()
            .map(|default| {
                serde_json::json!({
                    "supplier_code": default.supplier.as_str(),
                    "environment": default.environment,
                    "services": default.services,
                    "serves": serves(default),
                })
            })
            .collect();
        return super::print_json(&rows);
    }
    for default in &defaults {
        super::print_line(&format!("{}\t{}\t{}", default.supplier, default.environment, serves(default).join(",")))?;
    }
    Ok(())
}
