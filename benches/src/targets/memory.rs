//! Target 9: how much more memory the service holds once its cache is full.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::unistd::Pid;
use tokio::time::sleep;

use super::cold::Cold;
use super::{Bench, CONNECTIONS};
use crate::load::{Order, drive};
use crate::report::{Limit, Row};
use crate::wire::Connection;

const DATABASE: &str = "memory";
/// The default of `CREDENZA_CACHE_BYTES`.
const BUDGET: f64 = 64.0 * MEBIBYTE;
const MEBIBYTE: f64 = 1024.0 * 1024.0;
/// So many entries are more than fit.
const ACCOUNTS: usize = 100;
const SUPPLIERS: usize = 1_200;
/// How long memory that was asked for in passing may take to go back.
const SETTLE: Duration = Duration::from_secs(3);

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = bench.filled(DATABASE, ACCOUNTS, SUPPLIERS).await?;
    let entries = Cold::new(&world);
    let service = bench.installation.serve(DATABASE).await?;
    let server = &service.server;
    // Connections, keys and everything else that is no cache of credentials.
    drive(server.address, &entries.before, CONNECTIONS, Order::Each).await?;
    let before = resident(server.pid())?;
    drive(server.address, &entries.entries, CONNECTIONS, Order::Each).await?;
    sleep(SETTLE).await;
    let growth = resident(server.pid())? - before;
    let cached = cached_bytes(server.address).await?;
    ensure!(cached > 0.9 * BUDGET, "the cache is not full: {:.1} MiB", cached / MEBIBYTE);
    service.server.stop().await?;
    let shown = |bytes: f64| format!("{:.1} MiB", bytes / MEBIBYTE);
    let work = "resident growth, cache of credentials full at its budget";
    let row = Row::figure(9, work, growth, shown, Limit::AtMost(1.3 * BUDGET));
    Ok(vec![Row {
        theirs: format!("{} by its own count", shown(cached)),
        measured: format!("{:.2}", growth / BUDGET),
        ..row
    }])
}

/// Bytes that belong to the process alone.
fn resident(pid: Pid) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon in /proc")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}

/// What the service says that the cache of accounts' credentials weighs.
async fn cached_bytes(address: std::net::SocketAddr) -> Result<f64> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.ask(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let text = str::from_utf8(answer.body)?;
    let metric = r#"credenza_cache_weight_bytes{cache="credentials"} "#;
    let value = text.lines().find_map(|line| line.strip_prefix(metric)).context("the metrics lack the cache's size")?;
    Ok(value.parse()?)
}
