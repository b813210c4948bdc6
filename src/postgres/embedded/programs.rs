//! Where the server programs are.

use std::cmp::Reverse;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::account::Account;
use super::error::Error;

/// The folders where packages put a folder `bin` with the programs: Debian, RHEL, from source, Homebrew. Debian and
/// Homebrew keep some of them off PATH. A star, at the end only, stands for the version.
const PACKAGES: [&str; 4] = ["usr/lib/postgresql/*", "usr/pgsql-*", "usr/local/pgsql", "opt/homebrew/opt/postgresql*"];

/// How long a program that only prints a line may take.
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

/// What is there.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Folders that hold `initdb` and `postgres`, the preferred first.
    pub folders: Vec<PathBuf>,
    /// Every place that was looked at in vain, as a line of text.
    pub looked: Vec<String>,
}

/// Folders that hold the server programs: the explicit one alone; else that of an `initdb` on the search path, the
/// one that `pg_config` names, and those of packages with the highest version first.
///
/// # Errors
/// [`Error::Setting`] when the explicit folder does not hold them: a wrong setting is not a wish to search on.
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
        // The real folder: a link in /usr/local/bin has no `postgres` beside it.
        Some(initdb) => {
            let real = initdb.canonicalize().unwrap_or(initdb);
            found.add("`initdb` on PATH", real.parent().unwrap_or(Path::new("/")));
        }
    }
    match on_path(places.search_path.as_deref(), "pg_config") {
        None => found.looked.push("`pg_config` on PATH: none".to_owned()),
        Some(program) => match bindir(&program, places.search_path.as_deref()).await {
            // The answer alone proves nothing: client packages bring pg_config without a server.
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

/// The package folders that exist, the highest version first; one without a version in its name comes last.
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

/// The numbers in `15`, `9.6`, `@17`; empty, and so lower than any, without one.
fn version(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// What is missing for `folder` to be one of server programs.
fn missing(folder: &Path) -> Option<String> {
    let absent = ["initdb", "postgres"].into_iter().find(|name| !is_program(&folder.join(name)))?;
    Some(format!("{} has no program `{absent}`", folder.display()))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The first program of that name on a search path.
pub(super) fn on_path(search_path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
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

/// Server programs that were seen to run.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    /// The major version.
    pub(super) major: u32,
}

impl Programs {
    /// Runs `postgres --version` as the server's account; says why not when that fails, for one because the account
    /// may not read the folder.
    pub(super) async fn probe(folder: &Path, account: &Account) -> Result<Self, String> {
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

    /// The path of one of the programs.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Version and folder, for messages.
    pub(super) fn describe(&self) -> String {
        format!("PostgreSQL {} in {}", self.major, self.folder.display())
    }
}

fn command_name(folder: &Path) -> String {
    folder.join("postgres").display().to_string()
}

/// The major version in `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` or in the content of `PG_VERSION`.
pub(super) fn major(text: &str) -> Option<u32> {
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
