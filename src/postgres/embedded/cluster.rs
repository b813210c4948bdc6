//! The folder with the data: made once, recognised later.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;

use super::account::Account;
use super::error::Error;
use super::programs::{Programs, major};
use super::secret::Password;
use super::text::tail;

/// The superuser of every cluster.
pub(super) const ADMIN: &str = "postgres";

/// What a folder is called while `initdb` works in it.
const DRAFT: &str = "data.new";

/// A cluster, made or to be made, in a folder that belongs to the server's account.
pub(super) struct Cluster {
    home: PathBuf,
}

impl Cluster {
    /// Names the place; touches nothing.
    pub(super) fn at(home: PathBuf) -> Self {
        Self { home }
    }

    /// The folder that holds the data and whatever else belongs to the server's account.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// Postgres's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The major version that made it; none before the first start.
    pub(super) fn version(&self) -> Result<Option<u32>, Error> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            // Unreadable as a number means that no version opens it; say so instead of making a new one over it.
            Ok(text) => Ok(Some(major(&text).unwrap_or(0))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Runs `initdb` in a draft folder and renames that when it is whole. Not durable: skips the flush to disk.
    pub(super) async fn create(
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
        let draft = self.home.join(format!("{DRAFT}.{}", process::id()));
        let password_file = self.home.join(format!("{DRAFT}.password"));
        password.write(&password_file)?;
        account.own(&password_file)?;

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
        command.arg("--pwfile").arg(&password_file).arg("--pgdata").arg(&draft);
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

    /// Removes what an interrupted `create` left.
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
