//! Which processor runs what: the server under test has one to itself; the load generator and Postgres share the rest.

use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// How the processors that we may use are shared out.
#[derive(Clone, Debug)]
pub struct Cores {
    /// The one of the server under test.
    pub server: usize,
    /// Those of the load generator and of Postgres.
    pub load: Vec<usize>,
}

impl Cores {
    /// Takes the last processor for the server, because interrupts go to the first ones. With one processor alone there is
    /// nothing to share out.
    pub fn share_out() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("the processors cannot be listed")?;
        let mut allowed: Vec<_> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
        let server = allowed.pop().ok_or_else(|| anyhow!("there is no processor"))?;
        let load = if allowed.is_empty() { vec![server] } else { allowed };
        Ok(Self { server, load })
    }

    /// Whether the server has a processor to itself.
    pub fn are_apart(&self) -> bool {
        !self.load.contains(&self.server)
    }

    /// Has this thread, and what it starts from now on, run beside the server.
    pub fn stay_with_load(&self) -> Result<()> {
        pin(&self.load)
    }

    /// Does something on the server's processor, such as starting a program: a child inherits the processors of the thread
    /// that starts it, and so do all threads of the child.
    pub fn on_server<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let work = scope.spawn(|| pin(&[self.server]).map(|()| work()));
            work.join().map_err(|_| anyhow!("a thread panicked"))?
        })
    }
}

fn pin(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).context("a thread cannot be pinned to a processor")
}
