//! A Postgres server of the test's own, which can be restarted without harm to other tests.

use std::path::PathBuf;
use std::time::Duration;

use credenza::postgres::bootstrap::DATABASE;
use embedded_postgres::{Embedded, Options};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::time::sleep;

use crate::support::cluster::{self, Database};
use crate::support::installation::Installation;

/// How a server is brought down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Cuts connections and writes everything down.
    Fast,
    /// Like a crash: recovers at the next start.
    Immediate,
}

/// The server, and what to know for using it.
pub struct Postgres {
    options: Options,
    server: RwLock<Option<Embedded>>,
    /// Settings for programs that use its migrated database.
    pub installation: Installation,
}

impl Postgres {
    pub async fn start() -> Self {
        cluster::remove_stale_folders();
        // Made without a flush to disk, which a busy machine waits for ...
        let mut options = cluster::options(false);
        let server = start(&options).await;
        cluster::prepare(&server).await;
        let mut admin = server.admin_options("postgres").connect().await.unwrap();
        for statement in [
            "alter system set fsync = off",
            "alter system set full_page_writes = off",
            "alter system set cluster_name = scratch",
        ] {
            sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
        server.stop().await.unwrap();
        // ... and run such that an acknowledged commit survives a crash of the server, though not of the machine.
        options.durable = true;
        let server = start(&options).await;
        let installation = Installation::on(&server, Database::of(&server, DATABASE));
        Self { options, server: RwLock::new(Some(server)), installation }
    }

    /// The folder of its socket, the same after every restart.
    pub fn socket(&self) -> PathBuf {
        self.installation.database.admin.get_socket().unwrap().clone()
    }

    /// Keeps it from being restarted.
    pub async fn stays_up(&self) -> RwLockReadGuard<'_, Option<Embedded>> {
        self.server.read().await
    }

    /// Brings it down, and up again after a while.
    pub async fn restart(&self, shutdown: Shutdown, pause: Duration) {
        let mut server = self.server.write().await;
        if shutdown == Shutdown::Immediate {
            let file = self.options.data_dir.join("postgres/data/postmaster.pid");
            let pid = std::fs::read_to_string(file).unwrap().lines().next().unwrap().parse().unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::QUIT).unwrap();
        }
        server.take().expect("it runs").stop().await.unwrap();
        sleep(pause).await;
        *server = Some(start(&self.options).await);
    }

    /// Ends some of the service's connections, of the pools and of the change feeds; at most this many.
    pub async fn terminate(&self, backends: i64) -> u64 {
        let _up = self.stays_up().await;
        let mut admin = self.installation.database.admin.connect().await.unwrap();
        let ended = sqlx::query(
            "select pg_terminate_backend(pid) from (
                select pid from pg_stat_activity where usename = 'credenza' order by random() limit $1
            ) chosen",
        );
        let ended = ended.bind(backends).execute(&mut admin).await.unwrap().rows_affected();
        admin.close().await.unwrap();
        ended
    }
}

async fn start(options: &Options) -> Embedded {
    Embedded::start(options.clone(), &mut |_| {}).await.unwrap()
}
