//! The running server: started, waited for, stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::account::Account;
use crate::error::Error;
use crate::leftover::{GENTLE, HARD};
use crate::text::tail;
use crate::watchdog::Watchdog;

/// Longest time until a server answers, crash recovery included.
const LIMIT: Duration = Duration::from_secs(30);

/// Longest time for which traces of a former server may still be in the way.
const RETRY: Duration = Duration::from_secs(10);

/// Time between two tries to connect. A pool would back off and waste a second.
const STEP: Duration = Duration::from_millis(25);

/// Settings that never change. Small: it is a server for one developer.
const SETTINGS: [&str; 6] = [
    "listen_addresses=",
    "max_connections=100",
    "shared_buffers=128MB",
    "timezone=UTC",
    "log_timezone=UTC",
    "unix_socket_permissions=0700",
];

/// The `cluster_name` of a server whose data is not flushed to disk and may be lost.
pub const SCRATCH: &str = "scratch";

/// Settings that make commits fast. A crash of the server loses the last of them, and a power cut ruins the data.
const NOT_DURABLE: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// Everything that a server is started with.
pub(crate) struct Launch<'a> {
    /// The program `postgres`.
    pub(crate) program: PathBuf,
    /// The account that runs it.
    pub(crate) account: &'a Account,
    /// Its data directory, as the account reaches it.
    pub(crate) data: PathBuf,
    /// The folder of its socket.
    pub(crate) socket: &'a str,
    /// The file that its output is appended to.
    pub(crate) log: &'a Path,
    /// True if commits reach the disk.
    pub(crate) durable: bool,
}

/// A server that is our child. Dropped without [`Server::stop`], the watchdog ends it.
pub(crate) struct Server {
    child: Child,
    pid: Pid,
    watchdog: Watchdog,
}

impl Launch<'_> {
    /// Starts the server and waits until `login` gets in.
    pub(crate) async fn start(&self, login: &PgConnectOptions, password_file: &Path) -> Result<Server, Error> {
        let begin = Instant::now();
        loop {
            let mark = fs::metadata(self.log).map_or(0, |log| log.len());
            let mut server = self.spawn().await?;
            let failure = match server.ready(login, begin + LIMIT).await {
                Ok(()) => return Ok(server),
                Err(failure) => failure,
            };
            // The first failure is the one to report; the watchdog ends a server that does not stop.
            let _ = server.stop().await;
            let logged = read_from(self.log, mark);
            match failure {
                Failure::Password(source) => return Err(Error::Password { file: password_file.to_path_buf(), source }),
                Failure::Ended(_) if begin.elapsed() < RETRY && is_passing(&logged) => sleep(STEP * 10).await,
                Failure::Ended(reason) | Failure::TooSlow(reason) => {
                    let tail = tail(logged.as_bytes());
                    return Err(Error::NotUp { reason, log: self.log.to_path_buf(), tail });
                }
            }
        }
    }

    async fn spawn(&self) -> Result<Server, Error> {
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(self.log);
        let log = log.map_err(Error::io("open", self.log))?;
        let errors = log.try_clone().map_err(Error::io("open", self.log))?;

        let mut command = self.account.command(&self.program);
        command.arg("-D").arg(&self.data).args(["-k", self.socket]);
        for setting in SETTINGS.iter().chain(if self.durable { &[][..] } else { &NOT_DURABLE[..] }) {
            command.args(["-c", setting]);
        }
        if !self.durable {
            command.arg("-c").arg(format!("cluster_name={SCRATCH}"));
        }
        let mut child = command.stdout(log).stderr(errors).spawn().map_err(Error::io("run", &self.program))?;
        let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else {
            return Err(Error::NotUp {
                reason: "it has no process id".into(),
                log: self.log.into(),
                tail: String::new(),
            });
        };
        match Watchdog::start(pid, self.account) {
            Ok(watchdog) => Ok(Server { child, pid, watchdog }),
            Err(error) => {
                end(&mut child, pid).await?;
                Err(error)
            }
        }
    }
}

enum Failure {
    Ended(String),
    TooSlow(String),
    Password(sqlx::Error),
}

impl Server {
    async fn ready(&mut self, login: &PgConnectOptions, deadline: Instant) -> Result<(), Failure> {
        let mut answer = "no answer".to_owned();
        while Instant::now() < deadline {
            match timeout(Duration::from_secs(5), login.connect()).await {
                Ok(Ok(connection)) => {
                    let _ = PgConnection::close(connection).await;
                    return Ok(());
                }
                Ok(Err(error)) if is_refusal(&error) => return Err(Failure::Password(error)),
                Ok(Err(error)) => answer = error.to_string(),
                Err(_) => {}
            }
            match self.child.try_wait() {
                Ok(Some(status)) => return Err(Failure::Ended(format!("it ended at once ({status})"))),
                Ok(None) => {}
                Err(error) => return Err(Failure::Ended(error.to_string())),
            }
            sleep(STEP).await;
        }
        Err(Failure::TooSlow(format!("no connection within {} s (last try: {answer})", LIMIT.as_secs())))
    }

    /// Completes when the server has ended.
    pub(crate) async fn ended(&mut self) {
        // A server that cannot be waited for is none that one can go on with.
        let _ = self.child.wait().await;
    }

    /// Ends the server in good order; open connections are cut.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        end(&mut self.child, self.pid).await?;
        self.watchdog.dismiss().await;
        Ok(())
    }
}

/// Ends a server. SIGINT is Postgres's fast shutdown, which loses nothing; after SIGQUIT the next start has to recover.
async fn end(child: &mut Child, pid: Pid) -> Result<(), Error> {
    for (signal, patience) in [(Signal::INT, GENTLE), (Signal::QUIT, HARD)] {
        if child.id().is_none() {
            return Ok(());
        }
        // Not waited for yet, so the id is still this child's, even if it has ended.
        let _ = kill_process(pid, signal);
        if timeout(patience, child.wait()).await.is_ok() {
            return Ok(());
        }
    }
    Err(Error::Stuck { pid: pid.as_raw_pid() })
}

/// Returns whether the server is up and refuses the login: class 28 of SQLSTATE.
fn is_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code.starts_with("28"))
}

/// Returns whether a complaint passes by itself: a former server is a zombie yet, or its last processes are ending.
fn is_passing(log: &str) -> bool {
    log.contains("pre-existing shared memory block") || (log.contains("lock file") && log.contains("already exists"))
}

/// Reads the text that was appended to a file since it had `mark` bytes; empty if it cannot be read.
fn read_from(path: &Path, mark: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(mark))?;
        file.read_to_end(&mut bytes)
    });
    read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&bytes).into_owned())
}
