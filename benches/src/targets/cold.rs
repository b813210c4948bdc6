//! Target 4: resolves that nothing in memory answers yet, against a handler that runs one prepared select.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Bench, CONNECTIONS, STANDARD};
use crate::load::{Order, Request, drive};
use crate::report::{Limit, Row, per_second};
use crate::requests::resolves;
use crate::rounds::Compared;
use crate::world::World;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = bench.standard().await?;
    let cold = Cold::new(&world);
    let bare = bench.installation.reference("bare", STANDARD, &world).await?;
    let dutiful = bench.installation.reference("bare+duties", STANDARD, &world).await?;
    let (mut rate, mut duties) = (Compared::default(), Compared::default());
    for _ in 0..bench.effort.rounds {
        let (theirs, with_duties) = (cold.rate(bare.address).await?, cold.rate(dutiful.address).await?);
        let service = bench.installation.serve(STANDARD).await?;
        let ours = cold.rate(service.server.address).await?;
        service.server.stop().await?;
        rate.note(ours, theirs);
        duties.note(ours, with_duties);
    }
    let work = "cold resolve: rate, bare handler with one select";
    Ok(vec![
        Row::compared(4, work, &rate, per_second, Limit::AtLeast(0.8)),
        Row::informing(4, "cold resolve: rate, bare handler with its duties", &duties, per_second),
    ])
}

/// Every entry once. The first supplier of every account is asked for before, so that the key is known and the connections to
/// the database are open.
pub(super) struct Cold {
    pub(super) before: Arc<Vec<Request>>,
    pub(super) entries: Arc<Vec<Request>>,
}

impl Cold {
    pub(super) fn new(world: &World) -> Self {
        let requests = Arc::into_inner(resolves(world)).unwrap_or_default();
        let (mut before, mut entries) = (Vec::new(), Vec::new());
        for (index, request) in requests.into_iter().enumerate() {
            if index % world.suppliers.len() == 0 { &mut before } else { &mut entries }.push(request);
        }
        // In order, all connections would ask for one account at a time, and it has a quarter of the pool only.
        entries.shuffle(&mut StdRng::seed_from_u64(1));
        Self { before: Arc::new(before), entries: Arc::new(entries) }
    }

    /// The rate at which a server that has nothing in memory answers.
    pub(super) async fn rate(&self, address: SocketAddr) -> Result<f64> {
        drive(address, &self.before, CONNECTIONS, Order::Each).await?;
        Ok(drive(address, &self.entries, CONNECTIONS, Order::Each).await?.rate())
    }
}
