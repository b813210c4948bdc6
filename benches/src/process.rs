//! A program under test: started on the server's processor, asked what it costs, and ended with us.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::cores::Cores;
use crate::wire::Connection;

/// Longest wait for a program to be ready, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that serves. Killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a program on the server's processor, its output in a file, and waits until `ready` at `address` answers 200.
    pub async fn start(
        cores: &Cores,
        mut command: Command,
        log: &Path,
        address: SocketAddr,
        ready: &str,
    ) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = cores.on_server(|| command.spawn())?.with_context(|| format!("{command:?} cannot be started"))?;
        let mut server = Self { child, address };
        let begin = Instant::now();
        while !server.answers(ready).await {
            if let Some(status) = server.child.try_wait()? {
                bail!("{} ended at once ({status}); its log is {}", command.get_program().display(), log.display());
            }
            ensure!(begin.elapsed() < PATIENCE, "{} is not ready", command.get_program().display());
            // Short, because the time until it is ready is one of the targets.
            sleep(Duration::from_millis(1)).await;
        }
        Ok(server)
    }

    async fn answers(&self, path: &str) -> bool {
        let Ok(mut connection) = Connection::open(self.address).await else { return false };
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        connection.ask(request.as_bytes()).await.is_ok_and(|answer| answer.status == 200)
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// Processor time that it has used so far, user and system, all threads, ended ones included.
    pub fn processor_time(&self) -> Result<Duration> {
        // The process's own clock counts nanoseconds; /proc/<pid>/stat has ticks of 10 ms, and schedstat forgets the
        // threads that have ended.
        Ok(clock_gettime(clock_getcpuclockid(self.pid())?)?.into())
    }

    /// Tells it to stop and waits for its end.
    pub async fn stop(mut self) -> Result<()> {
        kill(self.pid(), Signal::SIGTERM)?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(begin.elapsed() < PATIENCE, "a server does not stop");
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Runs a program on the server's processor to its end, its output in a file; how long it took.
pub async fn run(cores: &Cores, mut command: Command, log: &Path) -> Result<Duration> {
    let output = File::options().create(true).append(true).open(log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let begin = Instant::now();
    let child = cores.on_server(|| command.spawn())?.with_context(|| format!("{command:?} cannot be started"))?;
    let mut child = Guard(child);
    let status: ExitStatus = loop {
        match child.0.try_wait()? {
            Some(status) => break status,
            None => sleep(Duration::from_millis(1)).await,
        }
    };
    ensure!(status.success(), "{command:?} failed ({status}); its log is {}", log.display());
    Ok(begin.elapsed())
}

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

fn end(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// An address of this machine that nobody listens at just now.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
