//! Rotation: a successor with the same name and the same rights, and an overlap in which both work.

use std::time::Duration;

use axum::http::Method;
use credenza::api_key::Kind;
use credenza::principal::Scope;
use serde_json::json;

use crate::support::{Caller, TestApp};

const KEYS: &str = "/extra/v2/api-keys";
const TOO_MANY: &str = "An account can have at most 6 active API keys";

/// The id of the account's newest key.
async fn newest(caller: &Caller<'_>) -> String {
    let listed = caller.get(KEYS).await.expect(200);
    listed["results"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
}

fn rotate(id: impl std::fmt::Display) -> String {
    format!("{KEYS}/{id}/rotate")
}

#[tokio::test]
async fn the_successor_is_the_same_but_for_id_and_key() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let body = json!({
        "name": "backend", "scopes": ["credentials:read"], "allowed_ips": ["10.0.0.0/8"],
        "expires_at": "2026-02-01T00:00:00Z",
    });
    let old = caller.post(KEYS, body).await.expect(201);
    let new = caller.post(&rotate(old["id"].as_str().unwrap()), json!({})).await.expect(201);
    for field in ["name", "public", "scopes", "allowed_ips", "operator", "created_by", "expires_at"] {
        assert_eq!(new[field], old[field], "{field}");
    }
    assert!(new["id"] != old["id"] && new["key"] != old["key"] && new["masked"] != old["masked"]);
}

#[tokio::test]
async fn without_an_overlap_the_old_key_ends_now() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for overlap in [None, Some(json!({})), Some(json!({"overlap_seconds": 0})), Some(json!({"overlap_seconds": null}))]
    {
        let (id, old) = caller.make_key(KEYS, json!({})).await;
        let made = caller.send(Method::POST, &rotate(id), overlap).await.expect(201);
        let new = made["key"].as_str().unwrap();
        caller.with_key(&old).get("/me").await.expect_error(403, "Invalid API key");
        caller.with_key(new).get("/me").await.expect(200);
        caller.delete(&format!("{KEYS}/{}", made["id"].as_str().unwrap())).await.expect(204);
    }
}

#[tokio::test]
async fn in_the_overlap_both_work_and_then_the_old_key_ends() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, old) = caller.make_key(KEYS, json!({})).await;
    let (_, new) = caller.make_key(&rotate(id), json!({"overlap_seconds": 604_800})).await;
    let (old, new) = (caller.with_key(&old), caller.with_key(&new));
    app.advance(Duration::from_secs(604_799));
    old.get("/me").await.expect(200);
    new.get("/me").await.expect(200);
    app.advance(Duration::from_secs(1));
    old.get("/me").await.expect_error(403, "Invalid API key");
    new.get("/me").await.expect(200);
    caller.post(&rotate(id), json!({})).await.expect_error(404, "API key not found");
}

#[tokio::test]
async fn an_overlap_never_lengthens_a_life() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, old) = caller.make_key(KEYS, json!({"expires_at": "2026-01-02T03:05:05Z"})).await;
    let (_, new) = caller.make_key(&rotate(id), json!({"overlap_seconds": 3600})).await;
    app.advance(Duration::from_mins(1));
    for key in [old, new] {
        caller.with_key(&key).get("/me").await.expect_error(403, "Invalid API key");
    }
}

#[tokio::test]
async fn a_key_in_overlap_counts_so_at_six_only_a_rotation_without_one_finds_room() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, key) = caller.make_key(KEYS, json!({})).await;
    for _ in 0..3 {
        caller.make_key(KEYS, json!({})).await;
    }
    caller.make_key(&rotate(id), json!({"overlap_seconds": 60})).await;
    caller.post(KEYS, json!({})).await.expect_error(400, TOO_MANY);
    let newest = newest(&caller).await;
    caller.post(&rotate(&newest), json!({"overlap_seconds": 1})).await.expect_error(400, TOO_MANY);
    // A rotation that was refused has ended nothing.
    caller.with_key(&key).get("/me").await.expect(200);
    caller.make_key(&rotate(&newest), json!({})).await;
    caller.post(KEYS, json!({})).await.expect_error(400, TOO_MANY);
    app.advance(Duration::from_mins(1));
    caller.make_key(KEYS, json!({})).await;
}

