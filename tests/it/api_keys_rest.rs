//! `/extra/v2/api-keys`: a key is shown once, carries no more than its maker has, and there are six.

use std::time::Duration;

use axum::http::Method;
use credenza::api_credentials::NewKey;
use credenza::api_key::Kind;
use credenza::principal::Scope;
use credenza::types::Email;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::name;
use crate::support::operator;

const KEYS: &str = "/extra/v2/api-keys";
const TOO_MANY: &str = "An account can have at most 6 active API keys";

#[tokio::test]
async fn a_key_is_shown_once_and_listed_masked_with_the_same_fields() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let body = json!({
        "name": "backend", "scopes": ["credentials:read"], "allowed_ips": ["10.0.0.0/8"],
        "expires_at": "2026-02-01T00:00:00Z",
    });
    let made = caller.post(KEYS, body).await;
    let key = made.expect(201)["key"].as_str().unwrap().to_owned();
    let expected = format!(
        r#"{{"id":{},"name":"backend","masked":"czs_…{}","public":false,"scopes":["credentials:read"],"allowed_ips":["10.0.0.0/8"],"operator":false,"created_at":"2026-01-02T03:04:05Z","created_by":"devs@platform.example","expires_at":"2026-02-01T00:00:00Z","last_used_at":null,"revoked_at":null"#,
        made.json()["id"],
        &key[key.len() - 4..]
    );
    made.expect_text(201, &format!(r#"{expected},"key":"{key}"}}"#));
    let listed = caller.get(KEYS).await;
    assert!(listed.body.starts_with(r#"{"count":2,"results":["#) && listed.body.contains(&format!("{expected}}}")));
    assert!(!listed.body.contains(&key) && !listed.body.contains(&key[4..20]));
}

#[tokio::test]
async fn a_key_made_from_an_empty_body_has_a_name_and_all_scopes_but_resolve() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    let made = caller.post(KEYS, json!({})).await.expect(201);
    assert_eq!(made["name"], "API key");
    assert_eq!(made["scopes"], json!(Scope::DEFAULT.map(Scope::as_str)));
    let named = json!({"scopes": ["credentials:resolve", "credentials:resolve"]});
    assert_eq!(caller.post(KEYS, named).await.expect(201)["scopes"], json!(["credentials:resolve"]));
    assert_eq!(caller.post(KEYS, json!({"scopes": []})).await.expect(201)["scopes"], json!([]));
}

#[tokio::test]
async fn nobody_grants_what_they_lack() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let all = json!({"scopes": ["credentials:read", "credentials:resolve"]});
    let refusal = "You cannot grant the scope credentials:resolve, because you lack it";
    caller.post(KEYS, all.clone()).await.expect_error(403, refusal);
    caller
        .post("/extra/v2/oauth-clients", {
            let mut client = all;
            client["name"] = json!("client");
            client
        })
        .await
        .expect_error(403, refusal);
    let keeper = caller.with_scopes(&[Scope::ApiKeysManage]).await;
    assert_eq!(keeper.post(KEYS, json!({})).await.expect(201)["scopes"], json!(["api-keys:manage"]));
    assert_eq!(caller.get(KEYS).await.expect(200)["count"], 3);
}

#[tokio::test]
async fn wrong_fields_are_named_and_nothing_is_made() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for (body, message) in [
        (json!({"name": ""}), "name: must not be empty"),
        (json!({"name": "x".repeat(256)}), "name: must be at most 255 characters long"),
        (json!({"public": "yes"}), "public: has the wrong type"),
        (json!({"operator": true}), "operator: is not a field of this operation"),
        (
            json!({"public": true, "scopes": ["credentials:read"]}),
            "scopes: must not be named for a public key, which has none",
        ),
        (
            json!({"allowed_ips": ["10.0.0.0/8", "10.0.0.0/33"]}),
            "allowed_ips[1]: must be an address or a range such as 10.0.0.0/8 or 2001:db8::/32",
        ),
        (json!({"expires_at": "2026-01-02T03:04:05Z"}), "expires_at: must be in the future"),
        (json!({"expires_at": "2026-01-02T04:04:05+01:00"}), "expires_at: must be in the future"),
        (json!({"expires_at": "tomorrow"}), "expires_at: has the wrong type"),
        // Not to the letter of RFC 3339.
        (json!({"expires_at": "2030-01-02 03:04:05Z"}), "expires_at: has the wrong type"),
        (json!({"expires_at": "2030-01-02T03:04:05 UTC"}), "expires_at: has the wrong type"),
        (json!({"expires_at": "2030-01-02T03:04:05\u{2212}01:00"}), "expires_at: has the wrong type"),
        (json!({"expires_at": 1_893_553_445}), "expires_at: has the wrong type"),
    ] {
        caller.post(KEYS, body).await.expect_error(400, message);
    }
    let answer = caller.post(KEYS, json!({"scopes": ["credentials:read", "everything"]})).await;
    assert!(answer.expect(400)["detail"].as_str().unwrap().starts_with("scopes[1]: must be one of credentials:read, "));
    assert_eq!(caller.get(KEYS).await.expect(200)["count"], 1);
    for (written, read) in
        [(json!("2030-01-02t04:04:05.5+01:00"), json!("2030-01-02T03:04:05.500Z")), (Value::Null, Value::Null)]
    {
        assert_eq!(caller.post(KEYS, json!({"expires_at": written})).await.expect(201)["expires_at"], read);
    }
}

