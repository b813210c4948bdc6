//! OAuth2 clients over REST: made, looked at, revoked. A secret is shown once, and nobody gets more rights by making a
//! client than they had before. Rotation is in `oauth_client_rotation.rs`.

use axum::http::Method;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::api_key::Kind;
use credenza::principal::Scope;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::api_keys::{hex, whole_database};
use crate::support::oauth::{BAD_TOKEN, CLIENTS, Client};
use crate::support::{Caller, TestApp};

const NOT_FOUND: &str = "OAuth client not found";
const TOO_MANY: &str = "An account can have at most 20 OAuth clients";

/// Every operation on one client.
fn operations(client: &Client) -> [(Method, String, Option<Value>); 3] {
    let path = format!("{CLIENTS}/{}", client.id);
    [
        (Method::GET, path.clone(), None),
        (Method::POST, format!("{path}/rotate"), Some(json!({}))),
        (Method::DELETE, path, None),
    ]
}

async fn revoke(caller: &Caller<'_>, client: &Client) {
    caller.delete(&format!("{CLIENTS}/{}", client.id)).await.expect(204);
}

#[tokio::test]
async fn a_client_is_made_found_listed_and_revoked() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let mut made = caller.post(CLIENTS, json!({"name": "nightly"})).await.expect(201);
    made.as_object_mut().unwrap().remove("client_secret").unwrap();
    let expected = json!({
        "id": made["id"], "client_id": made["client_id"], "name": "nightly", "scopes": Scope::DEFAULT.map(Scope::as_str),
        "access_token_ttl": 7200, "created_at": "2026-01-02T03:04:05Z", "created_by": "devs@platform.example",
    });
    assert_eq!(made, expected);
    let path = format!("{CLIENTS}/{}", made["id"].as_str().unwrap());
    assert_eq!(caller.get(&path).await.expect(200), made);
    assert_eq!(caller.get(CLIENTS).await.expect(200), json!({"count": 1, "results": [made]}));

    caller.delete(&path).await.expect(204);
    caller.get(&path).await.expect_error(404, NOT_FOUND);
    caller.delete(&path).await.expect_error(404, NOT_FOUND);
    caller.post(&format!("{path}/rotate"), json!({})).await.expect_error(404, NOT_FOUND);
    caller.get(CLIENTS).await.expect_text(200, r#"{"count":0,"results":[]}"#);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_leak_scanners_know_it() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client().await;
    let rotated = caller.rotate_client(&client, 60).await;
    assert_ne!(client.secret, rotated.secret);
    assert_eq!((&client.id, &client.client_id), (&rotated.id, &rotated.client_id));
    let listed = caller.get(CLIENTS).await.body + &caller.get(&format!("{CLIENTS}/{}", client.id)).await.body;
    for secret in [&client.secret, &rotated.secret] {
        assert!(secret.starts_with("czo_") && secret.len() == 53);
        assert!(!listed.contains(&secret[4..]));
    }
    assert!(!listed.contains("secret"));
}

#[tokio::test]
async fn an_account_has_at_most_twenty_clients() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let first = caller.client().await;
    for _ in 1..20 {
        caller.client().await;
    }
    caller.post(CLIENTS, json!({"name": "one more"})).await.expect_error(400, TOO_MANY);
    // Rotation makes no new client; keys and other accounts' clients are counted apart.
    caller.rotate_client(&first, 60).await;
    app.key(caller.account, Kind::Private, &Scope::DEFAULT, false).await;
    app.account("other@elsewhere.example").await.client().await;

    revoke(&caller, &first).await;
    caller.client().await;
    caller.post(CLIENTS, json!({"name": "one more"})).await.expect_error(400, TOO_MANY);
}

#[tokio::test]
async fn thirty_creations_at_once_make_exactly_twenty_clients() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let requests = (0..30).map(|_| caller.request(Method::POST, CLIENTS, Some(json!({"name": "nightly"}))));
    let (made, refused): (Vec<_>, Vec<_>) =
        app.send_at_once(requests).await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 20);
    for answer in refused {
        answer.expect_error(400, TOO_MANY);
    }
    assert_eq!(caller.get(CLIENTS).await.json()["count"], 20);
}

#[tokio::test]
async fn nobody_gives_a_client_a_scope_that_they_lack() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let body = json!({"name": "greedy", "scopes": ["credentials:read", "credentials:resolve"]});
    let refusal = "You cannot grant the scope credentials:resolve, because you lack it";
    caller.post(CLIENTS, body).await.expect_error(403, refusal);
    let manager = caller.with_scopes(&[Scope::ApiKeysManage, Scope::CredentialsRead]).await;
    // Without a wish: the usual ones, as far as its maker has them.
    let made = manager.post(CLIENTS, json!({"name": "modest"})).await.expect(201);
    assert_eq!(made["scopes"], json!(["credentials:read", "api-keys:manage"]));
    let unknown = caller.post(CLIENTS, json!({"name": "odd", "scopes": ["everything"]})).await;
    assert!(unknown.expect(400)["detail"].as_str().unwrap().starts_with("scopes[0]: must be one of "));
    assert_eq!(caller.get(CLIENTS).await.json()["count"], 1);
}

