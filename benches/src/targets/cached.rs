//! Target 1: resolves over HTTP that are answered from memory, against the floor.

use anyhow::Result;

use super::{Bench, CONNECTIONS, STANDARD, under_load};
use crate::load::{Order, drive};
use crate::report::{Limit, Row, micros, per_second};
use crate::requests::resolves;
use crate::rounds::Compared;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = bench.standard().await?;
    let requests = resolves(&world);
    let service = bench.installation.serve(STANDARD).await?;
    let floor = bench.installation.reference("floor", STANDARD, &world).await?;
    let dutiful = bench.installation.reference("floor+duties", STANDARD, &world).await?;
    // Everything is in memory from here on.
    for server in [&service.server, &floor, &dutiful] {
        drive(server.address, &requests, CONNECTIONS, Order::Each).await?;
    }
    let (mut cost, mut rate, mut duties) = (Compared::default(), Compared::default(), Compared::default());
    for _ in 0..bench.effort.rounds {
        let measured =
            async |server| under_load(server, server.address, &requests, CONNECTIONS, bench.effort.load).await;
        let (theirs, ours) = (measured(&floor).await?, measured(&service.server).await?);
        cost.note(ours.cost, theirs.cost);
        rate.note(ours.outcome.rate(), theirs.outcome.rate());
        duties.note(ours.cost, measured(&dutiful).await?.cost);
    }
    service.server.stop().await?;
    Ok(vec![
        Row::compared(1, "cached resolve: processor time, floor", &cost, micros, Limit::AtMost(1.35)),
        Row::informing(1, "cached resolve: rate, floor", &rate, per_second),
        Row::informing(1, "cached resolve: processor time, floor with its duties", &duties, micros),
    ])
}
