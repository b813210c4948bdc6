//! The life of a token: what stands in it, how it verifies elsewhere, when it ends, and its introspection.

use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::app::ISSUER;
use crate::support::forge::{part_of, thumbprint};
use crate::support::oauth::{BAD_TOKEN, CLIENTS, authorized, form};
use crate::support::{TestApp, logs};

/// The start of the tests' clock, in seconds since 1970.
const NOW: i64 = 1_767_323_045;

fn inactive() -> Value {
    json!({"active": false})
}

#[tokio::test]
async fn a_token_names_its_client_and_its_lifetime() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client_of(json!({"name": "reader", "scopes": ["audit:read"], "access_token_ttl": 90})).await;
    let (token, another) = (app.token(&client).await, app.token(&client).await);
    let (header, claims) = (part_of(&token, 0), part_of(&token, 1));
    let jwks = app.nobody().get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(header, json!({"typ": "JWT", "alg": "RS256", "kid": jwks["keys"][0]["kid"]}));
    let expected = json!({
        "iss": ISSUER, "aud": ISSUER, "sub": client.client_id, "iat": NOW, "exp": NOW + 90, "jti": claims["jti"],
        "scope": "audit:read", "account_id": caller.account,
    });
    assert_eq!(claims, expected);
    assert_ne!(claims["jti"], part_of(&another, 1)["jti"]);
}

#[tokio::test]
async fn a_token_verifies_only_with_the_published_keys() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let token = app.token(&client).await;
    let published = app.nobody().get("/.well-known/jwks.json").await.expect(200);
    let [key] = published["keys"].as_array().unwrap().as_slice() else { panic!("{published}") };
    let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"], "nothing of the private half");
    assert_eq!(key["kid"], thumbprint(key));

    let set: JwkSet = serde_json::from_value(published.clone()).unwrap();
    let key = DecodingKey::from_jwk(set.find(part_of(&token, 0)["kid"].as_str().unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[ISSUER]);
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
}

#[tokio::test]
async fn the_metadata_name_paths_that_exist() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let metadata = app.nobody().get("/.well-known/oauth-authorization-server").await.expect(200);
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]));
    let path = |name: &str| metadata[name].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
    app.nobody().get(&path("jwks_uri")).await.expect(200);
    let parameters = [("grant_type", "client_credentials"), ("token", "nonsense")];
    for endpoint in ["token", "revocation", "introspection"] {
        let path = path(&format!("{endpoint}_endpoint"));
        for method in metadata[format!("{endpoint}_endpoint_auth_methods_supported")].as_array().unwrap() {
            let request = match method.as_str().unwrap() {
                "client_secret_basic" => form(&path, Some(&client.basic()), &parameters),
                "client_secret_post" => form(&path, None, &[client.post(), parameters].concat()),
                other => panic!("{other}"),
            };
            app.send(request).await.expect(200);
        }
    }
    for scope in metadata["scopes_supported"].as_array().unwrap() {
        assert!(credenza::principal::Scope::parse(scope.as_str().unwrap()).is_some());
    }
}

#[tokio::test]
async fn a_token_ends_to_the_second() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let token = app.token(&client).await;
    app.advance(Duration::from_secs(7199));
    app.me(&token).await.expect(200);
    assert_eq!(app.introspect(&client, &token).await["active"], true);
    app.advance(Duration::from_secs(1));
    app.me(&token).await.expect_text(403, BAD_TOKEN);
    assert_eq!(app.introspect(&client, &token).await, inactive());
}

#[tokio::test]
async fn a_client_revokes_its_own_token_and_nothing_else() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (client, other) = (caller.client().await, caller.client().await);
    let (token, second, others) = (app.token(&client).await, app.token(&client).await, app.token(&other).await);
    for token in [&token, &second, &others] {
        app.me(token).await.expect(200);
    }
    app.revoke_token(&client, &token).await;
    app.me(&token).await.expect_text(403, BAD_TOKEN);
    // Told no difference (RFC 7009 §2.2), and none made.
    let cut = &second[..second.len() - 4];
    for foreign in [others.as_str(), token.as_str(), "nonsense", "a.b.c", cut] {
        app.revoke_token(&client, foreign).await;
    }
    app.me(&second).await.expect(200);
    app.me(&others).await.expect(200);
    assert_eq!(app.rows("select * from revoked_tokens").await.len(), 1);
}

#[tokio::test]
async fn a_revocation_without_the_client_or_the_token_is_refused() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let token = app.token(&client).await;
    let refused = app.form("/oauth/revoke", None, &[("token", &token)]).await;
    assert_eq!(refused.expect(401)["error"], "invalid_client");
    let refused = app.form("/oauth/revoke", Some(&client.basic()), &[]).await;
    assert_eq!(refused.expect(400)["error"], "invalid_request");
    app.me(&token).await.expect(200);
}

#[tokio::test]
async fn introspection_describes_a_token_of_the_clients_account() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (client, colleague) = (caller.client().await, caller.client().await);
    let token = app.token(&client).await;
    let claims = part_of(&token, 1);
    let mut expected = claims.clone();
    for (name, value) in
        [("active", json!(true)), ("client_id", claims["sub"].clone()), ("token_type", json!("Bearer"))]
    {
        expected[name] = value;
    }
    assert_eq!(app.introspect(&client, &token).await, expected);
    assert_eq!(app.introspect(&colleague, &token).await, expected);
    let refused = app.form("/oauth/introspect", None, &[("token", &token)]).await;
    assert_eq!(refused.expect(401)["error"], "invalid_client");
}

