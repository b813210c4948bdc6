//! Targets 2 and 6: what two further instances on the same database cost the one that is asked.

use anyhow::Result;

use super::{Bench, CONNECTIONS, STANDARD, under_load};
use crate::installation::Service;
use crate::load::{Order, drive};
use crate::report::{Limit, Row, in_millis, micros, millis};
use crate::requests;
use crate::rounds::Compared;

/// Target 2: cached resolves.
pub(super) async fn cached(bench: &Bench) -> Result<Vec<Row>> {
    let requests = requests::resolves(&*bench.standard().await?);
    let measured = async |service: &Service| {
        let address = service.server.address;
        // Whatever the coming and going of others voided is in memory again.
        drive(address, &requests, CONNECTIONS, Order::Each).await?;
        Ok(under_load(&service.server, address, &requests, CONNECTIONS, bench.effort.load).await?.cost)
    };
    let cost = three_and_one(bench, measured).await?;
    let work = "cached resolve: processor time, three instances and one";
    Ok(vec![Row::compared(2, work, &cost, micros, Limit::AtMost(1.05))])
}

/// Target 6: writes, each of which waits until every instance has let go of what it changes. One after the other: only then
/// their time is that of a write, and not that of a queue.
pub(super) async fn writes(bench: &Bench) -> Result<Vec<Row>> {
    let requests = requests::writes(&*bench.standard().await?);
    let measured = async |service: &Service| {
        let loaded = under_load(&service.server, service.public, &requests, 1, bench.effort.load).await?;
        Ok(in_millis(loaded.outcome.quantile(0.5)))
    };
    let median = three_and_one(bench, measured).await?;
    let work = "write acknowledged: median, three instances and one";
    Ok(vec![Row::compared(6, work, &median, millis, Limit::AtMost(1.5))])
}

/// Measures one instance with two others beside it, and alone, in turn.
async fn three_and_one(bench: &Bench, measured: impl AsyncFn(&Service) -> Result<f64>) -> Result<Compared> {
    let service = bench.installation.serve(STANDARD).await?;
    let mut compared = Compared::default();
    for _ in 0..bench.effort.rounds {
        let alone = measured(&service).await?;
        let others = [bench.installation.serve(STANDARD).await?, bench.installation.serve(STANDARD).await?];
        let together = measured(&service).await?;
        for other in others {
            other.server.stop().await?;
        }
        compared.note(together, alone);
    }
    service.server.stop().await?;
    Ok(compared)
}
