//! `GET /extra/v2/audit-events`: pages with a cursor, filters, and indexes that serve them.

use credenza::principal::Scope;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::support::cluster::in_tests;
use crate::support::{Caller, TestApp};

const EVENTS: &str = "/extra/v2/audit-events";

async fn page(caller: &Caller<'_>, query: &str) -> Value {
    caller.get(&format!("{EVENTS}{query}")).await.expect(200)
}

fn field<'a>(page: &'a Value, name: &str) -> Vec<&'a Value> {
    page["results"].as_array().unwrap().iter().map(|event| &event[name]).collect()
}

/// A caller whose account has ten events: three of its making, three of HIT, two of PCNA, two resolves of PCNA.
async fn with_events(app: &TestApp) -> Caller<'_> {
    let caller = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    app.sql(&format!(
        "delete from audit_events where account_id = {0}; delete from audit_heads where account_id = {0}",
        caller.account
    ))
    .await;
    for supplier in ["HIT", "PCNA", "HIT", "PCNA", "HIT"] {
        caller.post("/extra/v2/credentials", json!({"supplier_code": supplier})).await.expect(201);
    }
    for _ in 0..2 {
        caller.resolve("PCNA", "INV", "PROD").await.expect(403);
    }
    app.resolves_are_written().await;
    for _ in 0..3 {
        caller.post("/extra/v2/api-keys", json!({})).await.expect(201);
    }
    caller
}

#[tokio::test]
async fn pages_follow_each_other_and_the_newest_is_last() {
    let app = TestApp::start().await;
    let caller = with_events(&app).await;
    let all = page(&caller, "").await;
    assert_eq!(
        (field(&all, "sequence"), &all["next"]),
        ((1..=10).map(|n| json!(n)).collect::<Vec<_>>().iter().collect(), &Value::Null)
    );
    let mut read = Vec::new();
    let mut after = json!(0);
    while !after.is_null() {
        let page = page(&caller, &format!("?after={after}&limit=3")).await;
        read.extend(page["results"].as_array().unwrap().clone());
        after = page["next"].clone();
    }
    assert_eq!(json!(read), all["results"]);
    // Exactly as many as asked for is the end, too.
    assert_eq!(page(&caller, "?limit=10").await["next"], Value::Null);
    assert_eq!(page(&caller, "?limit=9").await["next"], 9);
    assert_eq!(page(&caller, "?after=10").await, json!({"results": [], "next": null}));
    assert_eq!(page(&caller, "?after=9223372036854775807").await["results"], json!([]));
}

#[tokio::test]
async fn an_event_is_listed_with_all_its_fields() {
    let app = TestApp::start().await;
    let caller = with_events(&app).await.from("192.0.2.1").with_header("x-request-id", "request-1");
    caller.resolve("HIT", "INV", "PROD").await.expect(403);
    app.resolves_are_written().await;
    let mut event = page(&caller, "?after=10").await["results"][0].take();
    assert!(event["key_id"].take().is_string());
    let expected = json!({
        "sequence": 11, "occurred_at": "2026-01-02T03:04:05Z", "action": "credentials.resolved", "outcome": 403,
        "acting_account_id": caller.account, "user_email": "devs@platform.example", "key_id": null,
        "supplier_code": "HIT", "service": "INV", "environment": "PROD", "source": null, "asked_account_id": null,
        "subject_id": null, "since": null, "operation": null, "took_ms": null, "request_id": "request-1", "client_address": "192.0.2.1",
    });
    assert_eq!(event, expected);
}

#[tokio::test]
async fn filters_can_be_combined_with_each_other_and_the_cursor() {
    let app = TestApp::start().await;
    let caller = with_events(&app).await;
    for (query, expected) in [
        ("?supplier_code=HIT", &[1, 3, 5][..]),
        ("?action=credentials.created", &[1, 2]),
        ("?action=credentials.resolved", &[6, 7]),
        ("?action=credentials.resolved&supplier_code=PCNA", &[6, 7]),
        ("?action=credentials.updated&supplier_code=HIT", &[3, 5]),
        ("?action=credentials.updated&supplier_code=HIT&after=3", &[5]),
        ("?action=credentials.updated&supplier_code=hit", &[]),
        ("?action=user.created", &[]),
        ("?supplier_code=PCNA&limit=2&after=2", &[4, 6]),
    ] {
        let page = page(&caller, query).await;
        assert_eq!(field(&page, "sequence"), expected, "{query}");
    }
    assert_eq!(page(&caller, "?supplier_code=PCNA&limit=2&after=2").await["next"], 6);
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_by_name() {
    let app = TestApp::start().await;
    let caller = with_events(&app).await;
    for (query, name) in [
        ("after=-1", "after"),
        ("after=abc", "after"),
        ("after=", "after"),
        ("after=1.5", "after"),
        ("after=9223372036854775808", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("action=credentials", "action"),
        ("action=", "action"),
        ("supplier_code=", "supplier_code"),
        ("before=1", "before"),
    ] {
        let refused = caller.get(&format!("{EVENTS}?{query}")).await.expect(400);
        assert_eq!(refused["errors"][0]["field"], name, "{query}");
    }
    let both = caller.get(&format!("{EVENTS}?after=x&limit=x")).await.expect(400);
    assert_eq!(both["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn each_account_reads_its_own_and_a_parent_those_of_its_sub_accounts() {
    let app = TestApp::start().await;
    let parent = app.account("parent@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await;
    let other = app.account("other@platform.example").await;
    child.post("/extra/v2/credentials", json!({"supplier_code": "HIT"})).await.expect(201);
    let own = page(&child, "").await;
    assert_eq!(page(&parent.acting_for(child.account), "").await, own);
    assert!(field(&own, "acting_account_id").contains(&&json!(parent.account)), "{own}");
    assert!(!field(&page(&parent, "").await, "action").contains(&&json!("credentials.created")));
    other.acting_for(child.account).get(EVENTS).await.expect_error(403, "You may not act for this account");
    child.acting_for(parent.account).get(EVENTS).await.expect(403);
    let without = parent.with_scopes(&[Scope::CredentialsRead]).await;
    without.get(EVENTS).await.expect_error(403, "The scope audit:read is required");
}

#[tokio::test]
async fn each_filter_has_an_index_that_gives_its_order() {
    let app = TestApp::start().await;
    // A busy account among others: nearly everything is a resolve.
    app.sql(
        "insert into audit_events (account_id, format, sequence, occurred_at, action, supplier_code, mac)
         select account_id, 2, sequence, now(),
             case when sequence % 1000 = 0 then 'credentials.updated' else 'credentials.resolved' end,
             'S' || sequence % 100, sha256('')
         from generate_series(101, 105) account_id, generate_series(1, 20000) sequence;
         analyze audit_events",
    )
    .await;
    for (filter, index) in [
        ("", "audit_events_pkey"),
        ("and supplier_code = 'S7'", "audit_events_by_supplier"),
        ("and action = 'credentials.updated' and action <> 'credentials.resolved'", "audit_events_by_action"),
        ("and action = 'credentials.resolved'", "audit_events_pkey"),
    ] {
        let plan = format!(
            "explain select sequence from audit_events where account_id = 103 and sequence > 5000 {filter} \
             order by sequence limit 101"
        );
        let mut admin = app.admin().await;
        let plan: Vec<String> = sqlx::query_scalar(in_tests(plan)).fetch_all(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(index) && !plan.contains("Sort") && !plan.contains("Seq Scan"), "{filter}: {plan}");
    }
}
