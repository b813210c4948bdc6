//! Target 10: from the start of `serve` on an existing database until it says that it is ready.

use std::time::Instant;

use anyhow::Result;

use super::{Bench, STANDARD};
use crate::report::{Limit, Row, in_millis, millis};
use crate::rounds::median;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    bench.standard().await?;
    let mut times = Vec::new();
    for _ in 0..2 * bench.effort.rounds {
        let begin = Instant::now();
        let service = bench.installation.serve(STANDARD).await?;
        times.push(in_millis(begin.elapsed()));
        service.server.stop().await?;
    }
    Ok(vec![Row::figure(10, "start until ready", median(&times), millis, Limit::AtMost(300.0))])
}
