//! The places of an installation: the data folder, or, when the server's account cannot enter it, another folder that a
//! pointer in the data folder names.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::Error;
use crate::private_file;

/// Name of the pointer, a file in the data folder with the path of the other folder.
const POINTER: &str = "postgres.location";

/// The folders of one installation.
pub(crate) struct Home {
    data_dir: PathBuf,
    base: PathBuf,
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
            let home = Self { data_dir, base: target };
            let account = Account::choose(&home.server())?;
            return Ok((home, account));
        }

        let home = Self { base: data_dir.clone(), data_dir };
        let account = Account::choose(&home.server())?;
        if account.can_enter(&home.data_dir).await? {
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
        Ok((Self { base, ..home }, account))
    }

    /// Returns the folder that belongs to the server's account.
    pub(crate) fn server(&self) -> PathBuf {
        self.base.join("postgres")
    }

    /// Returns the folder for programs from `PyPI`, which the server's account can read and not change.
    pub(crate) fn python(&self) -> PathBuf {
        self.base.join("python")
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
        for folder in [self.server(), self.python()] {
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(Error::io("delete", &folder))?;
            }
        }
        if self.base != self.data_dir {
            fs::remove_dir(&self.base).map_err(Error::io("delete", &self.base))?;
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