#[tokio::test]
async fn a_token_lives_between_a_minute_and_a_day() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for ttl in [60, 86_400] {
        let client = caller.client_of(json!({"name": "nightly", "access_token_ttl": ttl})).await;
        assert_eq!(app.ask_token(&client, &[]).await.expect(200)["expires_in"], ttl);
    }
    for wrong in [59, 86_401, 0, -1] {
        let answer = caller.post(CLIENTS, json!({"name": "nightly", "access_token_ttl": wrong})).await;
        answer.expect_error(400, "access_token_ttl: must be between 60 and 86400 seconds");
    }
    for wrong in [json!("3600"), json!(60.5), json!(4_294_967_356_u64)] {
        let answer = caller.post(CLIENTS, json!({"name": "nightly", "access_token_ttl": wrong})).await;
        answer.expect_error(400, "access_token_ttl: has the wrong type");
    }
}

#[tokio::test]
async fn a_revoked_clients_tokens_stop_at_once_and_so_does_its_secret() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (client, other) = (caller.client().await, caller.client().await);
    let (token, others) = (app.token(&client).await, app.token(&other).await);
    app.me(&token).await.expect(200);
    revoke(&caller, &client).await;
    app.me(&token).await.expect_text(403, BAD_TOKEN);
    assert!(!app.knows(&client).await);
    app.me(&others).await.expect(200);
}

#[tokio::test]
async fn anothers_client_is_answered_like_one_that_does_not_exist() {
    let app = TestApp::start().await;
    let (victim, stranger) = (app.account("a@platform.example").await, app.account("b@platform.example").await);
    let client = victim.client().await;
    let nobodys = Client { id: uuid::Uuid::now_v7().to_string(), ..client.clone() };
    for ((method, theirs, body), (_, none, _)) in operations(&client).into_iter().zip(operations(&nobodys)) {
        let answer = stranger.send(method.clone(), &theirs, body.clone()).await;
        answer.expect_error(404, NOT_FOUND);
        assert_eq!(answer.body, stranger.send(method, &none, body).await.body);
    }
    stranger.get(&format!("{CLIENTS}/nonsense")).await.expect_error(404, NOT_FOUND);
    stranger.get(CLIENTS).await.expect_text(200, r#"{"count":0,"results":[]}"#);
    assert!(app.knows(&client).await);
}

#[tokio::test]
async fn clients_are_managed_with_one_scope_by_private_callers_for_themselves() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client().await;
    let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::ApiKeysManage).collect();
    let unfit = caller.with_scopes(&others).await;
    let public = caller.with_key(&app.key(caller.account, Kind::Public, &[], false).await);
    let mut all = operations(&client).to_vec();
    all.push((Method::GET, CLIENTS.to_owned(), None));
    all.push((Method::POST, CLIENTS.to_owned(), Some(json!({"name": "nightly"}))));
    for (method, path, body) in all {
        let refused = unfit.send(method.clone(), &path, body.clone()).await;
        refused.expect_error(403, "The scope api-keys:manage is required");
        let refused = public.send(method.clone(), &path, body.clone()).await;
        refused.expect_error(403, "Public API keys are not supported for this endpoint");
        let mut for_other = caller.request(method, &path, body);
        for_other.headers_mut().insert("x-account-id", caller.account.0.into());
        app.send(for_other).await.expect_error(403, "X-Account-Id is not supported for this endpoint");
    }
    assert!(app.knows(&client).await);
}

#[tokio::test]
async fn the_database_holds_nothing_that_a_secret_could_be_made_from() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client().await;
    let token = app.token(&client).await;
    app.revoke_token(&client, &token).await;
    let dump = whole_database(&app).await;
    assert!(dump.contains(&client.client_id), "the dump has the client's row");
    for secret in [client.secret.as_str(), &client.secret[4..47], token.as_str()] {
        let hash = Sha256::digest(secret.as_bytes());
        for form in [secret.to_owned(), hex(secret.as_bytes()), hex(&hash), BASE64_STANDARD.encode(hash)] {
            assert!(!dump.contains(&form), "{form}");
        }
    }
    for piece in client.secret.as_bytes()[4..].windows(8) {
        assert!(!dump.contains(std::str::from_utf8(piece).unwrap()));
    }
}

#[tokio::test]
async fn each_change_of_a_client_leaves_one_event_that_names_who_made_it() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client().await;
    caller.rotate_client(&client, 0).await;
    revoke(&caller, &client).await;
    caller.delete(&format!("{CLIENTS}/{}", client.id)).await.expect(404);
    let query =
        "select action, user_email, account_id, acting_account_id, key_id is not null as has_key from audit_events
                 where action like 'oauth_client.%' order by sequence";
    let event = |action: &str| {
        json!({
            "action": action, "user_email": "devs@platform.example", "account_id": caller.account,
            "acting_account_id": caller.account, "has_key": true,
        })
    };
    let expected = ["oauth_client.created", "oauth_client.rotated", "oauth_client.revoked"].map(event);
    assert_eq!(app.rows(query).await, expected);
}