#[tokio::test]
async fn a_public_key_has_thirty_two_characters_and_no_scopes() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let made = caller.post(KEYS, json!({"public": true})).await.expect(201);
    let key = made["key"].as_str().unwrap();
    assert_eq!((key.len(), &key[..4]), (32, "czp_"));
    assert_eq!((&made["public"], &made["scopes"]), (&json!(true), &json!([])));
    assert_eq!(made["masked"], format!("czp_…{}", &key[28..]));
}

#[tokio::test]
async fn a_key_works_until_its_expiry_and_makes_room_then() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (_, key) = caller.make_key(KEYS, json!({"expires_at": "2026-01-02T03:05:05Z"})).await;
    for _ in 0..4 {
        caller.make_key(KEYS, json!({})).await;
    }
    let short = caller.with_key(&key);
    app.advance(Duration::from_secs(59));
    short.get("/me").await.expect(200);
    caller.post(KEYS, json!({})).await.expect_error(400, TOO_MANY);
    app.advance(Duration::from_secs(1));
    short.get("/me").await.expect_error(403, "Invalid API key");
    caller.make_key(KEYS, json!({})).await;
}

#[tokio::test]
async fn twenty_creations_at_once_after_five_keys_make_only_the_sixth() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for _ in 0..4 {
        caller.make_key(KEYS, json!({})).await;
    }
    let requests = (0..20).map(|number| {
        let body = json!({"public": number % 2 == 0});
        caller.request(Method::POST, KEYS, Some(body))
    });
    let (made, refused): (Vec<_>, Vec<_>) =
        app.send_at_once(requests).await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (1, 19));
    for answer in refused {
        answer.expect_error(400, TOO_MANY);
    }
    assert_eq!(caller.get(KEYS).await.expect(200)["count"], 6);
}

#[tokio::test]
async fn a_revoked_key_stops_at_once_and_is_revoked_once() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, key) = caller.make_key(KEYS, json!({})).await;
    caller.with_key(&key).get("/me").await.expect(200);
    caller.delete(&format!("{KEYS}/{id}")).await.expect_text(204, "");
    caller.with_key(&key).get("/me").await.expect_error(403, "Invalid API key");
    for id in [id.to_string(), "nonsense".to_owned(), "%00".to_owned()] {
        caller.delete(&format!("{KEYS}/{id}")).await.expect_text(404, r#"{"detail":"API key not found"}"#);
    }
    // It stays in the listing, with its end.
    let listed = caller.get(KEYS).await.expect(200);
    assert_eq!((&listed["count"], &listed["results"][1]["revoked_at"]), (&json!(2), &json!("2026-01-02T03:04:05Z")));
}

#[tokio::test]
async fn a_key_may_revoke_itself() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let id = caller.get(KEYS).await.expect(200)["results"][0]["id"].as_str().unwrap().to_owned();
    caller.delete(&format!("{KEYS}/{id}")).await.expect(204);
    caller.delete(&format!("{KEYS}/{id}")).await.expect_error(403, "Invalid API key");
}

#[tokio::test]
async fn last_use_is_noted_without_a_write_for_each_call() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let last_used = async || caller.get(KEYS).await.expect(200)["results"][0]["last_used_at"].clone();
    app.app.last_use.write(&app.app.pool).await;
    assert_eq!(last_used().await, Value::Null);
    for _ in 0..10 {
        caller.get("/me").await.expect(200);
        app.advance(Duration::from_secs(1));
    }
    assert_eq!(app.rows("select * from api_key_uses").await, [] as [Value; 0]);
    app.app.last_use.write(&app.app.pool).await;
    assert_eq!(last_used().await, "2026-01-02T03:04:14Z");
    // What is refused is no use, and a later batch never goes back.
    app.advance(Duration::from_mins(1));
    caller.with_key("czs_nonsense").get("/me").await.expect(403);
    app.app.last_use.write(&app.app.pool).await;
    assert_eq!(last_used().await, "2026-01-02T03:04:15Z");
    assert_eq!(app.rows("select * from api_key_uses").await.len(), 1);
}

#[tokio::test]
async fn the_user_who_makes_a_key_or_client_owns_it_and_the_keys_successor() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let email = Email::parse("second@platform.example").unwrap();
    operator::create_user(&app.app, caller.account, &email, None).await.unwrap();
    let of_second = NewKey {
        user_email: Some("second@platform.example".into()),
        ..NewKey::new(name("second"), Kind::Private, Scope::DEFAULT.to_vec())
    };
    let made = operator::create_key(&app.app, caller.account, &of_second).await.unwrap();
    let second = caller.with_key(made.1.expose());
    let client = second.post("/extra/v2/oauth-clients", json!({"name": "client"})).await.expect(201);
    assert_eq!(client["created_by"], "second@platform.example");
    let made = second.post(KEYS, json!({})).await.expect(201);
    assert_eq!(made["created_by"], "second@platform.example");
    let rotated = caller.post(&format!("{KEYS}/{}/rotate", made["id"].as_str().unwrap()), json!({})).await.expect(201);
    assert_eq!(rotated["created_by"], "second@platform.example");
}

#[tokio::test]
async fn the_audit_names_each_change_of_a_key_and_contains_no_key() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, key) = caller.make_key(KEYS, json!({})).await;
    caller.delete(&format!("{KEYS}/{id}")).await.expect(204);
    let other = app.key(caller.account, Kind::Public, &[], false).await;
    let events = app.rows("select * from audit_events where user_email is not null order by sequence").await;
    let actions: Vec<_> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["api_key.created", "api_key.revoked"]);
    let text = json!(events).to_string();
    assert!(!text.contains(&key) && !text.contains(&other));
}
