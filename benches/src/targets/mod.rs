//! The targets, one file for each idea, and what they share.

mod cached;
mod cluster;
mod cold;
mod growth;
mod import;
mod in_process;
mod keys;
mod listing;
mod memory;
mod start;
mod writes;

pub use in_process::{IN_PROCESS, LevelCost};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use sqlx::Connection;
use tokio::sync::OnceCell;

use crate::crowd::bare_table;
use crate::furnish::furnish;
use crate::installation::Installation;
use crate::load::{Order, Outcome, Request, drive};
use crate::process::Server;
use crate::report::{Row, in_micros};
use crate::world::World;

/// The numbers of the targets.
pub const NUMBERS: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// Connections of the load generator, unless a target says otherwise.
const CONNECTIONS: usize = 16;
/// The database of most targets.
const STANDARD: &str = "standard";

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds of each comparison.
    pub rounds: usize,
    /// The same where one round takes many seconds.
    pub long_rounds: usize,
    /// Length of one measurement under load.
    pub load: Duration,
}

/// What the targets work with.
pub struct Bench {
    /// Postgres and the programs.
    pub installation: Installation,
    effort: Effort,
    standard: OnceCell<Arc<World>>,
}

impl Bench {
    /// On an installation.
    pub fn new(installation: Installation, effort: Effort) -> Self {
        Self { installation, effort, standard: OnceCell::new() }
    }

    /// Measures one target.
    pub async fn measure(&self, target: u8) -> Result<Vec<Row>> {
        match target {
            1 => cached::measure(self).await,
            2 => cluster::cached(self).await,
            3 => in_process::measure(self).await,
            4 => cold::measure(self).await,
            5 => writes::measure(self).await,
            6 => cluster::writes(self).await,
            7 => listing::measure(self).await,
            8 => growth::measure(self).await,
            9 => memory::measure(self).await,
            10 => start::measure(self).await,
            11 => import::measure(self).await,
            12 => keys::measure(self).await,
            _ => anyhow::bail!("there is no target {target}"),
        }
    }

    /// The database with 100 accounts that each have credentials for 100 suppliers, and the table of the bare handlers with
    /// as much; filled when it is first needed.
    async fn standard(&self) -> Result<Arc<World>> {
        let fill = async || {
            let world = self.filled(STANDARD, 100, 100).await?;
            let mut admin = self.installation.admin(STANDARD).await?;
            bare_table(&mut admin).await?;
            admin.close().await?;
            anyhow::Ok(Arc::new(world))
        };
        self.standard.get_or_try_init(fill).await.cloned()
    }

    /// A new database with so many accounts that each have credentials for so many suppliers.
    async fn filled(&self, database: &'static str, accounts: usize, suppliers: usize) -> Result<World> {
        self.installation.database(database).await?;
        let app = self.installation.writer(database).await?;
        let mut admin = self.installation.admin(database).await?;
        let world = furnish(&app, &mut admin, accounts, suppliers).await?;
        admin.close().await?;
        app.close().await;
        Ok(world)
    }
}

/// A measurement under load.
struct Loaded {
    outcome: Outcome,
    /// Processor time of the server for each answer, in microseconds.
    cost: f64,
}

/// Asks at random for a time, and reads what it cost the server, which listens at the address among others.
async fn under_load(
    server: &Server,
    address: SocketAddr,
    requests: &Arc<Vec<Request>>,
    connections: usize,
    time: Duration,
) -> Result<Loaded> {
    let before = server.processor_time()?;
    let outcome = drive(address, requests, connections, Order::AtRandom(time)).await?;
    let used = server.processor_time()?.saturating_sub(before);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let cost = in_micros(used) / outcome.answered as f64;
    Ok(Loaded { outcome, cost })
}
