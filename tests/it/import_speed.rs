//! How fast an import is, against single posts: `cargo test --release --test it import_speed -- --ignored --nocapture`.
//! On a server of its own that waits for its disk, in alternating rounds; medians.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::audit_crash::{installation_on, own_postgres};
use crate::imports::BASE;
use crate::support::wire::Endpoint;

const ROUNDS: usize = 5;
const ROWS: usize = 10_000;
const POSTS: usize = 2_000;
/// Connections that post at once.
const CONNECTIONS: usize = 16;

/// Posts one after another on each connection; how long one takes.
async fn posts(service: &Endpoint, at_once: usize, first: usize) -> f64 {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for connection in 0..at_once {
        let service = service.clone();
        tasks.spawn(async move {
            for number in (connection..POSTS).step_by(at_once) {
                let supplier = format!("S{}", first + number);
                let body = json!({"supplier_code": supplier, "production_username": "u", "production_password": "p"});
                service.post("/extra/v2/credentials", &body).await.expect(201);
            }
        });
    }
    tasks.join_all().await;
    micros(start.elapsed(), POSTS)
}

fn micros(time: Duration, number: usize) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(u32::try_from(number).unwrap())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn ten_thousand_rows() {
    let (server, _) = own_postgres("import").await;
    let installation = installation_on(&server).await.with("CREDENZA_RATE_LIMIT", "off");
    let admin = &mut sqlx::ConnectOptions::connect(&installation.database.admin).await.unwrap();
    sqlx::raw_sql(
        "insert into suppliers (code, name, created_at, modified_on)
         select 'S' || number, 'S', now(), now() from generate_series(1, 10000) number; analyze",
    )
    .execute(admin)
    .await
    .unwrap();
    let service = installation.serve().await;
    let mut found: [Vec<f64>; 5] = Default::default();
    for round in 0..ROUNDS {
        let mut keys = vec![];
        for name in ["one", "sixteen", "imports"] {
            let account = installation.account(name).await;
            keys.push(installation.key(&account, &[]).await);
        }
        let endpoint = |index: usize| service.public.with_key(&keys[index]);
        found[0].push(posts(&endpoint(0), 1, 1).await);
        found[1].push(posts(&endpoint(1), CONNECTIONS, 1).await);
        let file = |password: &str| {
            (1..=ROWS)
                .fold(BASE.to_owned(), |file, number| file + &format!("S{number},,,user{number},{password}{number}\n"))
        };
        for (slot, password) in [(2, "first"), (3, "second"), (4, "second")] {
            let file = file(password);
            let start = Instant::now();
            let report = endpoint(2).post_csv("/extra/v2/credentials/import", &file).await.expect(200);
            found[slot].push(micros(start.elapsed(), ROWS));
            assert_eq!(report[["created", "updated", "unchanged"][slot - 2]], ROWS, "{report}");
        }
        println!("round {round}: {:?}", found.iter().map(|values| values[round]).collect::<Vec<_>>());
    }
    let names = [
        "a post, one connection",
        "a post, sixteen connections",
        "a row, created",
        "a row, updated",
        "a row, unchanged",
    ];
    for (name, values) in names.into_iter().zip(found) {
        println!("{name:<30}{:>10.1} µs", median(values));
    }
    service.program.stop().await.done();
    server.discard().await.unwrap();
}
