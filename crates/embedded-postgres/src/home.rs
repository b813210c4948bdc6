//! The places of an installation: the data folder, which holds everything. Versions before kept the database of a folder that
//! the server's account cannot enter in another one, which a pointer names: it is brought home.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::lock::Lock;
use crate::way::Way;
use crate::{leftover, private_file};

/// Name of the lock, in the folder that has the database.
pub(crate) const LOCK: &str = "postgres.lock";

/// Name of the folder that belongs to the server's account.
const SERVER: &str = "postgres";

/// Name of the pointer, a file in the data folder with the path of the other folder.
const POINTER: &str = "postgres.location";

/// The folders of one installation.
pub(crate) struct Home {
    data_dir: PathBuf,
    base: PathBuf,
    /// True if the server's account cannot follow the path to the data folder, where the database is all the same.
    is_closed: bool,
    /// Programs from `PyPI`.
    python: PathBuf,
    /// The lock of another folder that has the database.
    _lock: Option<Lock>,
}

impl Home {
    /// Makes the data folder if need be, and returns its absolute path: the server runs in a working folder of its own.
    pub(crate) fn data_dir(path: &Path) -> Result<PathBuf, Error> {
        // The server's account has to enter root's folder, and nobody has to list it.
        let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(path).map_err(Error::io("create", path))?;
        path.canonicalize().map_err(Error::io("resolve", path))
    }

    /// Finds the place of the cluster and the account for it, and decides on both at the first start.
    pub(crate) async fn find(
        application: &str,
        data_dir: PathBuf,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(Self, Account), Error> {
        let pointer = data_dir.join(POINTER);
        if let Some(target) = read_pointer(&pointer)? {
            if !target.is_dir() {
                return Err(Error::Gone { target, pointer });
            }
            // A copy of the data folder has the same pointer: the database has one owner.
            let lock = Lock::take(&target, LOCK)?;
            let elsewhere = Self::at(data_dir.clone(), target, Some(lock));
            if let Some(pid) = leftover::running(&Cluster::at(elsewhere.server(), false).data()).await? {
                return Err(Error::Held { folder: elsewhere.base, pid: pid.as_raw_pid().try_into().ok() });
            }
            if !elsewhere.is_brought_home(&pointer, progress)? {
                let account = Account::choose(&elsewhere.server())?;
                return Ok((elsewhere, account));
            }
        }

        let mut home = Self::at(data_dir.clone(), data_dir, None);
        let account = Account::choose(&home.server())?;
        if account.can_enter(&home.data_dir).await? {
            return Ok((home, account));
        }
        if Way::leads_to_closed_folders() {
            home.is_closed = true;
            home.python = Path::new("/var/lib").join(format!("{application}-programs"));
            return Ok((home, account));
        }
        if home.server().exists() {
            return Err(Error::Closed { folder: home.server(), account: account.name().to_owned() });
        }
        let base = elsewhere(application)?;
        let line = [base.as_os_str().as_bytes(), b"\n"].concat();
        private_file::write(&pointer, &line).map_err(Error::io("write", &pointer))?;
        progress(&format!(
            "the account `{}` cannot enter {}; the database goes to {}",
            account.name(),
            home.data_dir.display(),
            base.display()
        ));
        let lock = Lock::take(&base, LOCK)?;
        Ok((Self::at(home.data_dir, base, Some(lock)), account))
    }

    fn at(data_dir: PathBuf, base: PathBuf, lock: Option<Lock>) -> Self {
        Self { python: base.join("python"), data_dir, base, is_closed: false, _lock: lock }
    }

    /// Moves the database into the data folder. Returns false if it has to stay: on another file system, or where there is no
    /// way to a closed folder.
    fn is_brought_home(&self, pointer: &Path, progress: &mut (dyn FnMut(&str) + Send)) -> Result<bool, Error> {
        let home = self.data_dir.join(SERVER);
        if home.exists() || !Way::leads_to_closed_folders() || fs::rename(self.server(), &home).is_err() {
            return Ok(false);
        }
        fs::remove_file(pointer).map_err(Error::io("delete", pointer))?;
        // The programs come back when they are needed.
        let _ = fs::remove_dir_all(&self.base);
        progress(&format!("the database moved from {} into {}", self.base.display(), self.data_dir.display()));
        Ok(true)
    }

    /// Returns whether the server's account cannot follow the path to the folder that belongs to it.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns the folder that belongs to the server's account.
    pub(crate) fn server(&self) -> PathBuf {
        self.base.join(SERVER)
    }

    /// Returns the folder for programs from `PyPI`, which the server's account can read and not change.
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }

    /// Returns the path of the administrator's password.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.data_dir.join("postgres.password")
    }

    /// Returns the path of the server's log.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.data_dir.join("postgres.log")
    }

    /// Deletes the database and its files, wherever they are; other files of the data folder stay.
    pub(crate) fn delete(&self) -> Result<(), Error> {
        for folder in [self.server(), self.python.clone()] {
            // Programs outside may be somebody else's as well.
            if folder.exists() && folder.starts_with(&self.base) {
                fs::remove_dir_all(&folder).map_err(Error::io("delete", &folder))?;
            }
        }
        if self.base != self.data_dir {
            fs::remove_dir_all(&self.base).map_err(Error::io("delete", &self.base))?;
            let pointer = self.data_dir.join(POINTER);
            fs::remove_file(&pointer).map_err(Error::io("delete", &pointer))?;
        }
        let password = self.password_file();
        fs::remove_file(&password).map_err(Error::io("delete", &password))
    }
}

fn read_pointer(pointer: &Path) -> Result<Option<PathBuf>, Error> {
    match fs::read(pointer) {
        Ok(text) => Ok(Some(PathBuf::from(OsStr::from_bytes(text.trim_ascii_end())))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", pointer)(error)),
    }
}

/// Makes a new folder with a name that nobody could have taken beforehand. `/var/lib` may be read-only, `/tmp` is not.
fn elsewhere(application: &str) -> Result<PathBuf, Error> {
    let name = format!("{application}-{:016x}", rand::random::<u64>());
    let create = |parent: &str| {
        let folder = Path::new(parent).join(&name);
        fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
        // The umask must not matter.
        fs::set_permissions(&folder, Permissions::from_mode(0o711))
            .map_err(Error::io("change the mode of", &folder))?;
        Ok(folder)
    };
    create("/var/lib").or_else(|_: Error| create("/tmp"))
}
