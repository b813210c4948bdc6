//! `credenza dev`: everything on this machine, with nothing set up. Not for production: the secrets lie beside the data.

mod database;
mod demo;
mod private_file;
mod screen;
mod secrets;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use sqlx::postgres::PgConnectOptions;

use self::database::Database;
use self::demo::Demo;
use self::secrets::DevSecrets;
use super::progress;
use super::serve;
use super::signals::Signals;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{self, Config, Shutdown, Source};
use crate::http::server::Listeners;
use crate::postgres;
use crate::postgres::embedded::{self, Lock};
use crate::telemetry;

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
}

/// Nobody balances load here, and somebody waits for the prompt.
const SHUTDOWN: Shutdown = Shutdown { grace: Duration::ZERO, drain: Duration::from_secs(10) };

/// A started installation.
struct Installation {
    app: Arc<App>,
    listener_database: PgConnectOptions,
    demo: Demo,
}

pub(super) async fn run(options: Options, source: &Source) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let data_dir = embedded::data_dir(&options.data_dir)?;

    // Before the secrets: two first starts at once would each make some, and the second would overwrite those that the
    // first works with. Postgres's own lock comes too late for that, and not at all with `DATABASE_URL`.
    let _lock = Lock::take(&data_dir, "dev.lock")?;
    // First what fails most often and takes no time.
    let listeners = Listeners::bind(options.listen, options.internal_listen).await?;
    let secrets = DevSecrets::load_or_make(&data_dir)?;
    let mut database = tokio::select! {
        database = Database::open(source, &data_dir, &secrets) => database?,
        // A server that was just starting ends with the dropped future.
        () = signals.first() => return Ok(()),
    };
    let here = format!("http://{}", listeners.addresses()?.0);
    let public_url = config::public_url(source)?.unwrap_or(here);
    let env_file = secrets.write_env_file(&data_dir, &database, &public_url)?;
    let started = tokio::select! {
        started = start(&data_dir, &env_file) => started,
        () = signals.first() => return database.close().await,
    };
    let result = match started {
        Ok(Installation { app, listener_database, demo }) => {
            let metrics = tokio::spawn(telemetry::keep_metrics());
            let background = tokio::spawn(Arc::clone(&app).run_in_background(listener_database));
            show(&options, &listeners, &demo, &database, &env_file, &data_dir)?;
            let mut ended = false;
            let until = async {
                tokio::select! {
                    () = signals.first() => {}
                    () = database.ended() => ended = true,
                }
            };
            let in_good_order = async {
                listeners.serve(Arc::clone(&app), SHUTDOWN, until).await;
                background.abort();
                metrics.abort();
                serve::close(&app).await;
            };
            tokio::select! {
                () = in_good_order => {}
                () = signals.second() => progress("told a second time to stop: what is under way is cut off"),
            }
            match database.log_file() {
                Some(log) if ended => Err(anyhow!("Postgres has ended; `{}` may say why. Start again", log.display())),
                _ => Ok(()),
            }
        }
        Err(error) => Err(error),
    };
    progress("stopping");
    database.close().await?;
    result
}

/// From an open database to an application with its demo account.
async fn start(data_dir: &Path, env_file: &Path) -> anyhow::Result<Installation> {
    let source = Source::load(None)?.with_file(env_file)?;
    let owner = config::database(&source, "CREDENZA_MIGRATION_DATABASE_URL")?;
    let config = Config::load(&source)?;
    let state = postgres::migrate(&owner).await.context("the schema could not be brought up to date")?;
    tracing::info!(migration = state.applied, "schema is up to date");
    postgres::grant_application_role(&owner, config.database.get_username(), None).await?;

    let pool = postgres::pool(&config.database, config.database_connections);
    let app = Arc::new(App::new(pool, Clock::system(), config.secrets, config.settings));
    let demo = Demo::load_or_make(&app, data_dir).await?;
    Ok(Installation { app, listener_database: config.listener_database, demo })
}

/// Tells that everything is ready, and where.
fn show(
    options: &Options,
    listeners: &Listeners,
    demo: &Demo,
    database: &Database,
    env_file: &Path,
    data_dir: &Path,
) -> anyhow::Result<()> {
    let (public, internal) = listeners.addresses()?;
    let screen = screen::Screen {
        url: format!("http://{public}"),
        internal_url: format!("http://{internal}"),
        demo,
        database_url: database.admin_url(),
        env_file,
        data_dir,
    };
    if options.json {
        return screen.print_json();
    }
    screen.print();
    Ok(())
}
