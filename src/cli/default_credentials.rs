//! `credenza default-credentials`.

use anyhow::{anyhow, bail, ensure};
use secrecy::SecretString;

use crate::app::App;
use crate::suppliers::{self, defaults};
use crate::types::{DEFAULT_SERVICES, Environment, Pair, Password, Service, SupplierCode, Username};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Set the shared login of a supplier; its password comes on standard input
    Set {
        #[command(flatten)]
        place: Place,
        /// The user name
        #[arg(long)]
        username: String,
        /// Read the password from standard input. It is never an argument, which other users of the machine could see
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Services that the login may serve, comma-separated
        #[arg(long, value_delimiter = ',', default_values_t = DEFAULT_SERVICES.map(|service| service.to_string()))]
        services: Vec<String>,
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
    #[arg(long)]
    supplier: String,
    /// STAGING or PROD
    #[arg(long)]
    environment: String,
}

impl Place {
    fn parse(&self) -> anyhow::Result<(SupplierCode, Environment)> {
        let supplier = SupplierCode::parse(&self.supplier).map_err(|why| anyhow!("--supplier {why}"))?;
        let environment = Environment::parse(&self.environment);
        Ok((supplier, environment.ok_or_else(|| anyhow!("--environment must be STAGING or PROD"))?))
    }
}

pub(super) async fn run(command: Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Set { place, username, password_stdin: _, services } => {
            let (supplier, environment) = place.parse()?;
            let services = parse_services(&services)?;
            let pair = Pair {
                username: Username::parse(SecretString::from(username)).map_err(|why| anyhow!("--username {why}"))?,
                password: Password::parse(super::secret_from_stdin()?).map_err(|why| anyhow!("the password {why}"))?,
            };
            defaults::set(app, &supplier, environment, services, &pair).await?;
            super::print_line("set")
        }
        Command::Remove { place } => {
            let (supplier, environment) = place.parse()?;
            if !defaults::remove(app, &supplier, environment).await? {
                bail!("there are no default credentials for {supplier} in {environment}");
            }
            super::print_line("removed")
        }
        Command::List { json } => list(app, json).await,
    }
}

fn parse_services(codes: &[String]) -> anyhow::Result<Vec<Service>> {
    let known = || Service::ALL.map(Service::as_str).join(", ");
    let mut services = Vec::new();
    for code in codes {
        let service = Service::parse(code).ok_or_else(|| anyhow!("`{code}` is no service; there are {}", known()))?;
        if !services.contains(&service) {
            services.push(service);
        }
    }
    ensure!(!services.is_empty(), "--services must name at least one");
    Ok(services)
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