#[tokio::test]
async fn overlaps_that_cannot_be_are_refused() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let path = rotate(newest(&caller).await);
    for (overlap, message) in [
        (json!(604_801), "overlap_seconds: must be at most 604800"),
        (json!(u64::MAX), "overlap_seconds: must be at most 604800"),
        (json!(-1), "overlap_seconds: has the wrong type"),
        (json!(1.5), "overlap_seconds: has the wrong type"),
        (json!("60"), "overlap_seconds: has the wrong type"),
    ] {
        caller.post(&path, json!({"overlap_seconds": overlap})).await.expect_error(400, message);
    }
    caller.post(&path, json!({"overlap": 60})).await.expect_error(400, "overlap: is not a field of this operation");
    assert_eq!(caller.get(KEYS).await.expect(200)["count"], 1);
}

#[tokio::test]
async fn a_rotation_never_makes_a_stronger_key() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let strong = app.key(caller.account, Kind::Private, &[Scope::CredentialsResolve], false).await;
    let id = newest(&caller).await;
    let refusal = "You cannot grant the scope credentials:resolve, because you lack it";
    caller.post(&rotate(&id), json!({})).await.expect_error(403, refusal);
    // The key that was aimed at goes on.
    caller.with_key(&strong).get("/me").await.expect(200);
    // Even one who has every scope comes by no operator's key, and its own form is of no use for that.
    let keeper = caller.with_scopes(&Scope::ALL).await;
    let operator = app.key(caller.account, Kind::Private, &[Scope::ApiKeysManage], true).await;
    let id = newest(&caller).await;
    keeper.post(&rotate(&id), json!({})).await.expect_error(403, "Operator keys are managed on the command line");
    caller.with_key(&operator).get("/me").await.expect(200);
    // The operator's key itself may, and its successor is one as well.
    assert_eq!(caller.with_key(&operator).post(&rotate(&id), json!({})).await.expect(201)["operator"], true);
}

#[tokio::test]
async fn an_operators_key_makes_no_operators_key() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let operator = app.key(caller.account, Kind::Private, &Scope::ALL, true).await;
    assert_eq!(caller.with_key(&operator).post(KEYS, json!({})).await.expect(201)["operator"], false);
}

#[tokio::test]
async fn of_rotations_of_one_key_at_once_one_succeeds() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, _) = caller.make_key(KEYS, json!({})).await;
    let requests = (0..8).map(|_| caller.request(Method::POST, &rotate(id), None));
    let answers = app.send_at_once(requests).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (1, 7));
    for answer in refused {
        answer.expect_error(404, "API key not found");
    }
}

#[tokio::test]
async fn a_key_in_overlap_has_a_successor_and_gets_no_second_one() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let old = caller.post(KEYS, json!({})).await.expect(201);
    let path = rotate(old["id"].as_str().unwrap());
    let new = caller.post(&path, json!({"overlap_seconds": 60})).await.expect(201);
    // A second successor would inherit the end of the overlap.
    let again = caller.post(&path, json!({"overlap_seconds": 604_800})).await;
    again.expect_error(400, "This API key was rotated before; rotate its successor");
    caller.post(&rotate(new["id"].as_str().unwrap()), json!({})).await.expect(201);
}

#[tokio::test]
async fn an_operators_key_is_not_revoked_over_rest() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let resolver = app.key(caller.account, Kind::Private, &[Scope::CredentialsResolve], true).await;
    let id = newest(&caller).await;
    let refused = caller.delete(&format!("{KEYS}/{id}")).await;
    refused.expect_error(403, "Operator keys are managed on the command line");
    caller.with_key(&resolver).get("/me").await.expect(200);
}
