//! No password leaves for more than two seconds without its event being written; and the chain of one account, held by
//! somebody or damaged, stops the resolves of that account only.

use std::time::Duration;

use credenza::audit::RecordMode;
use serde_json::json;
use sqlx::{ConnectOptions, PgConnection};

use crate::support::cluster::in_tests;
use crate::support::program::{eventually, within};
use crate::support::{Caller, TestApp, logs};

/// A caller who stored a pair for HIT, and may resolve.
async fn resolver<'a>(app: &'a TestApp, email: &str) -> Caller<'a> {
    let caller = app.account_that_resolves(email).await;
    let base = json!({"supplier_code": "HIT", "production_username": "user-1", "production_password": "pass-1"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    caller
}

/// Two such callers, each of whom was answered once, so that answers leave before their events are written.
async fn two(app: &TestApp) -> (Caller<'_>, Caller<'_>) {
    let (one, other) = (resolver(app, "one@platform.example").await, resolver(app, "other@platform.example").await);
    for caller in [&one, &other] {
        answered(caller, 1).await;
    }
    app.resolves_are_written().await;
    (one, other)
}

/// Resolves until the answer has this status. Returns how many passwords left meanwhile.
async fn until(caller: &Caller<'_>, status: u16) -> usize {
    let mut passwords = 0;
    within(Duration::from_mins(1), "the answer changes", async || {
        let answer = caller.resolve("HIT", "INV", "PROD").await;
        assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
        assert_eq!(answer.body.contains("pass-1"), answer.status == 200, "{answer:?}");
        passwords += usize::from(answer.status == 200);
        answer.status == status
    })
    .await;
    passwords
}

/// Resolves until there were so many answers with a password. A busy machine may refuse some meanwhile.
async fn answered(caller: &Caller<'_>, number: usize) {
    for _ in 0..number {
        until(caller, 200).await;
    }
}

async fn recorded(app: &TestApp, caller: &Caller<'_>) -> usize {
    let select = format!(
        "select sequence from audit_events
         where account_id = {} and action = 'credentials.resolved' and outcome = 200",
        caller.account
    );
    app.rows(&select).await.len()
}

/// Runs statements as the application's role, and leaves their transaction open.
async fn as_application(app: &TestApp, statements: &str) -> PgConnection {
    let mut connection = app.database.application.connect().await.unwrap();
    let statements = format!("begin; set local credenza.every_account = 'on'; {statements}");
    sqlx::raw_sql(in_tests(statements)).execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn a_held_head_stops_the_resolves_of_its_account_after_two_seconds() {
    let app = TestApp::start().await;
    let (held, other) = two(&app).await;
    let lock = format!("select from audit_heads where account_id = {} for update", held.account);
    let holder = as_application(&app, &lock).await;
    let passwords = until(&held, 503).await;
    // Everybody else is answered and recorded, and changes what they like.
    answered(&other, 20).await;
    eventually("the other's events are written", async || recorded(&app, &other).await >= 21).await;
    other.post("/extra/v2/credentials", json!({"supplier_code": "PCNA"})).await.expect(201);
    held.resolve("HIT", "INV", "PROD").await.expect(503);
    drop(holder);
    let more = until(&held, 200).await;
    app.resolves_are_written().await;
    assert_eq!(recorded(&app, &held).await, 1 + passwords + more);
    assert_eq!(app.audit_faults().await, Vec::<String>::new());
}

#[tokio::test]
async fn when_nothing_can_be_written_every_account_is_refused_after_two_seconds() {
    let app = TestApp::start().await;
    let (one, other) = two(&app).await;
    let mut holder = app.admin().await;
    sqlx::raw_sql("begin; lock table audit_events in access exclusive mode").execute(&mut holder).await.unwrap();
    let passwords = until(&one, 503).await;
    // This account has no event that waits.
    other.resolve("HIT", "INV", "PROD").await.expect(503);
    other.post("/internal/v1/resolve/batch", json!([])).await.expect(200);
    drop(holder);
    let more = until(&one, 200).await + until(&other, 200).await;
    app.resolves_are_written().await;
    assert_eq!(recorded(&app, &one).await + recorded(&app, &other).await, 2 + passwords + more);
    assert_eq!(app.audit_faults().await, Vec::<String>::new());
}

#[tokio::test]
async fn callers_wait_for_a_database_that_is_slower_than_they_are() {
    let app = TestApp::start().await;
    let (caller, _) = two(&app).await;
    // An event waits for the batch before it and for its own: for more than two seconds.
    app.sql(
        "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1.2); return null; end $$;
         create trigger slow after insert on audit_events for each statement execute function slow()",
    )
    .await;
    let (mut passwords, mut refusals) = (0, 0);
    for _ in 0..4 {
        let before = recorded(&app, &caller).await;
        within(Duration::from_mins(1), "a batch is written", async || {
            match caller.resolve("HIT", "INV", "PROD").await.status.as_u16() {
                200 => passwords += 1,
                status => {
                    assert_eq!(status, 503);
                    refusals += 1;
                }
            }
            recorded(&app, &caller).await > before
        })
        .await;
    }
    // On a busy machine nothing may be written for so long that some are refused.
    assert!(refusals <= passwords / 5, "{refusals} were refused, and {passwords} answered");
    app.sql("drop function slow cascade").await;
    app.resolves_are_written().await;
    assert_eq!(recorded(&app, &caller).await, 1 + passwords);
}

/// Damage of the chain of account `A` that lets nothing be appended, and its repair.
const DAMAGE: [(&str, &str, &str); 7] = [
    (
        "a foreign record",
        "insert into audit_events (account_id, sequence, occurred_at, action, mac, format)
         select A, sequence + 1, now(), 'x', decode(repeat('00', 32), 'hex'), 2 from audit_heads where account_id = A",
        "delete from audit_events where account_id = A and action = 'x'",
    ),
    ("a head put back", "update audit_heads set sequence = sequence - 1 where account_id = A", HEAD),
    ("a head put forward", "update audit_heads set sequence = sequence + 5 where account_id = A", HEAD),
    ("a head with another MAC", "update audit_heads set mac = sha256('') where account_id = A", HEAD),
    ("a head at the last number", "update audit_heads set sequence = 9223372036854775807 where account_id = A", HEAD),
    ("a head before the first number", "update audit_heads set sequence = -7 where account_id = A", HEAD),
    ("no head", "delete from audit_heads where account_id = A", HEAD),
];

/// Puts the head to the last record.
const HEAD: &str = "delete from audit_heads where account_id = A;
    insert into audit_heads select account_id, sequence, mac from audit_events
    where account_id = A order by sequence desc limit 1";

async fn each_damage_stops_one_account(mode: RecordMode) {
    let app = TestApp::start_with(|settings| settings.audit.mode = mode).await;
    let (damaged, other) = two(&app).await;
    let account = damaged.account.to_string();
    let (mut passwords, mut others) = (1, 1);
    for (name, damage, repair) in DAMAGE {
        app.sql(&damage.replace('A', &account)).await;
        passwords += until(&damaged, 503).await;
        damaged.post("/extra/v2/credentials", json!({"supplier_code": "HIT"})).await.expect(500);
        answered(&other, 5).await;
        others += 5;
        eventually("the other's events are written", async || recorded(&app, &other).await >= others).await;
        damaged.resolve("HIT", "INV", "PROD").await.expect(503);
        app.sql(&repair.replace('A', &account)).await;
        passwords += until(&damaged, 200).await;
        app.resolves_are_written().await;
        assert_eq!(recorded(&app, &damaged).await, passwords, "{name}");
        assert_eq!(app.audit_faults().await, Vec::<String>::new(), "{name}");
    }
    let logs = logs::so_far();
    let told = logs.lines().any(|line| {
        line.contains("ERROR") && line.contains(&format!("account={account}")) && line.contains("chain is damaged")
    });
    assert!(told, "no error names account {account}");
}

#[tokio::test]
async fn a_damaged_chain_stops_the_resolves_of_its_account_until_it_is_repaired() {
    each_damage_stops_one_account(RecordMode::Batched).await;
}

#[tokio::test]
async fn a_damaged_chain_stops_the_resolves_of_its_account_until_it_is_repaired_in_sync() {
    each_damage_stops_one_account(RecordMode::Sync).await;
}

#[tokio::test]
async fn several_damaged_chains_among_many_are_found() {
    let app = TestApp::start().await;
    let mut callers = Vec::new();
    for number in 0..12 {
        callers.push(resolver(&app, &format!("devs-{number}@platform.example")).await);
    }
    answered(&callers[0], 1).await;
    app.resolves_are_written().await;
    let damaged = [2, 3, 9];
    for index in damaged {
        app.sql(&DAMAGE[0].1.replace('A', &callers[index].account.to_string())).await;
    }
    for caller in &callers {
        caller.resolve("HIT", "INV", "PROD").await;
    }
    for (index, caller) in callers.iter().enumerate() {
        if damaged.contains(&index) {
            until(caller, 503).await;
        } else {
            eventually("the event is written", async || recorded(&app, caller).await > 0).await;
            answered(caller, 1).await;
        }
    }
}

#[tokio::test]
async fn a_held_operators_chain_makes_resolves_wait_and_stops_nobody() {
    let app = TestApp::start().await;
    let caller = resolver(&app, "devs@platform.example").await;
    app.sql("insert into audit_heads values (0, 0, '') on conflict do nothing").await;
    let holder = as_application(&app, "select from audit_heads where account_id = 0 for update").await;
    for number in 1..=3 {
        answered(&caller, 1).await;
        // Without a beginning on record each event is written before its answer leaves.
        assert!(recorded(&app, &caller).await >= number);
    }
    drop(holder);
    eventually("the recording begins", async || {
        answered(&caller, 1).await;
        !app.rows("select sequence from audit_events where action = 'resolves.begun'").await.is_empty()
    })
    .await;
    app.resolves_are_written().await;
    assert_eq!(app.audit_faults().await, Vec::<String>::new());
}
