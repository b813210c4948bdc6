//! Tokens of an issuer outside, such as a company's identity provider: whose they are is read from a claim, and what they
//! may do from their scopes. Their issuer's keys are `outside_keys.rs`.

use std::sync::LazyLock;

use credenza::app::Settings;
use credenza::oauth::{JwksSource, OutsideSettings};
use serde_json::{Value, json};

use crate::support::app::ISSUER;
use crate::support::cluster::scratch_folder;
use crate::support::forge::{FOREIGN_RSA, Seal};
use crate::support::oauth::{BAD_TOKEN, authorized};
use crate::support::{Caller, TestApp, logs};

pub const THEM: &str = "https://login.corp.example";
/// The start of the tests' clock, in seconds since 1970.
const NOW: i64 = 1_767_323_045;

static EC: LazyLock<Seal> = LazyLock::new(Seal::new_ec);

/// Settings with an issuer whose keys are there.
pub fn believing(jwks: JwksSource) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.outside_issuer = Some(OutsideSettings {
            issuer: THEM.to_owned(),
            audience: "credenza".to_owned(),
            jwks,
            account_claim: "account_id".to_owned(),
            made_keys_last: std::time::Duration::from_hours(24),
        });
    }
}

/// A file with these keys.
pub fn file_of(keys: &[Value]) -> JwksSource {
    let path = scratch_folder("jwks").join("jwks.json");
    std::fs::write(&path, json!({"keys": keys}).to_string()).unwrap();
    JwksSource::File(path)
}

pub fn claims(account: impl Into<Value>) -> Value {
    json!({
        "iss": THEM, "aud": "credenza", "sub": "u-17", "email": "ann@corp.example", "email_verified": true, "exp": NOW + 60, "iat": NOW,
        "scope": "credentials:read credentials:write", "account_id": account.into(),
    })
}

fn account_of(caller: &Caller<'_>) -> Value {
    json!(caller.account)
}

async fn start() -> TestApp {
    TestApp::start_with(believing(file_of(&[FOREIGN_RSA.jwk("rsa-1"), EC.jwk("ec-1")]))).await
}

