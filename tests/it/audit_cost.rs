//! Measures the cost of evidence: with and without it in one run, alternating, medians of the rounds:
//!
//! `cargo test --release --test it audit_cost -- --ignored --nocapture`
//!
//! Processor time is that of this process, user and system; the server's own is not in it.

use std::time::{Duration, Instant};

use credenza::audit::{self, Action, Event, RecordMode, RecordSettings, Resolve, Resolves};
use credenza::postgres::{self, Tenant};
use credenza::principal::Actor;
use credenza::types::{AccountId, ClientAddress, Environment, Service};
use sqlx::postgres::PgConnectOptions;

use crate::audit_crash::{installation_on, own_postgres};
use crate::support::TestApp;
use crate::support::app::code;

const ROUNDS: usize = 5;
const ACCOUNTS: i64 = 1000;

/// Processor time of this process so far.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn micros(time: Duration, number: usize) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(u32::try_from(number).unwrap())
}

fn resolve(app: &TestApp, number: usize) -> Resolve {
    let account = AccountId(1_000_000 + i64::try_from(number * 7919).unwrap() % ACCOUNTS);
    let supplier = code(["HIT", "PCNA", "SanMar", "ETS"][number % 4]);
    let actor = Actor {
        request_id: Some("01a20054-f2c5-7444-ae35-f103d2507252".into()),
        client_address: Some(ClientAddress::read(b"192.0.2.1")),
        ..Actor::operator()
    };
    let event = Event {
        source: Some("account"),
        ..Event::of_service(Action::CredentialsResolved, &supplier, Service::Inv, Environment::Production)
    };
    Resolve { account, actor, occurred_at: app.app.clock.now(), event }
}

/// Makes events, and records them or not; processor time and wall time of each, in microseconds.
async fn record(app: &TestApp, database: &PgConnectOptions, mode: RecordMode, number: usize, with: bool) -> (f64, f64) {
    let settings = RecordSettings { mode, backlog: 65_536 };
    let resolves = Resolves::new(settings, app.app.audit_key.clone(), app.app.clock.clone());
    let task = tokio::spawn(resolves.clone().run(database.clone(), database.clone()));
    resolves.record(resolve(app, 0)).await.unwrap();
    let (processor, start) = (processor_time(), Instant::now());
    if mode == RecordMode::Sync {
        // Sixteen at a time, as over sixteen connections.
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..16 {
            let events: Vec<_> = (0..number / 16).map(|index| resolve(app, index * 16 + worker)).collect();
            let resolves = resolves.clone();
            tasks.spawn(async move {
                for event in events {
                    if with {
                        resolves.record(event).await.unwrap();
                    }
                }
            });
        }
        tasks.join_all().await;
    } else {
        for index in 0..number {
            let event = resolve(app, index);
            if with {
                resolves.record(event).await.unwrap();
            } else {
                std::hint::black_box(event);
            }
        }
        while resolves.backlog() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let cost = (micros(processor_time().saturating_sub(processor), number), micros(start.elapsed(), number));
    resolves.close().await;
    task.abort();
    cost
}

/// A change of one row with its event, or without; wall time of each.
async fn change(app: &TestApp, pool: &sqlx::PgPool, number: usize, with: bool) -> (f64, f64) {
    let event = Event::new(Action::AccountUpdated);
    let (processor, start) = (processor_time(), Instant::now());
    for index in 0..number {
        let account = AccountId(1_000_000 + i64::try_from(index).unwrap() % ACCOUNTS);
        let mut transaction = postgres::begin(pool, Tenant::Every).await.unwrap();
        sqlx::query("update changed set value = value + 1 where account_id = $1")
            .bind(account)
            .execute(&mut *transaction)
            .await
            .unwrap();
        if with {
            let (actor, now) = (Actor::operator(), app.app.clock.now());
            let events = [event.clone()];
            audit::record(&mut transaction, &app.app.audit_key, account, &actor, now, &events).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
    (micros(processor_time().saturating_sub(processor), number), micros(start.elapsed(), number))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement"]
async fn the_cost_of_evidence() {
    let app = TestApp::start().await;
    let (server, _) = own_postgres("cost").await;
    let installation = installation_on(&server).await;
    let database: PgConnectOptions = installation.setting("DATABASE_URL").parse().unwrap();
    let admin = &mut sqlx::ConnectOptions::connect(&installation.database.admin).await.unwrap();
    sqlx::raw_sql(
        "create table changed as select account_id, 0 as value from generate_series(1000000, 1000999) account_id;
         alter table changed add primary key (account_id); grant all on changed to credenza;
         insert into audit_heads select account_id, 0, '' from changed",
    )
    .execute(admin)
    .await
    .unwrap();
    let pool = postgres::pool(&database, 4).connections().clone();
    let mut costs: [(Vec<f64>, Vec<f64>); 6] = Default::default();
    for _ in 0..ROUNDS {
        for (slot, with) in [(0, false), (1, true)] {
            let (processor, wall) = record(&app, &database, RecordMode::Batched, 50_000, with).await;
            costs[slot].0.push(processor);
            costs[slot].1.push(wall);
            let (processor, wall) = record(&app, &database, RecordMode::Sync, 8_000, with).await;
            costs[2 + slot].0.push(processor);
            costs[2 + slot].1.push(wall);
            let (processor, wall) = change(&app, &pool, 1_000, with).await;
            costs[4 + slot].0.push(processor);
            costs[4 + slot].1.push(wall);
        }
    }
    println!("{:<28}{:>18}{:>14}", "microseconds each", "processor time", "wall time");
    let names = [
        "resolve, not recorded",
        "resolve, batched",
        "16 resolves, not recorded",
        "16 resolves, sync",
        "change, not recorded",
        "change, recorded",
    ];
    for (name, (processor, wall)) in names.into_iter().zip(costs) {
        println!("{name:<28}{:>18.2}{:>14.1}", median(processor), median(wall));
    }
    server.discard().await.unwrap();
}
