//! Target 8: the same work for the same accounts, alone in the database and among a million rows of 100,000 accounts.

use anyhow::Result;
use sqlx::Connection;

use super::cold::Cold;
use super::{Bench, CONNECTIONS, under_load};
use crate::crowd::crowd;
use crate::load::{Order, drive};
use crate::report::{Limit, Row, micros, per_second};
use crate::requests::{resolves, writes};
use crate::rounds::Compared;
use crate::world::World;

/// 100 accounts with 10 suppliers each: 1,000 base rows, and as many service rows.
const SMALL: &str = "small";
/// The same, and 99,900 accounts with 10 suppliers each.
const LARGE: &str = "large";
const CROWD: u32 = 99_900;
/// How much slower, or dearer, it may be.
const GROWTH: f64 = 1.25;
/// A thousand entries are asked for in a moment, so several times in each round.
const PASSES: usize = 3;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let small = bench.filled(SMALL, 100, 10).await?;
    let large = bench.filled(LARGE, 100, 10).await?;
    let mut admin = bench.installation.admin(LARGE).await?;
    crowd(&mut admin, CROWD).await?;
    admin.close().await?;
    let (mut cached, mut cold, mut written) = (Compared::default(), Compared::default(), Compared::default());
    for _ in 0..bench.effort.long_rounds {
        let (theirs, ours) = (round(bench, SMALL, &small).await?, round(bench, LARGE, &large).await?);
        cached.note(ours.cached, theirs.cached);
        cold.note(ours.cold, theirs.cold);
        written.note(ours.written, theirs.written);
    }
    let at_least = Limit::AtLeast(1.0 / GROWTH);
    Ok(vec![
        Row::compared(
            8,
            "cached resolve: processor time, 1,000,000 rows and 1,000",
            &cached,
            micros,
            Limit::AtMost(GROWTH),
        ),
        Row::compared(8, "cold resolve: rate, 1,000,000 rows and 1,000", &cold, per_second, at_least),
        Row::compared(8, "write: rate, 1,000,000 rows and 1,000", &written, per_second, at_least),
    ])
}

/// What one round finds on a database.
struct Round {
    /// Processor time of a cached resolve, in microseconds.
    cached: f64,
    /// Cold resolves a second.
    cold: f64,
    /// Writes a second.
    written: f64,
}

async fn round(bench: &Bench, database: &str, world: &World) -> Result<Round> {
    let (asked, told, load) = (resolves(world), writes(world), bench.effort.load / 2);
    let once = Cold::new(world);
    let mut cold = 0.0;
    for _ in 1..PASSES {
        let service = bench.installation.serve(database).await?;
        cold += once.rate(service.server.address).await?;
        service.server.stop().await?;
    }
    let service = bench.installation.serve(database).await?;
    let address = service.server.address;
    cold += once.rate(address).await?;
    drive(address, &asked, CONNECTIONS, Order::Each).await?;
    let cached = under_load(&service.server, address, &asked, CONNECTIONS, load).await?.cost;
    let written = under_load(&service.server, service.public, &told, CONNECTIONS, load).await?.outcome.rate();
    service.server.stop().await?;
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let cold = cold / PASSES as f64;
    Ok(Round { cached, cold, written })
}
