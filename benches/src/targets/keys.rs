//! Target 12: data keys wrapped anew, and values sealed anew, by the commands that an operator uses, on one processor.

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use credenza::types::AccountId;
use credenza::vault::Keyring;
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};

use super::Bench;
use crate::furnish::{credentials, directory};
use crate::report::{Limit, Row, per_second};
use crate::rounds::median;
use crate::world::World;

const DATABASE: &str = "rotation";
const ACCOUNTS: i64 = 1_000;
/// Data keys of each account.
const GENERATIONS: i64 = 100;
/// Each with five sealed values.
const SUPPLIERS: usize = 20;
const TOTAL: f64 = 100_000.0;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    fill(bench).await?;
    let mut admin = bench.installation.admin(DATABASE).await?;
    let first = bench.installation.settings(DATABASE);
    let first = first.iter().find(|(name, _)| *name == "CREDENZA_MASTER_KEYS").context("there is no master key")?;
    let (mut keys, mut rewrapped, mut resealed) = (first.1.clone(), Vec::new(), Vec::new());
    for round in 0..bench.effort.long_rounds {
        let fresh = Keyring::generate(&format!("round-{round}"))?;
        keys = format!("{},{keys}", fresh.expose_secret());
        let settings = [("CREDENZA_MASTER_KEYS", keys.as_str())];
        let before = data_keys(&mut admin).await?;
        let took = bench.installation.run(DATABASE, &["keys", "rewrap"], &settings).await?;
        rewrapped.push(before / took.as_secs_f64());
        let took = bench.installation.run(DATABASE, &["keys", "rotate-data"], &settings).await?;
        resealed.push(TOTAL / took.as_secs_f64());
    }
    admin.close().await?;
    Ok(vec![
        Row::figure(12, "rewrap of 100,000 data keys", median(&rewrapped), per_second, Limit::AtLeast(20_000.0)),
        Row::figure(12, "reseal of 100,000 values", median(&resealed), per_second, Limit::AtLeast(10_000.0)),
    ])
}

/// How many data keys there are; each reseal makes one more for every account.
async fn data_keys(admin: &mut PgConnection) -> Result<f64> {
    let count: i64 = sqlx::query_scalar("select count(*) from data_keys").fetch_one(admin).await?;
    ensure!(count >= ACCOUNTS * GENERATIONS, "there are {count} data keys");
    Ok(f64::from(u32::try_from(count)?))
}

async fn fill(bench: &Bench) -> Result<()> {
    bench.installation.database(DATABASE).await?;
    let app = bench.installation.writer(DATABASE).await?;
    let mut admin = bench.installation.admin(DATABASE).await?;
    sqlx::query(
        "insert into accounts (id, name, created_at, modified_on)
         select number, 'Account', now(), now() from generate_series(1, $1) number",
    )
    .bind(ACCOUNTS)
    .execute(&mut admin)
    .await?;
    let suppliers: Vec<_> = (1..=SUPPLIERS).map(World::supplier).collect();
    directory(&mut admin, &suppliers).await?;
    let accounts: Vec<_> = (1..=ACCOUNTS).map(AccountId).collect();
    let mut transaction = admin.begin().await?;
    for account in &accounts {
        credentials(&app, &mut transaction, *account, &suppliers).await?;
    }
    transaction.commit().await?;
    let now = app.clock.now();
    for _ in 1..GENERATIONS {
        app.vault.renew(&accounts, now + TimeDelta::days(1), now).await?;
    }
    sqlx::query("analyze").execute(&mut admin).await?;
    app.close().await;
    Ok(admin.close().await?)
}
