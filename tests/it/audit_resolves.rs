//! Resolves are evidence like changes: each is recorded before its answer leaves, also those that are refused; and when
//! nothing can be recorded, no password leaves.

use credenza::audit::RecordMode;
use credenza::principal::Scope;
use credenza::types::{AccountId, Environment, Service};
use serde_json::{Value, json};

use crate::support::program::eventually;
use crate::support::subaccounts::SUBACCOUNTS;
use crate::support::{Answer, Caller, TestApp};

const RESOLVE: &str = "/internal/v1/resolve";

async fn start(mode: RecordMode, backlog: usize) -> TestApp {
    TestApp::start_with(|settings| {
        settings.audit.mode = mode;
        settings.audit.backlog = backlog;
    })
    .await
}

/// A caller who stored a pair for HIT, and may resolve.
async fn resolver(app: &TestApp) -> Caller<'_> {
    let caller = app.account_that_resolves("devs@platform.example").await;
    let base = json!({"supplier_code": "HIT", "production_username": "user-1", "production_password": "pass-1"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    caller
}

fn call(account: AccountId, supplier: &str) -> Value {
    json!({"account_id": account, "supplier_code": supplier, "service": "INV", "environment": "PROD"})
}

#[tokio::test]
async fn each_resolve_is_recorded_with_its_outcome_singly_and_in_a_batch() {
    for mode in [RecordMode::Batched, RecordMode::Sync] {
        let app = start(mode, 100).await;
        let caller = resolver(&app).await;
        let account = caller.account;
        app.set_default("PCNA", Environment::Production, &[Service::Inv], ("shared", "pair")).await;
        let calls = [call(account, "HIT"), call(account, "PCNA"), call(account, "ETS"), call(account, "Nobody")];
        for (call, status) in calls.iter().zip([200, 200, 403, 404]) {
            caller.post(RESOLVE, call.clone()).await.expect(status);
        }
        let expected = [
            format!("{account} 200 account HIT INV PROD"),
            format!("{account} 200 default PCNA INV PROD"),
            format!("{account} 403 null ETS INV PROD"),
            // What is no supplier's code may be anything.
            format!("{account} 404 null null INV PROD"),
        ];
        assert_eq!(app.recorded_resolves().await, expected);
        let batch = json!([calls[0], calls[1], {"account_id": 1}, calls[2], calls[3]]);
        caller.post("/internal/v1/resolve/batch", batch).await.expect(200);
        assert_eq!(app.recorded_resolves().await, [&expected[..], &expected[..]].concat());
        // What cannot be opened is evidence, too.
        app.sql("update supplier_credentials set production_password = '\\x00'").await;
        app.forget();
        caller.resolve("HIT", "INV", "PROD").await.expect(500);
        assert_eq!(app.recorded_resolves().await.pop().unwrap(), format!("{account} 500 null HIT INV PROD"));
    }
}

#[tokio::test]
async fn an_event_of_a_resolve_names_actor_address_and_request_and_no_value() {
    let app = TestApp::start().await;
    let caller = resolver(&app).await;
    let from = caller.from("::ffff:192.0.2.7").with_header("x-request-id", "request-4711");
    from.resolve("HIT", "INV", "PROD").await.expect(200);
    app.resolves_are_written().await;
    let events = app.rows("select * from audit_events where action = 'credentials.resolved'").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["acting_account_id"], json!(caller.account));
    assert_eq!(event["user_email"], "devs@platform.example");
    assert_eq!(
        (event["request_id"].as_str(), event["client_address"].as_str()),
        (Some("request-4711"), Some("192.0.2.7"))
    );
    assert_eq!(event["occurred_at"], "2026-01-02T03:04:05+00:00");
    assert!(event["key_id"].is_string());
    let evidence = format!("{event}");
    assert!(!evidence.contains("user-1") && !evidence.contains("pass-1"), "{evidence}");
}

#[tokio::test]
async fn a_refusal_is_recorded_in_the_callers_chain() {
    let app = TestApp::start().await;
    let (mine, theirs) = (resolver(&app).await, app.account("other@platform.example").await);
    let nobody = AccountId(4711);
    mine.post(RESOLVE, call(theirs.account, "HIT")).await.expect(403);
    mine.post(RESOLVE, call(nobody, "HIT")).await.expect(403);
    // Without the scope; and for somebody else, which the header cannot do here.
    let reader = mine.with_scopes(&[Scope::CredentialsRead]).await;
    reader.post(RESOLVE, call(mine.account, "HIT")).await.expect(403);
    mine.acting_for(theirs.account).post(RESOLVE, call(theirs.account, "HIT")).await.expect(403);
    app.resolves_are_written().await;
    let events = app.rows(
        "select account_id, outcome, asked_account_id, supplier_code from audit_events
         where action = 'credentials.resolved' order by sequence",
    );
    let event = |asked, supplier| json!({"account_id": mine.account, "outcome": 403, "asked_account_id": asked, "supplier_code": supplier});
    let expected = [
        event(json!(theirs.account), json!("HIT")),
        event(json!(nobody), json!("HIT")),
        event(Value::Null, Value::Null),
        event(Value::Null, Value::Null),
    ];
    assert_eq!(events.await, expected);
}

