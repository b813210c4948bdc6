//! The token endpoint (RFC 6749 §4.4): how a client presents itself, what it may ask for, and how it is refused.

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::api_key::{ApiKey, Kind};
use serde_json::{Value, json};

use crate::support::oauth::{CLIENTS, Client, form};
use crate::support::{Answer, TestApp, logs};

const TOKEN: &str = "/oauth/token";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");
/// Nobody calls itself this.
const NOBODY: &str = "czc_000000000000000000000000";

/// A request with a body that a form cannot make.
fn with_body(media: &str, body: String) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(TOKEN).header("content-type", media);
    request.body(Body::from(body)).unwrap()
}

#[track_caller]
fn expect_refusal(answer: &Answer, status: u16, error: &str) {
    let body = answer.expect(status);
    assert_eq!(body["error"], error, "{answer:?}");
    // As everywhere else, so that nobody needs a reader of their own for this endpoint.
    assert!(body["detail"].is_string() && body["detail"] == body["error_description"], "{answer:?}");
    expect_not_stored(answer);
}

/// RFC 6749 §5.1 requires both headers.
#[track_caller]
fn expect_not_stored(answer: &Answer) {
    answer.expect_edge_headers();
    assert_eq!(answer.header("pragma"), Some("no-cache"), "{answer:?}");
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

#[tokio::test]
async fn a_client_presents_itself_by_basic_or_by_post_in_a_form_or_in_json() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let [id, secret] = client.post();
    let json = json!({"grant_type": GRANT.1, "client_id": id.1, "client_secret": secret.1});
    let mut json_with_basic = with_body("application/json", json!({"grant_type": GRANT.1}).to_string());
    json_with_basic.headers_mut().insert("authorization", client.basic().parse().unwrap());
    let requests = [
        form(TOKEN, Some(&client.basic()), &[GRANT]),
        form(TOKEN, Some(&client.basic().replace("Basic", "bAsIc ")), &[GRANT]),
        // Naming oneself again is harmless, and some clients do it.
        form(TOKEN, Some(&client.basic()), &[GRANT, id]),
        form(TOKEN, None, &[GRANT, id, secret]),
        form("/oauth/token/", None, &[GRANT, id, secret, ("audience", "unknown parameters are ignored")]),
        with_body("application/json", json.to_string()),
        with_body("application/json; charset=utf-8", json.to_string()),
        json_with_basic,
    ];
    for request in requests {
        let answer = app.send(request).await;
        let body = answer.expect(200);
        expect_not_stored(&answer);
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 7200);
        assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
        app.me(body["access_token"].as_str().unwrap()).await.expect(200);
    }
}

#[tokio::test]
async fn a_client_gets_the_scopes_that_it_asks_for_and_has() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let body = json!({"name": "reader", "scopes": ["audit:read", "credentials:read"]});
    let client = caller.client_of(body).await;
    for (asked, given) in [
        (None, "audit:read credentials:read"),
        (Some(""), "audit:read credentials:read"),
        (Some("credentials:read"), "credentials:read"),
        (Some("credentials:read audit:read"), "credentials:read audit:read"),
        (Some("audit:read audit:read credentials:read audit:read"), "audit:read credentials:read"),
    ] {
        let parameters: Vec<_> = asked.map(|scope| ("scope", scope)).into_iter().collect();
        let body = app.ask_token(&client, &parameters).await.expect(200);
        assert_eq!(body["scope"], given, "{asked:?}");
        let me = app.me(body["access_token"].as_str().unwrap()).await.expect(200);
        assert_eq!(me["scopes"], given.split(' ').collect::<Value>(), "{asked:?}");
        assert_eq!(me["auth_method"], "oauth2");
    }
    for wrong in [
        "credentials:write",
        "credentials:read credentials:write",
        "everything",
        "CREDENTIALS:READ",
        "*",
        "credentials:read,audit:read",
    ] {
        let answer = app.ask_token(&client, &[("scope", wrong)]).await;
        expect_refusal(&answer, 400, "invalid_scope");
        answer.expect_error(400, "The client does not have one of these scopes");
    }
    // RFC 6749 §3.3: one space between two names, and nothing else. Least of all is a list of nothing every scope.
    let read = "credentials:read";
    for separated in
        ["{}  {}", " {}", "{} ", "{}\t{}", "{}\n{}", "{}\u{a0}{}", "\"{}\"", " ", "\t", "\u{a0}", "\u{3000}"]
    {
        let answer = app.ask_token(&client, &[("scope", &separated.replace("{}", read))]).await;
        expect_refusal(&answer, 400, "invalid_scope");
        answer.expect_error(400, "Scopes are names, each separated from the next by one space");
    }
}

