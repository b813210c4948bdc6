//! A data key seals for ninety days or 2^30 times, and from then on it only opens.

use std::time::Duration;

use credenza::vault::Retirement;
use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

const DAY: Duration = Duration::from_hours(24);

async fn write(caller: &Caller<'_>, supplier: &str) {
    let body = json!({"supplier_code": supplier, "production_username": "u", "production_password": "p"});
    caller.post("/extra/v2/credentials", body).await.expect(201);
}

/// Which data key sealed what: generations by supplier.
async fn generations(app: &TestApp, caller: &Caller<'_>) -> Value {
    let rows = app
        .rows(&format!(
            "select supplier_code, get_byte(production_password, 4) as generation
             from supplier_credentials where account_id = {} order by supplier_code",
            caller.account
        ))
        .await;
    rows.iter().map(|row| (row["supplier_code"].as_str().unwrap().to_owned(), row["generation"].clone())).collect()
}

#[tokio::test]
async fn at_ninety_days_the_next_value_is_sealed_under_a_new_one_and_the_old_one_opens() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    write(&caller, "HIT").await;
    app.advance(DAY * 89);
    app.advance(Duration::from_secs(24 * 60 * 60 - 1));
    write(&caller, "PCNA").await;
    app.advance(Duration::from_secs(1));
    write(&caller, "SanMar").await;
    app.advance(DAY * 89);
    write(&caller, "SS").await;
    assert_eq!(generations(&app, &caller).await, json!({"HIT": 1, "PCNA": 1, "SanMar": 2, "SS": 2}));
    for supplier in ["HIT", "PCNA", "SanMar", "SS"] {
        assert_eq!(caller.resolve(supplier, "Product", "PROD").await.expect(200)["password"], "p");
    }
}

#[tokio::test]
async fn at_the_limit_of_seals_it_is_retired_and_processes_count_together() {
    let retirement = Retirement { seals: 20, stride: 1, ..Retirement::default() };
    let app = TestApp::start_with(|settings| settings.retirement = retirement).await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    let other = app.other_process_on(&[], |settings| settings.retirement = retirement).await;
    // A write counts as four, so five of them fill it.
    for supplier in ["HIT", "PCNA"] {
        write(&caller, supplier).await;
    }
    for _ in 0..3 {
        other.vault.sealer(caller.account, other.clock.now()).await.unwrap();
    }
    write(&caller, "SanMar").await;
    assert_eq!(generations(&app, &caller).await, json!({"HIT": 1, "PCNA": 1, "SanMar": 2}));
    let seals = format!("select generation, seals from data_keys where account_id = {} order by 1", caller.account);
    let counted = app.rows(&seals).await;
    assert_eq!(counted[0], json!({"generation": 1, "seals": 24}));
    assert_eq!(counted.len(), 2);
}

#[tokio::test]
async fn most_writes_do_not_count_and_a_count_makes_nothing_void() {
    let app = TestApp::start_with(|settings| settings.retirement.stride = u32::MAX).await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    write(&caller, "HIT").await;
    let newest = format!("select seals, xmin::text from data_keys where account_id = {}", caller.account);
    let before = app.rows(&newest).await;
    for _ in 0..20 {
        write(&caller, "HIT").await;
    }
    assert_eq!(app.rows(&newest).await, before);

    app.feed_has_caught_up().await;
    let owner = credenza::cluster::Owner::Account(caller.account);
    let generation = || app.app.cluster.trust().begin(&owner).map(|reading| reading.generation);
    let before = generation();
    app.sql("update data_keys set seals = seals + 1").await;
    app.feed_has_caught_up().await;
    assert_eq!(generation(), before);
}

#[tokio::test]
async fn concurrent_retirements_make_one_new_data_key() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    write(&caller, "HIT").await;
    app.advance(DAY * 91);
    let now = app.app.clock.now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (vault, account) = (app.app.vault.clone(), caller.account);
        tasks.spawn(async move { vault.sealer(account, now).await.map(drop) });
    }
    for done in tasks.join_all().await {
        done.unwrap();
    }
    assert_eq!(app.rows("select 1 as one from data_keys").await.len(), 2);
}
