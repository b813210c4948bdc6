//! The folder with the data: made at the first start, recognised at later ones.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;

use crate::account::Account;
use crate::error::Error;
use crate::programs::{Programs, major};
use crate::secret::Password;
use crate::text::tail;
use crate::way::Way;

/// The superuser of every cluster.
pub(crate) const ADMIN: &str = "postgres";

/// Name of Postgres's data directory.
const DATA: &str = "data";

/// Name of the folder while `initdb` works in it.
const DRAFT: &str = "data.new";

/// A cluster, made or to be made, in a folder that belongs to the server's account.
pub(crate) struct Cluster {
    home: PathBuf,
    /// True if the server's account cannot follow the path.
    is_closed: bool,
}

impl Cluster {
    /// Names the place, without touching it.
    pub(crate) fn at(home: PathBuf, is_closed: bool) -> Self {
        Self { home, is_closed }
    }

    /// Returns the folder that holds the data and everything else of the server's account.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Returns Postgres's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join(DATA)
    }

    /// Returns the way of the server's account to the folder, which has to exist.
    pub(crate) fn way(&self) -> Result<Way, Error> {
        Way::to(&self.home, self.is_closed)
    }

    /// Returns Postgres's data directory as the server's account reaches it.
    pub(crate) fn data_by(way: &Way) -> PathBuf {
        way.join(DATA)
    }

    /// Reads the major version that made the cluster; none before the first start.
    pub(crate) fn version(&self) -> Result<Option<u32>, Error> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            // Without a number no version opens it: that is an error, and not a reason to make a new one over it.
            Ok(text) => Ok(Some(major(&text).unwrap_or(0))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Runs `initdb` in a draft folder and renames that when it is complete. Without `durable` it skips the flush to disk.
    pub(crate) async fn create(
        &self,
        programs: &Programs,
        account: &Account,
        password: &Password,
        durable: bool,
    ) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(&self.home) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &self.home)(error));
            }
            _ => account.own(&self.home)?,
        }
        self.sweep()?;

        // The name is new each time: an `initdb` whose starter was killed may still be writing to its own.
        let draft_name = format!("{DRAFT}.{}", process::id());
        let password_name = format!("{DRAFT}.password");
        let (draft, password_file) = (self.home.join(&draft_name), self.home.join(&password_name));
        password.write(&password_file)?;
        account.own(&password_file)?;

        let way = self.way()?;
        let initdb = programs.path("initdb");
        let mut command = account.command(&initdb);
        command.args([
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            "--auth=scram-sha-256",
            "--username",
            ADMIN,
        ]);
        command.arg("--pwfile").arg(way.join(password_name)).arg("--pgdata").arg(way.join(draft_name));
        if !durable {
            command.arg("--no-sync");
        }
        let result = command.kill_on_drop(true).output().await;
        fs::remove_file(&password_file).map_err(Error::io("delete", &password_file))?;

        let output = result.map_err(Error::io("run", &initdb))?;
        if !output.status.success() {
            let text = [output.stdout, output.stderr].concat();
            return Err(Error::Initdb { folder: self.data(), output: tail(&text) });
        }
        fs::rename(&draft, self.data()).map_err(Error::io("rename", &draft))?;
        if durable {
            File::open(&self.home).and_then(|folder| folder.sync_all()).map_err(Error::io("flush", &self.home))?;
        }
        Ok(())
    }

    /// Removes the files that an interrupted `create` left.
    fn sweep(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.home).map_err(Error::io("read", &self.home))?.flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes()) {
                continue;
            }
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(Error::io("delete", &path))?;
        }
        Ok(())
    }
}
