//! Target 7: the list of what an account has for 100 suppliers: how many queries, and what it costs beside the floor.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::PgConnection;
use tokio::time::sleep;

use super::{Bench, CONNECTIONS, STANDARD, under_load};
use crate::installation::Service;
use crate::load::{Order, drive};
use crate::report::{Limit, Row, micros};
use crate::requests::{listings, resolves};
use crate::rounds::{Compared, median};

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = bench.standard().await?;
    let (requests, small) = (listings(&world), resolves(&world));
    let service = bench.installation.serve(STANDARD).await?;
    let floor = bench.installation.reference("floor", STANDARD, &world).await?;
    let bare = bench.installation.reference("bare", STANDARD, &world).await?;
    let (mut list, mut select, mut multiples) = (Compared::default(), Compared::default(), Vec::new());
    for _ in 0..bench.effort.rounds {
        let cost = async |server, address, requests| {
            let loaded = under_load(server, address, requests, CONNECTIONS, bench.effort.load).await?;
            anyhow::Ok(loaded.cost)
        };
        let least = cost(&floor, floor.address, &small).await?;
        let theirs = cost(&floor, floor.address, &requests).await?;
        let ours = cost(&service.server, service.public, &requests).await?;
        list.note(ours, theirs);
        select.note(cost(&bare, bare.address, &small).await?, least);
        // What the floor pays more for the list than for a resolve is the price of its bytes.
        multiples.push((ours - (theirs - least)) / least);
    }
    let statements = statements(bench, &service).await?;
    service.server.stop().await?;
    let shown = |multiple: f64| format!("{multiple:.2} × floor");
    Ok(vec![
        Row::figure(
            7,
            "list of 100 suppliers: processor time less the bytes",
            median(&multiples),
            shown,
            Limit::AtMost(3.0),
        ),
        Row::informing(7, "list of 100 suppliers: processor time, floor with the same list", &list, micros),
        Row::informing(7, "for scale: processor time of a handler with one select of one row, floor", &select, micros),
        // The lease and the audit have statements of their own, a few a second.
        Row::figure(7, "list: statements for a request", statements, |count| format!("{count:.2}"), Limit::AtMost(1.1)),
    ])
}

/// How many statements Postgres executes for a listing, by its own log.
async fn statements(bench: &Bench, service: &Service) -> Result<f64> {
    const REQUESTS: u32 = 100;
    let world = bench.standard().await?;
    let requests = listings(&world);
    let mut admin = bench.installation.admin(STANDARD).await?;
    log_statements(&mut admin, true).await?;
    let log = bench.installation.postgres_log();
    let mark = usize::try_from(fs::metadata(log)?.len())?;
    for _ in 0..REQUESTS / u32::try_from(requests.len())? {
        drive(service.public, &requests, 1, Order::Each).await?;
    }
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    log_statements(&mut admin, false).await?;
    let text = text.get(mark..).context("the log of Postgres became shorter")?;
    let executed = text.matches("LOG:  execute ").count() + text.matches("LOG:  statement: ").count();
    Ok(f64::from(u32::try_from(executed)?) / f64::from(REQUESTS))
}

/// Has Postgres log every statement, or none.
async fn log_statements(admin: &mut PgConnection, all: bool) -> Result<()> {
    let (statement, wanted) = if all {
        ("alter system set log_statement = 'all'", "all")
    } else {
        ("alter system reset log_statement", "none")
    };
    sqlx::query(statement).execute(&mut *admin).await?;
    sqlx::query("select pg_reload_conf()").execute(&mut *admin).await?;
    while sqlx::query_scalar::<_, String>("show log_statement").fetch_one(&mut *admin).await? != wanted {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
