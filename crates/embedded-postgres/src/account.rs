//! The account of the operating system that the server runs under: Postgres refuses root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::error::Error;

/// The account of the server and of everything that touches its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    name: String,
    /// User and group to change to; none when the server runs under our own account.
    ids: Option<(u32, u32)>,
}

impl Account {
    /// Chooses our own account; as root the owner of the cluster `home`, if it exists, else `postgres`, else `nobody`.
    ///
    /// The owner comes first because a later package installation may bring the account `postgres` to a machine
    /// whose cluster belongs to `nobody`.
    pub(crate) fn choose(home: &Path) -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { name: "the current user".to_owned(), ids: None });
        }
        if let Ok(owner) = fs::metadata(home)
            && owner.uid() != 0
        {
            return Ok(Self { name: format!("uid {}", owner.uid()), ids: Some((owner.uid(), owner.gid())) });
        }
        let file = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(file).map_err(Error::io("read", file))?;
        ["postgres", "nobody"].iter().find_map(|name| parse_passwd(&passwd, name)).ok_or(Error::NoAccount)
    }

    /// Name for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// User id, our own when the server runs under our account.
    pub(crate) fn uid(&self) -> u32 {
        self.ids.map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid)
    }

    /// Makes a command under this account with nothing inherited: no environment, no input, a process group of its own
    /// (Ctrl-C at a terminal goes to the whole foreground group), and a working folder that everybody may enter.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        command.current_dir("/").stdin(Stdio::null()).process_group(0);
        if let Some((uid, gid)) = self.ids {
            command.gid(gid).uid(uid);
        }
        command
    }

    /// Tries whether the account can enter a folder. Mode bits do not include access lists, so they do not answer this.
    pub(crate) async fn can_enter(&self, folder: &Path) -> Result<bool, Error> {
        if self.ids.is_none() {
            return Ok(true);
        }
        let shell = Path::new("/bin/sh");
        let mut command = self.command(shell);
        command.args(["-c", r#"cd -- "$1""#, "sh"]).arg(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status().await.map_err(Error::io("run", shell))?.success())
    }

    /// Makes the account the owner of a file or folder.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        match self.ids {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid)).map_err(Error::io("change the owner of", path)),
            None => Ok(()),
        }
    }
}

/// Finds the entry of `name` in the text of a passwd file, unless it is another name for root.
fn parse_passwd(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then(|| Account { name: name.to_owned(), ids: Some((uid, gid)) })
    })
}

#[cfg(test)]
mod tests {
    use super::parse_passwd;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\nnobody:x:65534:65533:nobody:/:/bin/false\n";

    #[test]
    fn passwd_entries_are_found_by_their_whole_name() {
        assert_eq!(parse_passwd(PASSWD, "nobody").and_then(|account| account.ids), Some((65534, 65533)));
        assert_eq!(parse_passwd(PASSWD, "nobod"), None);
        assert_eq!(parse_passwd(PASSWD, "toor"), None);
    }
}
