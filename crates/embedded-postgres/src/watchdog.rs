//! The watchdog, which ends the server when its owner is killed.
//!
//! A shell waits on a pipe whose other end only the owner has. The system closes that end when the owner is killed,
//! and the shell sends the signal. (Linux's `PR_SET_PDEATHSIG` fires when the *thread* ends that started the server,
//! and other systems have nothing like it.)

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;

use crate::account::Account;
use crate::error::Error;

/// The shell's script; `$1` is the server's process id.
///
/// While the owner lives, it keeps that id from being used again, as the server's parent. After that the check for
/// the name guards the moment until the signal, and that the shell has no more rights than the server itself.
/// `kill` is part of the shell: a minimal system has no such program.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
if read -r line; then exit 0; fi
alive() {
    if [ -r /proc/self/stat ]; then
        read -r id name state rest < "/proc/$1/stat" && [ "$name" = '(postgres)' ] && [ "$state" != Z ]
    else
        case $(ps -o comm= -p "$1") in *postgres) ;; *) false ;; esac
    fi
}
alive "$1" || exit 0
kill -INT "$1"
tenths=0
while alive "$1" && [ $tenths -lt 200 ]; do
    tenths=$((tenths + 1))
    if [ $tenths -eq 100 ]; then kill -QUIT "$1"; fi
    sleep 0.1 || exit 0
done
"#;

/// A running watchdog. Dropped without [`Watchdog::dismiss`], it ends the server.
pub(crate) struct Watchdog {
    child: Child,
    /// Our end of the pipe. It is closed on `exec`, so that no other child of ours keeps it open.
    pipe: ChildStdin,
}

impl Watchdog {
    /// Starts a watchdog for a server that was just started.
    pub(crate) fn start(server: Pid, account: &Account) -> Result<Self, Error> {
        let shell = Path::new("/bin/sh");
        let mut command = account.command(shell);
        command.env("PATH", "/usr/bin:/bin").args(["-c", SCRIPT, "postgres-watchdog"]);
        command.arg(server.as_raw_pid().to_string());
        // With our output the watchdog would keep a pipe open that somebody reads to its end.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(Error::io("run", shell))?;
        let pipe = child
            .stdin
            .take()
            .ok_or_else(|| Error::io("open a pipe to", shell)(std::io::Error::from(std::io::ErrorKind::BrokenPipe)))?;
        Ok(Self { child, pipe })
    }

    /// Ends the watchdog after the server has ended.
    pub(crate) async fn dismiss(mut self) {
        // It may have ended already.
        let _ = self.pipe.write_all(b"done\n").await;
        if timeout(Duration::from_secs(2), self.child.wait()).await.is_err() {
            let _ = self.child.start_kill();
        }
    }
}
