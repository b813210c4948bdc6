//! `credenza dev` in a folder of a test's own. Folders are copies of one that was started and stopped before, because a
//! database takes much longer to make than to copy.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::cluster::scratch_folder;
use super::program::{Finished, Running, credenza, eventually, processes_of, processor_time, run, watchdog_of};
use super::response::Answer;
use super::wire::Endpoint;

static FIRST: OnceCell<First> = OnceCell::const_new();

/// The start in an empty folder that all other folders are copies of.
pub struct First {
    /// As it was left by the stop that followed. Not to be started in.
    pub folder: PathBuf,
    /// Processor time from the start of the program to its line of JSON.
    pub cost: Option<Duration>,
    /// That line.
    pub ready: Value,
}

/// The first start of this run.
pub async fn first() -> &'static First {
    FIRST
        .get_or_init(async || {
            // A folder that does not exist yet, as on a fresh machine.
            let folder = Folder(scratch_folder("dev-first").canonicalize().unwrap().join(".credenza"));
            let dev = folder.dev().await;
            let (cost, ready) = (dev.cost, dev.ready.clone());
            dev.stop().await.done();
            // Kept to the end of the run, and removed by the next one.
            let path = folder.0.clone();
            std::mem::forget(folder);
            First { folder: path, cost, ready }
        })
        .await
}

/// A data folder. Deleted when dropped.
pub struct Folder(pub PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    /// One in which nothing was ever started.
    pub fn empty() -> Self {
        Self(scratch_folder("dev").canonicalize().unwrap())
    }

    /// One that was started and stopped before.
    pub async fn existing() -> Self {
        let folder = Self::empty();
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(first().await.folder.join(".")).arg(&folder.0);
        run(copy, "").await.done();
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `credenza dev` in this folder, on free ports.
    pub fn command(&self) -> Command {
        let mut command = credenza(["dev", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(&self.0);
        command
    }

    /// A started `credenza dev --json`.
    pub async fn dev(&self) -> Dev {
        let mut command = self.command();
        command.arg("--json");
        Dev::start(command).await
    }

    /// The Postgres server that runs in this folder.
    pub fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.path("postgres/data/postmaster.pid")).unwrap();
        Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
    }

    /// Waits until nothing runs here any more: no Postgres, and no watchdog of the one that ran.
    pub async fn is_quiet(&self, postmaster: Pid) {
        eventually("nothing is left running", async || {
            processes_of(&self.0).is_empty() && watchdog_of(postmaster).is_none()
        })
        .await;
        // Gone only when Postgres stopped in good order; where there is no /proc, this is all there is to see.
        let pid_file = self.path("postgres/data/postmaster.pid");
        eventually("Postgres has removed its pid file", async || !pid_file.exists()).await;
    }
}

/// A `credenza dev --json` that is ready.
pub struct Dev {
    pub program: Running,
    /// Its line.
    pub ready: Value,
    /// Processor time from its start to that line, with that of processes that have ended meanwhile.
    pub cost: Option<Duration>,
}

impl Dev {
    pub async fn start(command: Command) -> Self {
        let mut program = Running::start(command);
        let line =
            program.says("that it is ready", |dev| dev.stdout().split_once('\n').map(|(line, _)| line.to_owned()));
        let ready = serde_json::from_str(&line.await).unwrap();
        let cost = processor_time(program.pid());
        Self { program, ready, cost }
    }

    /// A value of the line.
    pub fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.ready))
    }

    /// The public listener, as the demo account.
    pub fn public(&self) -> Endpoint {
        Endpoint::new(self.text("url")).with_key(self.text("api_key"))
    }

    /// The internal listener, as a program that talks to suppliers.
    pub fn internal(&self) -> Endpoint {
        Endpoint::new(self.text("internal_url")).with_key(self.text("resolver_key"))
    }

    pub async fn store(&self, supplier: &str, username: &str, password: &str) -> Answer {
        let body = json!({"supplier_code": supplier, "production_username": username, "production_password": password});
        self.public().post("/extra/v2/credentials", &body).await
    }

    pub async fn resolve(&self, supplier: &str) -> Answer {
        let body = json!({
            "account_id": self.ready["account_id"], "supplier_code": supplier, "service": "INV", "environment": "PROD",
        });
        self.internal().post("/internal/v1/resolve", &body).await
    }

    /// Signals it to stop, and waits for its end.
    pub async fn stop(self) -> Finished {
        self.program.stop().await
    }

    /// Gives it no chance to do anything.
    pub async fn kill(self) {
        self.program.signal(Signal::KILL);
        assert_eq!(self.program.end().await.code, None);
    }
}
