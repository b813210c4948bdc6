//! Somebody who can write every table and has none of the secrets: what they write gives no right and no password, and
//! `credenza verify` names it.

use credenza::rotation;
use credenza::types::AccountId;
use serde_json::{Value, json};

use crate::support::app::ISSUER;
use crate::support::forge::{FOREIGN_RSA, forged, thumbprint};
use crate::support::oauth::{BAD_TOKEN, Client};
use crate::support::operator::rotate_signing_key;
use crate::support::{TestApp, logs};

/// The start of the tests' clock, in seconds since 1970.
const NOW: i64 = 1_767_323_045;

/// Faults that `credenza verify` tells, as it prints them.
async fn faults(app: &TestApp) -> Vec<String> {
    let verified = rotation::verify(&app.app, |_| ()).await.unwrap();
    verified.faults.iter().map(ToString::to_string).collect()
}

fn claims(client_id: &str, account: AccountId) -> Value {
    json!({
        "iss": ISSUER, "aud": ISSUER, "sub": client_id, "iat": NOW, "exp": NOW + 60,
        "jti": uuid::Uuid::now_v7(), "scope": "credentials:read api-keys:manage", "account_id": account,
    })
}

/// Refuses a forged token on every way in that a token opens.
async fn expect_no_right(app: &TestApp, token: &str, client: &Client) {
    app.me(token).await.expect_text(403, BAD_TOKEN);
    let call = json!({"account_id": client.account, "supplier_code": "HIT", "service": "INV", "environment": "PROD"});
    let forger = app.nobody().bearing(token);
    forger.post("/internal/v1/resolve", call).await.expect_text(403, BAD_TOKEN);
    forger.post("/extra/v2/api-keys", json!({})).await.expect_text(403, BAD_TOKEN);
}

#[tokio::test]
async fn a_public_key_that_somebody_inserts_verifies_no_token() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let real = app.token(&client).await;
    let public = FOREIGN_RSA.jwk("x");
    for kid in ["theirs".to_owned(), thumbprint(&public)] {
        let jwk = FOREIGN_RSA.jwk(&kid);
        app.sql(&format!(
            "insert into signing_keys (kid, public_jwk, private_key, created_at, retired_at, expires_at)
             select '{kid}', '{jwk}', private_key, now(), now(), now() + interval '10 years' from signing_keys
             where retired_at is null"
        ))
        .await;
        app.feed_has_caught_up().await;
        expect_no_right(&app, &FOREIGN_RSA.token(&kid, &claims(&client.client_id, client.account)), &client).await;
        assert!(!app.nobody().get("/.well-known/jwks.json").await.body.contains(&kid));
        let named = format!("signing_keys (account 0, {kid}) private_key");
        assert!(faults(&app).await.iter().any(|fault| fault.starts_with(&named)));
    }
    app.me(&real).await.expect(200);
}

#[tokio::test]
async fn a_public_key_that_somebody_puts_into_the_row_of_ours_verifies_no_token_and_is_named() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let old = app.token(&client).await;
    rotate_signing_key(&app.app).await.unwrap();
    let new = app.token(&client).await;
    let n = FOREIGN_RSA.jwk("x")["n"].clone();
    app.sql(&format!("update signing_keys set public_jwk = jsonb_set(public_jwk, '{{n}}', '{n}')")).await;
    app.feed_has_caught_up().await;
    for token in [&old, &new] {
        expect_no_right(&app, &forged(token), &client).await;
        app.me(token).await.expect(200);
    }
    let told = faults(&app).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|fault| fault.ends_with("public_jwk: is not what follows from what is sealed")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_retired_key_that_does_not_open_costs_only_its_own_tokens() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let old = app.token(&client).await;
    rotate_signing_key(&app.app).await.unwrap();
    app.sql("update signing_keys set private_key = '\\x00' where retired_at is not null").await;
    app.feed_has_caught_up().await;
    app.me(&old).await.expect_text(403, BAD_TOKEN);
    app.me(&app.token(&client).await).await.expect(200);
    assert!(logs::so_far().contains("a retired signing key verifies nothing"));
}

#[tokio::test]
async fn the_end_that_a_token_claims_is_bounded_by_its_client() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client_of(json!({"name": "short", "access_token_ttl": 90})).await;
    let (kid, ours) = app.signing_key().await;
    let with = |iat: i64, exp: i64| {
        let mut claims = claims(&client.client_id, client.account);
        claims["iat"] = iat.into();
        claims["exp"] = exp.into();
        ours.token(&kid, &claims)
    };
    app.me(&with(NOW, NOW + 90)).await.expect(200);
    // Clocks of instances are not quite the same.
    app.me(&with(NOW + 60, NOW + 150)).await.expect(200);
    for (iat, exp) in [(NOW, NOW + 91), (NOW - 3600, NOW + 60), (NOW + 3600, NOW + 3660), (i64::MIN, i64::MAX)] {
        app.me(&with(iat, exp)).await.expect_text(403, BAD_TOKEN);
    }
    let told = app.introspect(&client, &with(NOW, NOW + 91)).await;
    assert_eq!(told, json!({"active": false}));
}
