//! Where things live: in the data folder, or, when the server's account cannot enter it, elsewhere with a pointer.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::Error;

/// The file in the data folder that says where the cluster is instead.
const POINTER: &str = "postgres.location";

/// The folders of one installation.
pub(super) struct Home {
    data_dir: PathBuf,
    base: PathBuf,
}

impl Home {
    /// Makes the data folder if need be. Absolute from here on: the server runs in a working folder of its own.
    pub(super) fn data_dir(path: &Path) -> Result<PathBuf, Error> {
        // Root's folder has to be entered by the server's account, and is to be listed by nobody.
        let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(path).map_err(Error::io("create", path))?;
        path.canonicalize().map_err(Error::io("resolve", path))
    }

    /// Finds the place of the cluster and the account for it, and decides on both at the first start.
    pub(super) async fn find(
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
        let base = elsewhere()?;
        write_new(&pointer, base.as_os_str())?;
        progress(&format!(
            "the account `{}` cannot enter {}; the database goes to {}",
            account.name(),
            home.data_dir.display(),
            base.display()
        ));
        Ok((Self { base, ..home }, account))
    }

    /// The folder that belongs to the server's account.
    pub(super) fn server(&self) -> PathBuf {
        self.base.join("postgres")
    }

    /// Where programs from `PyPI` go: readable to the server's account, and not its own to change.
    pub(super) fn python(&self) -> PathBuf {
        self.base.join("python")
    }

    /// The administrator's password.
    pub(super) fn password_file(&self) -> PathBuf {
        self.data_dir.join("postgres.password")
    }

    /// The server's log.
    pub(super) fn log_file(&self) -> PathBuf {
        self.data_dir.join("postgres.log")
    }

    /// Deletes the database and what belongs to it, wherever it is; other files of the data folder stay.
    pub(super) fn delete(&self) -> Result<(), Error> {
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

/// A new folder with a name that nobody could have taken beforehand. `/var/lib` may be read-only, `/tmp` is not.
fn elsewhere() -> Result<PathBuf, Error> {
    let name = format!("credenza-{:016x}", rand::random::<u64>());
    let create = |parent: &str| {
        let folder = Path::new(parent).join(&name);
        fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
        // Whatever the umask is.
        fs::set_permissions(&folder, Permissions::from_mode(0o711))
            .map_err(Error::io("change the mode of", &folder))?;
        Ok(folder)
    };
    create("/var/lib").or_else(|_: Error| create("/tmp"))
}

/// Written beside and renamed, so that it is there whole or not at all.
fn write_new(path: &Path, content: &OsStr) -> Result<(), Error> {
    let draft = path.with_extension("new");
    fs::write(&draft, [content.as_bytes(), b"\n"].concat()).map_err(Error::io("write", &draft))?;
    fs::rename(&draft, path).map_err(Error::io("write", path))
}
