//! `/extra/v2/subaccounts`: what a parent stores of a sub-account, reads back and changes.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::subaccounts::SUBACCOUNTS;
use crate::support::{Caller, TestApp};

const IN_USE: &str = "external_customer_id is already in use";

fn client(customer: &str) -> Value {
    json!({"name": "A client", "external_customer_id": customer})
}

/// Makes a sub-account; gives its path.
async fn make(parent: &Caller<'_>, body: Value) -> String {
    let made = parent.post(SUBACCOUNTS, body).await.expect(201);
    format!("{SUBACCOUNTS}/{}", made["id"])
}

#[tokio::test]
async fn a_sub_account_has_its_fields_in_their_order_wherever_it_is_read() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let body = json!({
        "name": "Ärzte & Co.", "external_customer_id": "c-1",
        "organization_contact_email": "office@client.example", "account_notes": "two\nlines",
    });
    let made = parent.post(SUBACCOUNTS, body).await;
    let id = made.expect(201)["id"].clone();
    let expected = format!(
        r#"{{"id":{id},"name":"Ärzte & Co.","external_customer_id":"c-1","organization_contact_email":"office@client.example","account_notes":"two\nlines","plan":"enterprise","is_active":true,"created_at":"2026-01-02T03:04:05Z","modified_on":"2026-01-02T03:04:05Z"}}"#
    );
    made.expect_text(201, &expected);
    parent.get(&format!("{SUBACCOUNTS}/{id}")).await.expect_text(200, &expected);
    parent.get(&format!("{SUBACCOUNTS}/{id}/")).await.expect_text(200, &expected);
    let listed = format!(r#"{{"count":1,"results":[{expected}]}}"#);
    parent.get(SUBACCOUNTS).await.expect_text(200, &listed);
    parent.get(&format!("{SUBACCOUNTS}/")).await.expect_text(200, &listed);
}

#[tokio::test]
async fn omitted_fields_are_null() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let mut body = client("c-1");
    body["account_notes"] = Value::Null;
    let made = parent.post(SUBACCOUNTS, body).await.expect(201);
    assert_eq!((&made["organization_contact_email"], &made["account_notes"]), (&Value::Null, &Value::Null));
    // Whoever made it is its first user then.
    let users = app.rows(&format!("select email from users where account_id = {}", made["id"])).await;
    assert_eq!(users, [json!({"email": "devs@platform.example"})]);
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_made() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let (long, longer) = ("ß".repeat(256), "ß".repeat(2001));
    for (field, value, message) in [
        ("name", Value::Null, "name: is required"),
        ("name", json!(""), "name: must not be empty"),
        ("name", json!(long), "name: must be at most 255 characters long"),
        ("name", json!("a\0b"), "name: must not contain control characters"),
        ("name", json!(4711), "name: has the wrong type"),
        ("external_customer_id", Value::Null, "external_customer_id: is required"),
        ("external_customer_id", json!(""), "external_customer_id: must not be empty"),
        ("external_customer_id", json!(long), "external_customer_id: must be at most 255 characters long"),
        ("organization_contact_email", json!("nobody"), "organization_contact_email: must be an e-mail address"),
        ("account_notes", json!(longer), "account_notes: must be at most 2000 characters long"),
        ("account_notes", json!("\0"), "account_notes: must not contain control characters"),
        ("is_active", json!(true), "is_active: is not a field of this operation"),
        ("plan", json!("enterprise"), "plan: is not a field of this operation"),
        ("parent_id", json!(1), "parent_id: is not a field of this operation"),
    ] {
        let mut body = client("c-1");
        body[field] = value;
        parent.post(SUBACCOUNTS, body).await.expect_error(400, message);
    }
    let both = parent.post(SUBACCOUNTS, json!({})).await.expect(400);
    assert_eq!(both["errors"].as_array().unwrap().len(), 2, "{both}");
    parent.get(SUBACCOUNTS).await.expect_text(200, r#"{"count":0,"results":[]}"#);

    let longest =
        json!({"name": "ß".repeat(255), "external_customer_id": "ß".repeat(255), "account_notes": "ß".repeat(2000)});
    parent.post(SUBACCOUNTS, longest).await.expect(201);
}

#[tokio::test]
async fn a_customer_id_is_used_once_by_a_parent_also_by_an_inactive_sub_account() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let first = make(&parent, client("c-1")).await;
    let second = make(&parent, client("c-2")).await;
    for _ in ["while it is active", "and when it is not"] {
        parent.post(SUBACCOUNTS, client("c-1")).await.expect_error(400, IN_USE);
        parent.patch(&second, json!({"external_customer_id": "c-1"})).await.expect_error(400, IN_USE);
        parent.delete(&first).await.expect(204);
    }
    assert_eq!(parent.get(&second).await.expect(200)["external_customer_id"], "c-2");
    parent.patch(&second, json!({"external_customer_id": "c-2"})).await.expect(200);
    // Neither another case nor another parent's is the same.
    parent.post(SUBACCOUNTS, client("C-1")).await.expect(201);
    app.account("other@platform.example").await.post(SUBACCOUNTS, client("c-1")).await.expect(201);
}