#[tokio::test]
async fn introspection_of_any_other_token_answers_only_inactive() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (client, gone) = (caller.client().await, caller.client().await);
    let (revoked, orphan) = (app.token(&client).await, app.token(&gone).await);
    app.revoke_token(&client, &revoked).await;
    caller.delete(&format!("{CLIENTS}/{}", gone.id)).await.expect(204);
    let theirs = app.token(&app.account("other@elsewhere.example").await.client().await).await;
    app.me(&theirs).await.expect(200);
    for token in [revoked.as_str(), &orphan, &theirs, "nonsense", "..", client.secret.as_str()] {
        let answer = app.form("/oauth/introspect", Some(&client.basic()), &[("token", token)]).await;
        answer.expect_text(200, r#"{"active":false}"#);
    }
}

/// A bearer's way through the rest of the service.
async fn lists_credentials(app: &TestApp, token: &str) -> u16 {
    let header = format!("Bearer {token}");
    let request = authorized("/extra/v2/credentials", &[header.as_bytes()]);
    app.send(request).await.status.as_u16()
}

#[tokio::test]
async fn a_token_is_limited_to_its_scopes_and_an_empty_bearer_is_ignored() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client().await;
    let scoped = async |scope| {
        let body = app.ask_token(&client, &[("scope", scope)]).await.expect(200);
        body["access_token"].as_str().unwrap().to_owned()
    };
    assert_eq!(lists_credentials(&app, &scoped("credentials:read").await).await, 200);
    assert_eq!(lists_credentials(&app, &scoped("credentials:write").await).await, 403);
    let mut request = caller.request(Method::GET, "/me", None);
    request.headers_mut().insert("authorization", "Bearer ".parse().unwrap());
    assert_eq!(app.send(request).await.expect(200)["auth_method"], "api_key");
}

#[tokio::test]
async fn a_sub_account_that_is_put_to_sleep_takes_its_tokens_along() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let body = json!({"name": "Shop", "external_customer_id": "shop-1"});
    let child = parent.post("/extra/v2/subaccounts", body).await.expect(201)["id"].as_i64().unwrap();
    let path = format!("/extra/v2/subaccounts/{child}");
    let key = parent.post(&format!("{path}/api-keys"), json!({})).await.expect(201);
    let caller = parent.with_key(key["api_key"].as_str().or(key["key"].as_str()).unwrap());
    let token = app.token(&caller.client().await).await;
    assert_eq!(app.me(&token).await.expect(200)["id"], child);
    parent.delete(&path).await.expect(204);
    app.me(&token).await.expect_error(403, "Account is inactive");
    parent.send(Method::PATCH, &path, Some(json!({"is_active": true}))).await.expect(200);
    app.me(&token).await.expect(200);
}

#[tokio::test]
async fn no_secret_serves_in_anothers_place() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client().await;
    let key = caller.key.clone().unwrap();
    caller.with_key(&client.secret).get("/me").await.expect_error(403, "Invalid API key");
    let pairs = [format!("{}:{}", client.id, client.secret), format!("{}:{}", client.client_id, client.secret)];
    for pair in pairs {
        let header = format!("Basic {}", BASE64_STANDARD.encode(pair));
        app.send(authorized("/me", &[header.as_bytes()])).await.expect_error(403, "Invalid API key");
    }
    for bearer in [&client.secret, &key, &client.client_id] {
        app.me(bearer).await.expect_text(403, BAD_TOKEN);
    }
    let answer = app.ask_token(&client.with_secret(&key), &[]).await;
    assert_eq!(answer.expect(401)["error"], "invalid_client");
    let token = app.token(&client).await;
    caller.with_key(&token).get("/me").await.expect_error(403, "Invalid API key");
    for secret in [&client.secret, &key, &token] {
        assert!(!logs::so_far().contains(secret));
    }
}

#[tokio::test]
async fn a_token_revoked_on_another_instance_is_refused() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (client, gone) = (caller.client().await, caller.client().await);
    let (good, revoked, orphan) = (app.token(&client).await, app.token(&client).await, app.token(&gone).await);
    for token in [&good, &revoked, &orphan] {
        app.me(token).await.expect(200);
    }
    // As another instance would do it.
    let jti = &part_of(&revoked, 1)["jti"];
    app.sql(&format!(
        "insert into revoked_tokens values ({}, {}, '2026-01-03');
         update oauth_clients set revoked_at = now() where id = '{}';
         update oauth_client_secrets set expires_at = created_at where client = '{}'",
        caller.account,
        jti.to_string().replace('"', "'"),
        gone.id,
        client.id
    ))
    .await;
    app.feed_has_caught_up().await;
    for token in [&revoked, &orphan] {
        app.me(token).await.expect_text(403, BAD_TOKEN);
    }
    app.me(&good).await.expect(200);
    assert!(!app.knows(&client).await);
}
