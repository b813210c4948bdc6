//! Target 3: `Disclosure::disclose` in process, recorded, without HTTP around it; see `src/bin/bench/in_process.rs`.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Bench, STANDARD};
use crate::furnish::furnish_defaults;
use crate::report::{Limit, Row};
use crate::rounds::median;

/// The argument that has the program measure this.
pub const IN_PROCESS: &str = "in-process";

/// What the program found at one level.
#[derive(Debug, Deserialize, Serialize)]
pub struct LevelCost {
    /// The level that answered.
    pub level: String,
    /// Time for a call, in nanoseconds, in each round.
    pub nanoseconds: Vec<f64>,
    /// Allocations for a call.
    pub allocations: f64,
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = bench.standard().await?;
    let app = bench.installation.writer(STANDARD).await?;
    furnish_defaults(&app, &mut bench.installation.admin(STANDARD).await?, world.suppliers.len()).await?;
    app.close().await;
    let rounds = bench.effort.rounds.to_string();
    let found = bench.installation.run_part(IN_PROCESS, STANDARD, &world, &rounds).await?;
    let levels: Vec<LevelCost> = serde_json::from_slice(&found)?;
    let mut rows = Vec::new();
    for LevelCost { level, nanoseconds, allocations } in &levels {
        let work = format!("`resolve` in process, answered by {level}: time");
        let shown = |nanoseconds: f64| format!("{nanoseconds:.0} ns");
        rows.push(Row {
            ours: format!("{}, {allocations:.2} allocations", shown(median(nanoseconds))),
            ..Row::figure(3, &work, median(nanoseconds), shown, Limit::AtMost(1500.0))
        });
    }
    rows.push(per_level(&levels));
    Ok(rows)
}

/// What the levels cost that a call has to pass before one answers.
fn per_level(levels: &[LevelCost]) -> Row {
    let allocations =
        |name: &str| levels.iter().find(|cost| cost.level == name).map_or(f64::NAN, |cost| cost.allocations);
    let further = (allocations("default") - allocations("account")).abs();
    Row {
        measured: "`default` less `account`: both open two values".to_owned(),
        ..Row::figure(
            3,
            "allocations of a further level",
            further,
            |count| format!("{count:.2}"),
            // A cache allocates now and then for its own housekeeping.
            Limit::AtMost(0.05),
        )
    }
}
