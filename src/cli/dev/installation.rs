//! A development installation: its folder, its database, its listeners, and the service that works with them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use embedded_postgres::Lock;
use sqlx::Connection;

use super::database::Database;
use super::demo::Demo;
use super::env_file;
use super::secrets::DevSecrets;
use super::supplier;
use crate::app::App;
use crate::cli::signals::Signals;
use crate::cli::{connect, progress, startup};
use crate::clock::Clock;
use crate::config::{self, Config, Shutdown, Source};
use crate::http::demo_supplier::DemoSupplier;
use crate::http::server::Listeners;
use crate::postgres::{self, Servers};
use crate::rights;
use crate::telemetry;

/// Times of the end. There is no load balancer, and a person waits for the prompt.
const SHUTDOWN: Shutdown = Shutdown { grace: Duration::ZERO, drain: Duration::from_secs(10) };

/// An installation with an open database.
pub(super) struct Installation {
    data_dir: PathBuf,
    env_file: PathBuf,
    listeners: Listeners,
    database: Database,
    /// Released last.
    _lock: Lock,
}

/// The service of an installation, ready to run.
pub(super) struct Service {
    app: Arc<App>,
    listener_database: Servers,
    /// The demo account and its keys.
    pub demo: Demo,
    /// The supplier on this machine, if one was asked for. It ends with the service.
    pub supplier: Option<DemoSupplier>,
}

impl Installation {
    /// Takes the folder and the addresses, makes the secrets at the first start, and opens the database. Dropped before it
    /// is done, it leaves nothing running.
    pub async fn open(
        data_dir: &Path,
        listen: SocketAddr,
        internal_listen: SocketAddr,
        source: &Source,
    ) -> anyhow::Result<Self> {
        let data_dir = embedded_postgres::data_dir(data_dir)?;
        // Before the secrets: two first starts at once would each make some, and the second would overwrite those of the
        // first. Postgres's own lock comes too late for that, and not at all with `DATABASE_URL`.
        let lock = Lock::take(&data_dir, "dev.lock")?;
        // Before the database: this fails most often and takes no time.
        let listeners = Listeners::bind(listen, internal_listen).await?;
        let secrets = DevSecrets::load_or_make(&data_dir)?;
        let database = Database::open(source, &data_dir, &secrets).await?;
        let here = format!("http://{}", listeners.addresses()?.0);
        let public_url = config::public_url(source)?.unwrap_or(here);
        let env_file = env_file::write(&data_dir, &secrets, &database, &public_url)?;
        Ok(Self { data_dir, env_file, listeners, database, _lock: lock })
    }

    /// Brings the schema up to date, composes the application, and makes the demo account at the first start.
    pub async fn prepare(&self, demo_supplier: bool) -> anyhow::Result<Service> {
        let source = Source::load(None)?.with_file(&self.env_file)?;
        let owner = config::database(&source, "CREDENZA_MIGRATION_DATABASE_URL")?;
        let mut config = Config::load(&source)?;
        // `dev` listens where its options say, not its settings.
        config.settings.leases.name = config::instance_name(&source, self.addresses()?.0)?;
        let state = postgres::migrate(owner.current()).await.context("the schema could not be brought up to date")?;
        tracing::info!(migration = state.applied, "schema is up to date");
        let older = rights::authenticate_older(owner.current(), &config.secrets.pepper).await;
        older.context("the rows that give rights could not be authenticated")?;
        postgres::grant_application_role(owner.current(), config.database.username(), None).await?;

        let pool = postgres::pool(&config.database, config.database_connections);
        let app = Arc::new(App::new(pool, Clock::system(), config.secrets, config.settings));
        let mut connection = connect(&app).await?;
        startup::require_walls(&mut connection).await?;
        connection.close().await?;
        startup::require_same_secrets(&app).await?;
        let demo = Demo::load_or_make(&app, &self.data_dir).await?;
        let supplier = if demo_supplier { Some(supplier::start(&app).await?) } else { None };
        Ok(Service { app, listener_database: config.listener_database, demo, supplier })
    }

    /// Returns the addresses of the public and the internal listener.
    pub fn addresses(&self) -> anyhow::Result<(SocketAddr, SocketAddr)> {
        Ok(self.listeners.addresses()?)
    }

    /// Returns the open database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns the file with the settings of this installation.
    pub fn env_file(&self) -> &Path {
        &self.env_file
    }

    /// Returns the folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Serves until the first signal, or until the database has ended by itself; then closes everything.
    pub async fn serve(mut self, service: Service, signals: &Signals) -> anyhow::Result<()> {
        let Service { app, listener_database, demo: _, supplier: _supplier } = service;
        let metrics = tokio::spawn(telemetry::keep_metrics());
        let background = tokio::spawn(Arc::clone(&app).run_in_background(listener_database));
        let mut database_ended = false;
        let stop = async {
            tokio::select! {
                () = signals.first() => {}
                () = self.database.ended() => database_ended = true,
            }
        };
        let in_good_order = async {
            self.listeners.serve(Arc::clone(&app), SHUTDOWN, stop).await;
            background.abort();
            metrics.abort();
            app.close().await;
        };
        tokio::select! {
            () = in_good_order => {}
            () = signals.second() => progress("told a second time to stop: what is under way is cut off"),
        }
        let result = match self.database.log_file() {
            Some(log) if database_ended => {
                Err(anyhow!("Postgres has ended; `{}` may have the reason. Start again", log.display()))
            }
            _ => Ok(()),
        };
        close(self.database).await?;
        result
    }

    /// Closes everything without having served.
    pub async fn close(self) -> anyhow::Result<()> {
        close(self.database).await
    }
}

async fn close(database: Database) -> anyhow::Result<()> {
    progress("stopping");
    database.close().await
}
