//! An installation as an operator has one: Postgres with fsync, databases on it, and the program with its settings in the
//! environment. Every setting that has a default keeps it, but for addresses.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result};
use credenza::app::App;
use credenza::clock::Clock;
use credenza::cluster::{Role, feed};
use credenza::config::{Config, Source};
use credenza::postgres;
use credenza::postgres::bootstrap::{APPLICATION, DATABASE, OWNER, bootstrap};
use embedded_postgres::{Embedded, Options};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::task::JoinHandle;

use crate::cores::Cores;
use crate::process::{self, Server, free_address};
use crate::world::World;

const PREFIX: &str = "credenza-benches-";
/// Of both roles. The server listens on a socket in a folder that is closed to others, and ends with us.
const PASSWORD: &str = "only-in-benchmarks";
/// They protect nothing but made-up passwords.
const SECRETS: [(&str, &str); 3] = [
    ("CREDENZA_MASTER_KEYS", "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
    ("CREDENZA_KEY_PEPPER", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="),
    ("CREDENZA_AUDIT_KEY", "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="),
];

/// Postgres, the programs, and a folder for what they leave.
pub struct Installation {
    /// Who runs where.
    pub cores: Cores,
    /// The program under test.
    pub credenza: PathBuf,
    /// Where the benchmark's own programs are.
    programs: PathBuf,
    folder: PathBuf,
    postgres: Embedded,
}

impl Installation {
    /// Starts Postgres beside the load generator, and brings the schema of the first database up to date.
    pub async fn start(cores: Cores, credenza: PathBuf) -> Result<Self> {
        remove_stale_folders()?;
        let folder = env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let source = Source::load(None)?;
        let options = Options {
            application: "credenza-benches",
            data_dir: folder.join("postgres"),
            programs: source.get("CREDENZA_POSTGRES_BIN").map(PathBuf::from),
            search_path: source.search_path(),
            durable: true,
            allow_download: true,
        };
        let postgres = Embedded::start(options, &mut |step| eprintln!("{step}")).await?;
        let programs = env::current_exe()?.parent().context("this program is in no folder")?.to_owned();
        let installation = Self { cores, credenza, programs, folder, postgres };
        bootstrap(&installation.postgres.admin_options("postgres"), PASSWORD, PASSWORD).await?;
        installation.run(DATABASE, &["migrate"], &[]).await?;
        Ok(installation)
    }

    /// A database with the schema and nothing else.
    pub async fn database(&self, name: &'static str) -> Result<()> {
        let mut admin = self.admin("postgres").await?;
        let statement = format!("create database {name} template {DATABASE} owner {OWNER}");
        #[allow(clippy::disallowed_types, reason = "names cannot be bound, and this one is ours")]
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await?;
        Ok(admin.close().await?)
    }

    /// A database of the superuser's.
    pub async fn admin(&self, database: &str) -> Result<PgConnection> {
        Ok(self.postgres.admin_options(database).connect().await?)
    }

    /// How the application's role connects to a database.
    pub fn url(&self, database: &str) -> String {
        self.postgres.url(APPLICATION, PASSWORD, database)
    }

    /// Where Postgres logs.
    pub fn postgres_log(&self) -> &Path {
        self.postgres.log_file()
    }

    /// A file in the folder of this run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The settings for a database.
    pub fn settings(&self, database: &str) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("DATABASE_URL", self.url(database)),
            ("CREDENZA_MIGRATION_DATABASE_URL", self.postgres.url(OWNER, PASSWORD, database)),
        ];
        settings.extend(SECRETS.map(|(name, value)| (name, value.to_owned())));
        settings
    }

    /// The application over a database in this process, to write with. It answers nothing from memory.
    pub async fn writer(&self, database: &str) -> Result<Writer> {
        let settings = self.settings(database);
        let config = Config::load(&Source::from_pairs(settings.iter().map(|(name, value)| (*name, value.as_str()))))?;
        let pool = postgres::pool(&config.database, 2);
        let app = App::new(pool, Clock::system(), config.secrets, config.settings);
        let feed = tokio::spawn(feed::run(app.cluster.clone(), config.listener_database, Role::Writer));
        app.cluster.connected().await;
        Ok(Writer { app, feed })
    }

    fn command(&self, program: &Path, database: &str, further: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.settings(database)).envs(further.iter().copied());
        command
    }

    /// Runs a command of the service to its end, with further settings.
    pub async fn run(&self, database: &str, arguments: &[&str], further: &[(&str, &str)]) -> Result<Duration> {
        let mut command = self.command(&self.credenza, database, further);
        command.args(arguments);
        process::run(&self.cores, command, &self.file("commands.log")).await
    }

    /// Starts the service on a database.
    pub async fn serve(&self, database: &str) -> Result<Service> {
        self.serve_with(database, &[]).await
    }

    /// The same with further settings.
    pub async fn serve_with(&self, database: &str, further: &[(&str, &str)]) -> Result<Service> {
        let (public, internal) = (free_address()?, free_address()?);
        let mut command = self.command(&self.credenza, database, further);
        command.arg("serve");
        command.env("CREDENZA_LISTEN", public.to_string()).env("CREDENZA_INTERNAL_LISTEN", internal.to_string());
        // There is no load balancer that would have to notice that it stops.
        command.env("CREDENZA_SHUTDOWN_GRACE", "0s");
        let server = Server::start(&self.cores, command, &self.file("serve.log"), internal, "/readyz").await?;
        Ok(Service { server, public })
    }

    /// Starts a server to compare with, `floor` or `bare`.
    pub async fn reference(&self, which: &str, database: &str, world: &World) -> Result<Server> {
        let address = free_address()?;
        let path = self.write(world)?;
        let mut command = self.command(&self.programs.join("reference"), database, &[]);
        command.arg(address.to_string()).arg(which).arg(path);
        Server::start(&self.cores, command, &self.file("reference.log"), address, "/readyz").await
    }

    /// Says to a program what is stored.
    fn write(&self, world: &World) -> Result<PathBuf> {
        let path = self.file("world.json");
        world.write(&path)?;
        Ok(path)
    }

    /// Runs this program again, on the server's processor and with the settings of a database, for a part of the
    /// benchmark that wants a world; what it wrote to the file that it was given last.
    pub async fn run_part(&self, part: &str, database: &str, world: &World, argument: &str) -> Result<Vec<u8>> {
        let result = self.file("result.json");
        let mut command = self.command(&env::current_exe()?, database, &[]);
        command.arg(part).arg(self.write(world)?).arg(argument).arg(&result);
        process::run(&self.cores, command, &self.file("parts.log")).await?;
        Ok(fs::read(result)?)
    }

    /// Copies what the programs logged, for whoever wants to know why one failed.
    pub fn keep_logs(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
        }
        eprintln!("the logs are in {}", folder.display());
        Ok(())
    }

    /// Ends Postgres and deletes everything.
    pub async fn discard(self) -> Result<()> {
        self.postgres.discard().await?;
        Ok(fs::remove_dir_all(self.folder)?)
    }
}

/// A `credenza serve`.
pub struct Service {
    /// The process, and its internal listener.
    pub server: Server,
    /// Its public listener.
    pub public: SocketAddr,
}

/// An application of this process.
pub struct Writer {
    app: App,
    feed: JoinHandle<()>,
}

impl Deref for Writer {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl Writer {
    /// Lets go of the database.
    pub async fn close(self) {
        self.feed.abort();
        self.app.close().await;
    }
}

/// Removes what runs left that were killed.
fn remove_stale_folders() -> Result<()> {
    for entry in fs::read_dir(env::temp_dir())?.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid| kill(Pid::from_raw(pid), None).is_err()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