#[tokio::test]
async fn a_parents_resolve_is_in_its_sub_accounts_chain() {
    let app = TestApp::start().await;
    let parent = app.account("parent@platform.example").await;
    let made = parent.post(SUBACCOUNTS, json!({"name": "C", "external_customer_id": "c"})).await.expect(201);
    let child = AccountId(made["id"].as_i64().unwrap());
    let resolver = parent.with_scopes(&[Scope::CredentialsResolve]).await;
    resolver.post(RESOLVE, call(child, "HIT")).await.expect(403);
    app.resolves_are_written().await;
    let events =
        app.rows("select account_id, acting_account_id from audit_events where action = 'credentials.resolved'");
    assert_eq!(events.await, [json!({"account_id": child, "acting_account_id": parent.account})]);
}

#[tokio::test]
async fn resolves_and_changes_of_the_same_accounts_at_once_make_sound_chains() {
    let app = TestApp::start().await;
    let mut callers = Vec::new();
    for number in 0..4 {
        callers.push(app.account_that_resolves(&format!("devs-{number}@platform.example")).await);
    }
    let rounds = callers.iter().map(|caller| async {
        for _ in 0..25 {
            caller.post("/extra/v2/credentials", json!({"supplier_code": "HIT"})).await.expect(201);
            caller.resolve("HIT", "INV", "PROD").await.expect(403);
        }
    });
    futures(rounds).await;
    assert_eq!(app.recorded_resolves().await.len(), 100);
    assert_eq!(app.audit_faults().await, Vec::<String>::new());
}

/// Runs futures side by side in one task.
async fn futures<F: Future<Output = ()>>(futures: impl Iterator<Item = F>) {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Asks until the answer has this status.
async fn until(caller: &Caller<'_>, status: u16) -> Answer {
    let mut last = None;
    eventually("the answer changes", async || {
        let answer = caller.resolve("HIT", "INV", "PROD").await;
        let is = answer.status.as_u16() == status;
        last = Some(answer);
        is
    })
    .await;
    last.unwrap()
}

/// Makes the database refuse every event, as with a full disk.
const AWAY: &str = "create function full_disk() returns trigger language plpgsql as $$
        begin raise exception 'no space left' using errcode = 'disk_full'; end $$;
    create trigger full_disk before insert on audit_events for each statement execute function full_disk()";
const BACK: &str = "drop function full_disk cascade";

#[tokio::test]
async fn a_full_backlog_lets_no_password_leave_and_loses_nothing() {
    const BACKLOG: usize = 5;
    let app = start(RecordMode::Batched, BACKLOG).await;
    let caller = resolver(&app).await;
    caller.resolve("HIT", "INV", "PROD").await.expect(200);
    app.resolves_are_written().await;
    app.sql(AWAY).await;
    let mut passwords = 0;
    let refused = loop {
        let answer = caller.resolve("HIT", "INV", "PROD").await;
        if answer.status != 200 {
            break answer;
        }
        passwords += 1;
    };
    assert!(!refused.body.contains("pass-1"), "{refused:?}");
    refused.expect_json_error(503);
    caller.post("/internal/v1/resolve/batch", json!([call(caller.account, "HIT")])).await.expect(503);
    // Fewer when the oldest of them had waited for two seconds.
    assert!(passwords <= BACKLOG);
    assert_eq!(app.app.recorder.backlog(), passwords);
    app.sql(BACK).await;
    until(&caller, 200).await;
    // Each that was answered with a password, and no other.
    assert_eq!(app.recorded_resolves().await.len(), 1 + passwords + 1);
    assert_eq!(app.audit_faults().await, Vec::<String>::new());
}

#[tokio::test]
async fn in_sync_mode_no_password_leaves_before_its_event_is_written() {
    let app = start(RecordMode::Sync, 100).await;
    let caller = resolver(&app).await;
    for _ in 0..3 {
        caller.resolve("HIT", "INV", "PROD").await.expect(200);
        // It is there when the answer is.
        assert_eq!(app.app.recorder.backlog(), 0);
    }
    app.sql(AWAY).await;
    caller.resolve("HIT", "INV", "PROD").await.expect(503);
    app.sql(BACK).await;
    until(&caller, 200).await;
    let recorded = app.recorded_resolves().await;
    assert!(recorded.iter().all(|event| event.contains(" 200 ")) && recorded.len() == 4, "{recorded:?}");
}

#[tokio::test]
async fn the_first_since_the_start_is_written_before_its_answer_leaves() {
    let app = TestApp::start().await;
    let caller = resolver(&app).await;
    app.sql(AWAY).await;
    // Nothing says yet that this instance may hold events, so that its crash would leave no trace of a gap.
    caller.resolve("HIT", "INV", "PROD").await.expect(503);
    app.sql(BACK).await;
    until(&caller, 200).await;
    assert_eq!(app.rows("select writer_id from audit_writers").await.len(), 1);
    app.app.close().await;
    assert_eq!(app.rows("select writer_id from audit_writers").await.len(), 0);
}
