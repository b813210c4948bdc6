//! The folder of the server's Unix socket. Its path is short, because a socket's address is limited; plain, because it
//! appears in settings and URLs where commas and spaces have a meaning; and the same at every start.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::error::Error;

/// Number in the name of the socket's file. Nothing listens on a port.
pub(crate) const PORT: u16 = 5432;

/// The longest path of a socket, in bytes: one less than the system's `sun_path`.
const LONGEST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Makes the folder, with mode 0700 and owned by the server's account: inside `home` unless that is closed to the account, else
/// in `/tmp` under a name that is made from `application` and `home`.
pub(crate) fn prepare(application: &str, home: &Path, is_closed: bool, account: &Account) -> Result<String, Error> {
    if !is_closed && let Some(folder) = usable(&home.join("run")) {
        ensure(Path::new(&folder), account)?;
        return Ok(folder);
    }
    let digest = Sha256::digest(home.as_os_str().as_bytes());
    let name = digest[..9].iter().fold(String::new(), |name, byte| name + &format!("{byte:02x}"));
    // Anybody may have taken a name in /tmp; another is as good.
    let candidate = |attempt| {
        let folder = format!("/tmp/{application}-{name}-{attempt}");
        ensure(Path::new(&folder), account).map(|()| folder)
    };
    (1..10).map(candidate).find(Result::is_ok).unwrap_or_else(|| candidate(0))
}

/// Removes the folder if it is one of those in `/tmp`, as far as that is possible.
pub(crate) fn forget(folder: &str, home: &Path) {
    if !Path::new(folder).starts_with(home) {
        let _ = fs::remove_dir(folder);
    }
}

/// Returns the path as text, if a socket in it has an address.
fn usable(folder: &Path) -> Option<String> {
    let socket: PathBuf = folder.join(format!(".s.PGSQL.{PORT}"));
    let text = folder.to_str()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    (plain && socket.as_os_str().len() <= LONGEST).then(|| text.to_owned())
}

/// Makes the folder, or checks that the one there is the account's own and closed to others.
fn ensure(folder: &Path, account: &Account) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return account.own(folder),
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Error::io("create", folder)(error)),
        Err(_) => {}
    }
    let there = fs::symlink_metadata(folder).map_err(Error::io("look at", folder))?;
    // Ours: as root, a start that was cut short before it gave the folder away.
    let ours = [account.uid(), rustix::process::geteuid().as_raw()].contains(&there.uid());
    if there.is_dir() && ours && there.mode() & 0o777 == 0o700 {
        return account.own(folder);
    }
    Err(Error::io("use", folder)(std::io::Error::new(ErrorKind::PermissionDenied, "it belongs to somebody else")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{LONGEST, usable};

    #[test]
    fn an_address_is_short_and_plain() {
        let longest = format!("/{}", "a".repeat(LONGEST - 1 - "/.s.PGSQL.5432".len()));
        assert_eq!(usable(Path::new(&longest)), Some(longest.clone()));
        assert_eq!(usable(Path::new(&format!("{longest}a"))), None);
        assert_eq!(usable(Path::new("/home/Jane Doe/run")), None);
        assert_eq!(usable(Path::new("/srv/a,b/run")), None);
    }
}
