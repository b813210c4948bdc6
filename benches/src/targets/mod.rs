//! The targets, one file for each, and what they share.

mod cached;
mod in_process;

pub use in_process::LevelCost;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use sqlx::Connection;
use tokio::sync::OnceCell;

use crate::furnish::furnish;
use crate::installation::Installation;
use crate::load::{Order, Outcome, Request, drive};
use crate::process::Server;
use crate::report::{Row, in_micros};
use crate::world::World;

/// The numbers of the targets.
pub const NUMBERS: [u8; 2] = [1, 3];

/// Connections of the load generator, unless a target says otherwise.
const CONNECTIONS: usize = 16;
/// The database of most targets.
const STANDARD: &str = "standard";

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds of each comparison.
    pub rounds: usize,
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
            3 => in_process::measure(self).await,
            _ => anyhow::bail!("there is no target {target}"),
        }
    }

    /// The database with 100 accounts that each have credentials for 100 suppliers, filled when it is first needed.
    async fn standard(&self) -> Result<Arc<World>> {
        let fill = async || {
            self.installation.database(STANDARD).await?;
            let app = self.installation.writer(STANDARD).await?;
            let mut admin = self.installation.admin(STANDARD).await?;
            let world = furnish(&app, &mut admin, 100, 100).await?;
            admin.close().await?;
            app.close().await;
            anyhow::Ok(Arc::new(world))
        };
        self.standard.get_or_try_init(fill).await.cloned()
    }

    /// Starts the floor with the same content.
    async fn floor(&self, world: &World) -> Result<Server> {
        let path = self.installation.file("world.json");
        world.write(&path)?;
        self.installation.start_program("floor", STANDARD, &[&path.display().to_string()]).await
    }
}

/// A measurement under load.
struct Loaded {
    outcome: Outcome,
    /// Processor time of the server for each answer, in microseconds.
    cost: f64,
}

/// Asks at random for a time, and reads what it cost the server.
async fn under_load(
    server: &Server,
    address: std::net::SocketAddr,
    requests: &Arc<Vec<Request>>,
    time: Duration,
) -> Result<Loaded> {
    let before = server.processor_time()?;
    let outcome = drive(address, requests, CONNECTIONS, Order::AtRandom(time)).await?;
    let used = server.processor_time()?.saturating_sub(before);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let cost = in_micros(used) / outcome.answered as f64;
    Ok(Loaded { outcome, cost })
}