#[track_caller]
fn with(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn tokens_of_both_algorithms_are_their_accounts_with_the_scopes_that_they_name() {
    let app = start().await;
    let caller = app.account("owner@platform.example").await;
    let account = account_of(&caller);
    for token in [
        FOREIGN_RSA.token("rsa-1", &claims(account.clone())),
        EC.token("ec-1", &claims(account.clone())),
        EC.token("ec-1", &claims(account.to_string())),
        EC.token("ec-1", &with(claims(account.clone()), &json!({"aud": ["others", "credenza"]}))),
        EC.token("ec-1", &with(claims(account.clone()), &json!({"exp": 1_767_323_105.5, "nbf": NOW}))),
    ] {
        let me = app.me(&token).await.expect(200);
        assert_eq!((&me["id"], &me["auth_method"]), (&account, &json!("oauth2_external")));
        assert_eq!(me["scopes"], json!(["credentials:read", "credentials:write"]));
    }
    let none = with(claims(account), &json!({"scope": "openid email"}));
    let token = EC.token("ec-1", &none);
    assert_eq!(app.me(&token).await.expect(200)["scopes"], json!([]));
    let bearer = format!("Bearer {token}");
    let refused = app.send(authorized("/extra/v2/credentials", &[bearer.as_bytes()])).await;
    refused.expect_error(403, "The scope credentials:read is required");
}

#[tokio::test]
async fn the_record_names_the_person() {
    let app = start().await;
    let caller = app.account("owner@platform.example").await;
    for (supplier, changes, person) in [
        ("HIT", json!({}), "ann@corp.example"),
        ("SanMar", json!({"email": null}), "u-17"),
        // An address that the issuer has not verified may be anybody's.
        ("PCNA", json!({"email_verified": false}), "u-17"),
        ("alphabroder", json!({"email_verified": null}), "u-17"),
    ] {
        let token = FOREIGN_RSA.token("rsa-1", &with(claims(account_of(&caller)), &changes));
        let body = json!({"supplier_code": supplier, "production_username": "u", "production_password": "p"});
        let mut request = app.nobody().request(axum::http::Method::POST, "/extra/v2/credentials", Some(body));
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        app.send(request).await.expect(201);
        let audit = caller.get(&format!("/extra/v2/credentials/{supplier}/audit")).await.expect(200);
        assert!(audit.to_string().contains(&format!(r#""created_by":"{person}""#)), "{audit}");
    }
}

#[tokio::test]
async fn an_account_that_sleeps_or_does_not_exist_is_refused_with_the_same_bytes() {
    let app = start().await;
    let caller = app.account("owner@platform.example").await;
    let token = EC.token("ec-1", &claims(account_of(&caller)));
    app.me(&token).await.expect(200);
    app.sql_authenticated(&format!("update accounts set is_active = false where id = {}", caller.account)).await;
    app.feed_has_caught_up().await;
    let nobodys = EC.token("ec-1", &claims(4_711_000));
    for token in [token, nobodys] {
        app.me(&token).await.expect_text(403, r#"{"detail":"Account is inactive"}"#);
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_audience_or_time_is_refused() {
    let app = start().await;
    let good = claims(account_of(&app.account("owner@platform.example").await));
    let (kid, ours) = app.signing_key().await;
    let mut tokens: Vec<_> = [
        json!({"aud": "someone-else"}),
        json!({"aud": ["someone-else"]}),
        json!({"aud": null}),
        json!({"iss": "https://login.corp.example/"}),
        json!({"iss": ISSUER, "aud": ISSUER}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"exp": NOW}),
        json!({"exp": null}),
        json!({"exp": (NOW + 60).to_string()}),
        json!({"exp": -1}),
        json!({"nbf": NOW + 1}),
        json!({"nbf": "0"}),
        // The operator is nobody's account.
        json!({"account_id": 0}),
        json!({"account_id": -1}),
        json!({"account_id": 1.5}),
        json!({"account_id": ""}),
        json!({"account_id": "1 "}),
        json!({"account_id": [1]}),
        json!({"account_id": null}),
    ]
    .iter()
    .map(|changes| EC.token("ec-1", &with(good.clone(), changes)))
    .collect();
    let header = |changes: &Value| with(json!({"alg": "ES256", "kid": "ec-1"}), changes).to_string();
    let text = good.to_string();
    tokens.extend([
        // Each key under the other's name, and one that is neither.
        FOREIGN_RSA.token("ec-1", &good),
        EC.token("rsa-1", &good),
        Seal::new_ec().token("ec-1", &good),
        // Ours is theirs as little as theirs is ours.
        ours.token("rsa-1", &good),
        FOREIGN_RSA.token(&kid, &good),
        ours.token(&kid, &good),
        EC.token_with(&header(&json!({"kid": null})), &text),
        EC.token_with(&header(&json!({"jku": "http://127.0.0.1:9/"})), &text),
        EC.token_with(&header(&json!({"jwk": EC.jwk("ec-1")})), &text),
        // What must be understood to be believed, and is not (RFC 7515 §4.1.11).
        EC.token_with(&header(&json!({"crit": ["exp"], "exp": 1})), &text),
        EC.token_with(&header(&json!({"alg": "ES384"})), &text),
        Seal::Nothing.token("ec-1", &good),
    ]);
    tokens.extend(FOREIGN_RSA.public_forms().into_iter().map(|secret| Seal::Hmac(secret).token("rsa-1", &good)));
    for token in &tokens {
        let answer = app.me(token).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, BAD_TOKEN), "{token}");
    }
    let log = logs::so_far();
    assert!(tokens.iter().all(|token| !log.contains(token.split('.').nth(1).unwrap())));
    app.me(&EC.token("ec-1", &good)).await.expect(200);
}

#[tokio::test]
async fn an_outside_key_with_the_id_of_one_of_ours_is_not_used() {
    let app = TestApp::start().await;
    let (kid, _) = app.signing_key().await;
    let caller = app.account("owner@platform.example").await;
    let client = caller.client().await;
    let mut settings = app.app.settings.clone();
    believing(file_of(&[FOREIGN_RSA.jwk(&kid)]))(&mut settings);
    let believing = app.other_router(settings);
    let ours = json!({
        "iss": ISSUER, "aud": ISSUER, "sub": client.client_id, "iat": NOW, "exp": NOW + 60,
        "jti": uuid::Uuid::now_v7(), "scope": "credentials:read", "account_id": caller.account,
    });
    for claims in [ours, claims(account_of(&caller))] {
        let bearer = format!("Bearer {}", FOREIGN_RSA.token(&kid, &claims));
        app.send_to(&believing, authorized("/me", &[bearer.as_bytes()])).await.expect_text(403, BAD_TOKEN);
    }
    let bearer = format!("Bearer {}", app.token(&client).await);
    app.send_to(&believing, authorized("/me", &[bearer.as_bytes()])).await.expect(200);
}

#[tokio::test]
async fn the_account_may_stand_in_any_claim() {
    for claim in ["https://credenza.example/account", "sub", "account_id"] {
        let file = file_of(&[EC.jwk("ec-1")]);
        let app = TestApp::start_with(|settings| {
            believing(file)(settings);
            settings.outside_issuer.as_mut().unwrap().account_claim = claim.to_owned();
        })
        .await;
        let caller = app.account("owner@platform.example").await;
        let claims = with(claims(0), &json!({claim: caller.account.to_string()}));
        assert_eq!(app.me(&EC.token("ec-1", &claims)).await.expect(200)["id"], account_of(&caller), "{claim}");
    }
}

#[tokio::test]
async fn without_settings_no_outside_token_is_accepted() {
    let app = TestApp::start().await;
    let caller = app.account("owner@platform.example").await;
    app.me(&EC.token("ec-1", &claims(account_of(&caller)))).await.expect_text(403, BAD_TOKEN);
}