#[tokio::test]
async fn of_ten_creations_at_once_with_one_customer_id_one_succeeds() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let requests = (0..10).map(|_| parent.request(Method::POST, SUBACCOUNTS, Some(client("c-1"))));
    let (made, refused): (Vec<_>, Vec<_>) =
        app.send_at_once(requests).await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in refused {
        answer.expect_error(400, IN_USE);
    }
    assert_eq!(parent.get(SUBACCOUNTS).await.expect(200)["count"], 1);
}

#[tokio::test]
async fn inactive_ones_are_listed_on_demand() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let active = make(&parent, client("c-1")).await;
    let inactive = make(&parent, client("c-2")).await;
    parent.delete(&inactive).await.expect(204);
    let listed = async |query: &str| {
        let found = parent.get(&format!("{SUBACCOUNTS}{query}")).await.expect(200);
        let results = found["results"].as_array().unwrap().clone();
        assert_eq!(found["count"], results.len());
        results.iter().map(|account| format!("{SUBACCOUNTS}/{}", account["id"])).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, [active.as_str()]);
    assert_eq!(listed("?include_inactive=false").await, [active.as_str()]);
    assert_eq!(listed("/?include_inactive=true").await, [active, inactive.clone()]);
    for wrong in ["?include_inactive=maybe", "?include_inactive=", "?inactive=true"] {
        parent.get(&format!("{SUBACCOUNTS}{wrong}")).await.expect(400);
    }
    // By its id it is found all the same.
    assert_eq!(parent.get(&inactive).await.expect(200)["is_active"], false);
}

#[tokio::test]
async fn a_change_keeps_what_it_leaves_out_and_null_clears_what_may_be_empty() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let mut body = client("c-1");
    body["organization_contact_email"] = json!("office@client.example");
    body["account_notes"] = json!("notes");
    let path = make(&parent, body).await;
    let before = parent.get(&path).await.expect(200);

    app.advance(Duration::from_secs(10));
    let mut expected = before.clone();
    expected["name"] = json!("Another name");
    expected["modified_on"] = json!("2026-01-02T03:04:15Z");
    assert_eq!(parent.patch(&path, json!({"name": "Another name"})).await.expect(200), expected);
    assert_eq!(parent.get(&path).await.expect(200), expected);

    expected["organization_contact_email"] = Value::Null;
    assert_eq!(parent.patch(&path, json!({"organization_contact_email": null})).await.expect(200), expected);
    expected["account_notes"] = Value::Null;
    assert_eq!(parent.patch(&path, json!({"account_notes": null})).await.expect(200), expected);
    let all = json!({
        "name": "N", "external_customer_id": "X", "organization_contact_email": "a@b", "account_notes": "",
        "is_active": false,
    });
    let changed = parent.patch(&path, all.clone()).await.expect(200);
    for (field, value) in all.as_object().unwrap() {
        assert_eq!(&changed[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_changes_nothing() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let path = make(&parent, client("c-1")).await;
    let before = parent.get(&path).await.body;
    for (change, message) in [
        (json!({"name": null}), "name: must not be null"),
        (json!({"external_customer_id": null}), "external_customer_id: must not be null"),
        (json!({"is_active": null}), "is_active: must not be null"),
        (json!({"is_active": "yes"}), "is_active: has the wrong type"),
        (json!({"name": ""}), "name: must not be empty"),
        (
            json!({"name": "N", "organization_contact_email": "x"}),
            "organization_contact_email: must be an e-mail address",
        ),
        (json!({"plan": "standard"}), "plan: is not a field of this operation"),
        (json!({"id": 1}), "id: is not a field of this operation"),
    ] {
        parent.patch(&path, change).await.expect_error(400, message);
    }
    assert_eq!(parent.get(&path).await.body, before);
}

#[tokio::test]
async fn an_unknown_id_of_any_form_is_not_found() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    // The operator's own account is among them, and the parent itself.
    for id in ["0", "4711", "-1", "+1", "abc", "1.0", "99999999999999999999", "%20", &parent.account.to_string()] {
        let path = format!("{SUBACCOUNTS}/{id}");
        parent.get(&path).await.expect_text(404, r#"{"detail":"Sub-account not found"}"#);
        parent.patch(&path, json!({"name": "N"})).await.expect_error(404, "Sub-account not found");
        parent.delete(&path).await.expect_error(404, "Sub-account not found");
        parent.get(&format!("{path}/api-keys")).await.expect_error(404, "Sub-account not found");
        parent.post(&format!("{path}/api-keys"), json!({})).await.expect_error(404, "Sub-account not found");
    }
}
