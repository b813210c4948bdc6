//! A server that an earlier owner left running, and the traces of one that ended badly.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::socket::PORT;

/// Longest time for a server to finish its work before it gets the signal to drop it.
pub(crate) const GENTLE: Duration = Duration::from_secs(10);

/// Longest time for a server to drop its work. Postgres itself kills a process that hangs after five seconds.
pub(crate) const HARD: Duration = Duration::from_secs(10);

/// Name of the file in the data directory with the server's process id.
const PID_FILE: &str = "postmaster.pid";

const STEP: Duration = Duration::from_millis(20);

/// Ends a server that still runs on `data`, and removes files that would keep a new one from starting.
///
/// The caller holds the data folder's lock, so that nobody else starts a server meanwhile.
pub(crate) async fn clear(data: &Path, socket: &str, progress: &mut (dyn FnMut(&str) + Send)) -> Result<(), Error> {
    let pid_file = data.join(PID_FILE);
    if let Some(pid) = running(data).await? {
        progress(&format!("stopping the PostgreSQL server (process {pid}) that an earlier run left"));
        stop(pid, data).await?;
    }
    // Postgres takes any living process for the owner of these, and refuses to start. A process id is soon reused,
    // at once in a container. Where there is no such process, Postgres sorts it out by itself.
    for file in [pid_file, Path::new(socket).join(format!(".s.PGSQL.{PORT}.lock"))] {
        let Some(pid) = first_pid(&file)? else { continue };
        if test_kill_process(pid).is_ok() && !is_server_of(pid, data).await {
            fs::remove_file(&file).map_err(Error::io("delete", &file))?;
        }
    }
    Ok(())
}

/// Returns the server that runs on `data`.
pub(crate) async fn running(data: &Path) -> Result<Option<Pid>, Error> {
    match first_pid(&data.join(PID_FILE))? {
        Some(pid) if is_server_of(pid, data).await => Ok(Some(pid)),
        _ => Ok(None),
    }
}

async fn stop(pid: Pid, data: &Path) -> Result<(), Error> {
    for (signal, patience) in [(Signal::INT, GENTLE), (Signal::QUIT, HARD)] {
        // It may have ended by now.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !is_server_of(pid, data).await {
                return Ok(());
            }
            sleep(STEP).await;
        }
    }
    Err(Error::Stuck { pid: pid.as_raw_pid() })
}

/// Reads the process id in the first line of one of Postgres's lock files.
fn first_pid(file: &Path) -> Result<Option<Pid>, Error> {
    match fs::read_to_string(file) {
        Ok(text) => {
            let number = text.lines().next().and_then(|line| line.trim().parse().ok());
            Ok(number.filter(|number| *number > 1).and_then(Pid::from_raw))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", file)(error)),
    }
}

/// Returns whether that process is the server of this very cluster, and alive. A zombie is not.
async fn is_server_of(pid: Pid, data: &Path) -> bool {
    if Path::new("/proc/self/stat").exists() {
        // A server works in its data directory, and the link follows when a folder above is renamed. The link of a
        // zombie leads nowhere.
        let process = Path::new("/proc").join(pid.as_raw_pid().to_string());
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        let folder = fs::read_link(process.join("cwd")).unwrap_or_default();
        return name.trim_end() == "postgres" && folder == data;
    }
    let mut command = Command::new("/bin/ps");
    command.args(["-ww", "-o", "command=", "-p", &pid.as_raw_pid().to_string()]);
    let Ok(output) = command.output().await else { return false };
    let line = String::from_utf8_lossy(&output.stdout);
    line.contains("postgres") && data.to_str().is_some_and(|data| line.contains(data))
}
