//! The search for the server programs.

use std::cmp::Reverse;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::account::Account;
use crate::error::Error;

/// The folders where packages put a folder `bin` with the programs: Debian, RHEL, from source, Homebrew. Debian and
/// Homebrew keep some of them off PATH. A star, at the end only, stands for the version.
const PACKAGES: [&str; 4] = ["usr/lib/postgresql/*", "usr/pgsql-*", "usr/local/pgsql", "opt/homebrew/opt/postgresql*"];

/// Longest time for a program that only prints a line.
const PATIENCE: Duration = Duration::from_secs(10);

/// The places to look at. Nothing else decides what is found, so that a test can lay out its own.
#[derive(Clone, Debug)]
pub struct Places {
    /// A folder that was set explicitly: that one or none.
    pub setting: Option<PathBuf>,
    /// A list of folders in the form of PATH.
    pub search_path: Option<OsString>,
    /// The root of the file system, below which packages put their programs.
    pub root: PathBuf,
}

/// The result of a search.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Folders that hold `initdb` and `postgres`, the preferred first.
    pub folders: Vec<PathBuf>,
    /// Every place that was looked at in vain, as a line of text.
    pub looked: Vec<String>,
}

/// Finds folders that hold the server programs: only the explicit one, if there is one; else that of an `initdb` on the
/// search path, the one that `pg_config` names, and those of packages with the highest version first.
///
/// # Errors
/// [`Error::Setting`] when the explicit folder does not hold them.
pub async fn find(places: &Places) -> Result<Found, Error> {
    if let Some(folder) = &places.setting {
        return match missing(folder) {
            None => Ok(Found { folders: vec![folder.clone()], looked: Vec::new() }),
            Some(reason) => Err(Error::Setting { folder: folder.clone(), reason }),
        };
    }
    let mut found = Found { folders: Vec::new(), looked: Vec::new() };

    match on_path(places.search_path.as_deref(), "initdb") {
        None => found.looked.push("`initdb` on PATH: none".to_owned()),
        // The real folder: next to a link in /usr/local/bin there is no `postgres`.
        Some(initdb) => {
            let real = initdb.canonicalize().unwrap_or(initdb);
            found.add("`initdb` on PATH", real.parent().unwrap_or(Path::new("/")));
        }
    }
    match on_path(places.search_path.as_deref(), "pg_config") {
        None => found.looked.push("`pg_config` on PATH: none".to_owned()),
        Some(program) => match bindir(&program, places.search_path.as_deref()).await {
            // The answer proves nothing by itself: client packages have pg_config without a server.
            Some(folder) => found.add("`pg_config --bindir`", &folder),
            None => found.looked.push(format!("{} --bindir: no answer", program.display())),
        },
    }
    for (place, folder) in packages(&places.root, &mut found.looked) {
        found.add(&place, &folder);
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, place: &str, folder: &Path) {
        match missing(folder) {
            Some(reason) => self.looked.push(format!("{place}: {reason}")),
            None if self.folders.iter().any(|known| known == folder) => {}
            None => self.folders.push(folder.to_path_buf()),
        }
    }
}

/// Lists the package folders that exist, the highest version first; one without a version in its name comes last.
fn packages(root: &Path, looked: &mut Vec<String>) -> Vec<(String, PathBuf)> {
    let mut folders = Vec::new();
    for package in PACKAGES {
        let (parent, name) = package.rsplit_once('/').unwrap_or(("", package));
        let pattern = format!("{}/bin", root.join(package).display());
        let before = folders.len();
        for entry in fs::read_dir(root.join(parent)).into_iter().flatten().flatten() {
            let Ok(candidate) = entry.file_name().into_string() else { continue };
            let rest = match name.strip_suffix('*') {
                Some(prefix) => candidate.strip_prefix(prefix),
                None => (candidate == name).then_some(""),
            };
            let Some(rest) = rest else { continue };
            folders.push((version(rest), pattern.clone(), entry.path().join("bin")));
        }
        if folders.len() == before {
            looked.push(format!("{pattern}: no such folder"));
        }
    }
    folders.sort_by_key(|(version, _, _)| Reverse(version.clone()));
    folders.into_iter().map(|(_, place, folder)| (place, folder)).collect()
}

/// Reads the numbers in `15`, `9.6`, `@17`. Without a number the list is empty, and so lower than any other.
fn version(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// Names the program that is missing in `folder`, if one is.
fn missing(folder: &Path) -> Option<String> {
    let absent = ["initdb", "postgres"].into_iter().find(|name| !is_program(&folder.join(name)))?;
    Some(format!("{} has no program `{absent}`", folder.display()))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Finds the first program of that name on a search path.
pub(crate) fn on_path(search_path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
    env::split_paths(search_path?).map(|folder| folder.join(name)).find(|path| path.is_absolute() && is_program(path))
}

async fn bindir(pg_config: &Path, search_path: Option<&OsStr>) -> Option<PathBuf> {
    let mut command = Command::new(pg_config);
    // Debian's is a shell script: it needs the programs that it calls.
    command.arg("--bindir").env_clear().env("PATH", search_path?).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(answer.trim()))
}

/// Server programs that ran when they were tried.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// The major version.
    pub(crate) major: u32,
}

impl Programs {
    /// Runs `postgres --version` as the server's account. The error is a sentence, such as that the account may not read
    /// the folder.
    pub(crate) async fn probe(folder: &Path, account: &Account) -> Result<Self, String> {
        let mut command = account.command(folder.join("postgres"));
        command.arg("--version").kill_on_drop(true);
        let unusable = |why: String| {
            format!("`{} --version` does not run as the account `{}`: {why}", command_name(folder), account.name())
        };
        let output = timeout(PATIENCE, command.output())
            .await
            .map_err(|_| unusable("no answer".to_owned()))?
            .map_err(|error| unusable(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match major(&text) {
            Some(major) if output.status.success() => Ok(Self { folder: folder.to_path_buf(), major }),
            _ => Err(unusable(format!("{text}{}", String::from_utf8_lossy(&output.stderr)).trim().to_owned())),
        }
    }

    /// Returns the path of one of the programs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns version and folder, for messages.
    pub(crate) fn describe(&self) -> String {
        format!("PostgreSQL {} in {}", self.major, self.folder.display())
    }
}

fn command_name(folder: &Path) -> String {
    folder.join("postgres").display().to_string()
}

/// Reads the major version in `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` or in the content of `PG_VERSION`.
pub(crate) fn major(text: &str) -> Option<u32> {
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{major, version};

    #[test]
    fn majors_are_read_from_what_postgres_prints() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta2"), Some(18));
        assert_eq!(major("9.6\n"), Some(9));
        assert_eq!(major("segmentation fault"), None);
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("9.6") < version("15"));
        assert!(version("@17") > version("@9"));
        assert!(version("") < version("9"));
    }
}
