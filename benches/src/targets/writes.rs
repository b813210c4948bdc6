//! Target 5: writes on one instance, with fsync, against a handler that does one prepared upsert.

use anyhow::Result;

use super::{Bench, CONNECTIONS, STANDARD, under_load};
use crate::report::{Limit, Row, in_millis, micros, millis, per_second};
use crate::requests::writes;
use crate::rounds::Compared;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = bench.standard().await?;
    let requests = writes(&world);
    let service = bench.installation.serve(STANDARD).await?;
    let bare = bench.installation.reference("bare", STANDARD, &world).await?;
    let dutiful = bench.installation.reference("bare+duties", STANDARD, &world).await?;
    let (mut rate, mut slowest, mut cost) = (Compared::default(), Compared::default(), Compared::default());
    let (mut dutiful_rate, mut dutiful_slowest) = (Compared::default(), Compared::default());
    for _ in 0..bench.effort.rounds {
        let theirs = under_load(&bare, bare.address, &requests, CONNECTIONS, bench.effort.load).await?;
        let ours = under_load(&service.server, service.public, &requests, CONNECTIONS, bench.effort.load).await?;
        rate.note(ours.outcome.rate(), theirs.outcome.rate());
        slowest.note(in_millis(ours.outcome.quantile(0.99)), in_millis(theirs.outcome.quantile(0.99)));
        cost.note(ours.cost, theirs.cost);
        let theirs = under_load(&dutiful, dutiful.address, &requests, CONNECTIONS, bench.effort.load).await?;
        dutiful_rate.note(ours.outcome.rate(), theirs.outcome.rate());
        dutiful_slowest.note(in_millis(ours.outcome.quantile(0.99)), in_millis(theirs.outcome.quantile(0.99)));
    }
    service.server.stop().await?;
    Ok(vec![
        Row::compared(5, "write: rate, bare handler with one upsert", &rate, per_second, Limit::AtLeast(0.6)),
        Row::compared(5, "write: p99, bare handler", &slowest, millis, Limit::AtMost(2.0)),
        Row::informing(5, "write: processor time, bare handler", &cost, micros),
        Row::informing(5, "write: rate, bare handler with its duties", &dutiful_rate, per_second),
        Row::informing(5, "write: p99, bare handler with its duties", &dutiful_slowest, millis),
    ])
}