#[tokio::test]
async fn there_is_one_grant() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    for grant in ["password", "authorization_code", "refresh_token", "implicit", "Client_Credentials"] {
        let answer = app.form(TOKEN, Some(&client.basic()), &[("grant_type", grant)]).await;
        expect_refusal(&answer, 400, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn a_request_that_is_incomplete_or_ambiguous_is_refused_as_such() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let [id, secret] = client.post();
    let by_basic = |parameters: &[_]| form(TOKEN, Some(&client.basic()), parameters);
    let mut two_headers = by_basic(&[GRANT]);
    two_headers.headers_mut().append("authorization", client.basic().parse().unwrap());
    let json = |text: &str| with_body("application/json", text.to_owned());
    let twice = format!(
        r#"{{"grant_type": "client_credentials", "client_id": "{0}", "client_secret": "{1}", "client_secret": "{1}"}}"#,
        id.1, secret.1
    );
    let requests = [
        by_basic(&[]),
        by_basic(&[("grant_type", "")]),
        by_basic(&[GRANT, GRANT]),
        by_basic(&[GRANT, ("scope", "audit:read"), ("scope", "credentials:read")]),
        form(TOKEN, None, &[GRANT, id, secret, secret]),
        // Two ways at once, even if both are right.
        by_basic(&[GRANT, id, secret]),
        by_basic(&[GRANT, ("client_id", "another")]),
        form(TOKEN, Some("Bearer token"), &[GRANT, id, secret]),
        two_headers,
        with_body("text/plain", "grant_type=client_credentials".to_owned()),
        json(&twice),
        json(r#"["client_credentials"]"#),
        json(r#"{"grant_type": 1}"#),
        json("{"),
    ];
    for request in requests {
        let asked = format!("{request:?}");
        let answer = app.send(request).await;
        assert_eq!(answer.status, 400, "{asked} {answer:?}");
        expect_refusal(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn every_failed_client_authentication_gets_the_same_bytes() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (client, other, revoked) = (caller.client().await, caller.client().await, caller.client().await);
    caller.delete(&format!("{CLIENTS}/{}", revoked.id)).await.expect(204);
    let sleeping = app.account("other@elsewhere.example").await;
    let inactive = sleeping.client().await;
    app.sql_authenticated(&format!("update accounts set is_active = false where id = {}", sleeping.account)).await;
    app.feed_has_caught_up().await;

    let unknown = ApiKey::generate(Kind::ClientSecret);
    let key = caller.key.clone().unwrap();
    let id = &client.client_id;
    let refused = [
        basic(NOBODY, &client.secret),
        basic(id, unknown.expose()),
        basic(id, &other.secret),
        basic(id, &client.secret[..52]),
        basic(id, &format!("{} ", client.secret)),
        basic(id, ""),
        basic("", &client.secret),
        basic(&id.to_uppercase(), &client.secret),
        basic(&client.id, &client.secret),
        // Text that Postgres cannot hold.
        basic("czc_\0", unknown.expose()),
        basic("czc_%00", unknown.expose()),
        basic(id, &key),
        revoked.basic(),
        inactive.basic(),
        "Basic %".to_owned(),
        format!("Bearer {}", app.token(&client).await),
    ];
    let mut bodies = Vec::new();
    for authorization in &refused {
        let answer = app.form(TOKEN, Some(authorization), &[GRANT]).await;
        assert_eq!(answer.status, 401, "{authorization} {answer:?}");
        expect_refusal(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"credenza\""));
        bodies.push(answer.body);
    }
    for client in [&revoked, &inactive, &client.with_secret(unknown.expose()), &client.with_secret("")] {
        let answer = app.form(TOKEN, None, &[&[GRANT], client.post().as_slice()].concat()).await;
        expect_refusal(&answer, 401, "invalid_client");
        bodies.push(answer.body);
    }
    bodies.push(app.form(TOKEN, None, &[GRANT]).await.body);
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn the_log_has_the_reason_and_no_secret() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let wrong = ApiKey::generate(Kind::ClientSecret);
    expect_refusal(&app.ask_token(&client.with_secret(wrong.expose()), &[]).await, 401, "invalid_client");
    expect_refusal(
        &app.ask_token(&Client { client_id: NOBODY.into(), ..client.clone() }, &[]).await,
        401,
        "invalid_client",
    );
    let token = app.token(&client).await;
    app.me(&token).await.expect(200);
    let log = logs::so_far();
    assert!(log.contains("a secret that is not the client's, or has ended") && log.contains("no such client"));
    for secret in [client.secret.as_str(), wrong.expose(), token.as_str(), token.rsplit('.').next().unwrap()] {
        assert!(!log.contains(secret));
    }
}
