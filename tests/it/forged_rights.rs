//! Somebody who can write every table and has none of the secrets: what they write gives no right and no password, and
//! `credenza verify` names it.

use credenza::postgres::{self, Tenant};
use credenza::principal::Scope;
use credenza::types::AccountId;
use credenza::{rights, rotation};
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use crate::support::app::ISSUER;
use crate::support::forge::{FOREIGN_RSA, forged, thumbprint};
use crate::support::oauth::{BAD_TOKEN, Client};
use crate::support::operator::rotate_signing_key;
use crate::support::{TestApp, logs};

/// The start of the tests' clock, in seconds since 1970.
const NOW: i64 = 1_767_323_045;

/// Faults that `credenza verify` finds, as it prints them.
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

/// The faults of rows whose rights are not authentic: table and account.
pub async fn unauthentic(app: &TestApp) -> Vec<String> {
    let mut connection = postgres::begin(&app.app.pool, Tenant::Every).await.unwrap();
    let rows = rights::find_unauthentic(&mut connection, &app.app.pepper).await.unwrap();
    rows.iter().map(|row| format!("{} {}", row.table, row.account)).collect()
}

#[tokio::test]
async fn a_key_whose_row_somebody_changes_gives_no_right_and_is_named() {
    let app = TestApp::start().await;
    let victim = app.account("devs@platform.example").await;
    let thief = app.account("thief@elsewhere.example").await;
    let read = thief.with_scopes(&[Scope::CredentialsRead]).await;
    let mine = format!("last_four = '{}'", &read.key.as_ref().unwrap()[49..]);
    app.sql("create table saved as table api_keys").await;
    for change in [
        "scopes = scopes || '{credentials:resolve}'",
        "is_operator = true",
        "allowed_ips = '{0.0.0.0/0}'",
        "expires_at = now() + interval '10 years'",
        "revoked_at = now() - interval '1 day'",
        "user_id = gen_random_uuid()",
        "mac = null",
        "mac = decode(repeat('00', 32), 'hex')",
    ] {
        // Without the constraint that the user is there: the copy is put back.
        app.sql(&format!("set session_replication_role = replica; update api_keys set {change} where {mine}")).await;
        app.forget();
        let answer = read.get("/extra/v2/credentials").await;
        assert_eq!(answer.status, 403, "{change}: {answer:?}");
        let named = unauthentic(&app).await;
        if !change.starts_with("user_id") {
            assert_eq!(named, [format!("api_keys {}", thief.account)], "{change}");
        }
        app.sql("set session_replication_role = replica; delete from api_keys; insert into api_keys table saved").await;
        app.forget();
        read.get("/extra/v2/credentials").await.expect(200);
    }
    // The thief's own hash in a row of the victim's, in place of the thief's own.
    app.sql(&format!(
        "update api_keys set hash = (select hash from saved where {mine}) where account_id = {};
         delete from api_keys where {mine}",
        victim.account
    ))
    .await;
    app.forget();
    read.get("/me").await.expect_error(403, "Invalid API key");
}

#[tokio::test]
async fn a_client_or_secret_whose_row_somebody_changes_gives_no_right_and_is_named() {
    let app = TestApp::start().await;
    let victim = app.account("devs@platform.example").await;
    let theirs = victim.client().await;
    let thief = app.account("thief@elsewhere.example").await;
    let mine = thief.client_with("audit:read").await;
    let token = app.token(&mine).await;
    app.sql(&format!("update oauth_clients set scopes = '{{credentials:write}}' where id = '{}'", mine.id)).await;
    app.forget();
    app.me(&token).await.expect_text(403, BAD_TOKEN);
    assert_eq!(app.ask_token(&mine, &[]).await.expect(401)["error"], "invalid_client");
    assert_eq!(unauthentic(&app).await, [format!("oauth_clients {}", thief.account)]);
    // The thief's own secret for the victim's client.
    app.sql(&format!(
        "insert into oauth_client_secrets (account_id, client, hash, created_at, mac)
         select {}, '{}', hash, now(), mac from oauth_client_secrets where client = '{}'",
        victim.account, theirs.id, mine.id
    ))
    .await;
    app.forget();
    let answer = app.ask_token(&theirs.with_secret(&mine.secret), &[]).await;
    assert_eq!(answer.expect(401)["error"], "invalid_client");
    app.token(&theirs).await;
    assert!(unauthentic(&app).await.contains(&format!("oauth_client_secrets {}", victim.account)));
    // A rotation by the victim does not authenticate it.
    victim.rotate_client(&theirs, 3600).await;
    let answer = app.ask_token(&theirs.with_secret(&mine.secret), &[]).await;
    assert_eq!(answer.expect(401)["error"], "invalid_client");
}

#[tokio::test]
async fn an_account_whose_row_somebody_changes_gives_no_right_and_is_named() {
    let app = TestApp::start().await;
    let victim = app.account("devs@platform.example").await;
    let thief = app.account("thief@elsewhere.example").await.with_scopes(&Scope::ALL).await;
    let child = app.subaccount(&thief, "client-a").await;
    app.sql("create table saved as table accounts").await;
    // The victim as a sub-account of the thief's.
    app.sql(&format!(
        "update accounts set parent_id = {}, external_customer_id = 'x' where id = {}",
        thief.account, victim.account
    ))
    .await;
    app.forget();
    let call = json!({"account_id": victim.account, "supplier_code": "HIT", "service": "INV", "environment": "PROD"});
    thief.post("/internal/v1/resolve", call).await.expect(403);
    thief.acting_for(victim.account).get("/extra/v2/credentials").await.expect(403);
    let keys = format!("/extra/v2/subaccounts/{}/api-keys", victim.account);
    // Not a genuine key either, which would work when the row is put back.
    thief.post(&keys, json!({})).await.expect(404);
    assert_eq!(unauthentic(&app).await, [format!("accounts {}", victim.account)]);
    victim.get("/me").await.expect_error(403, "Account is inactive");
    for change in [
        "subaccounts_enabled = not subaccounts_enabled",
        "plan = 'standard'",
        "allowed_origins = '{https://elsewhere.example}'",
    ] {
        app.sql(
            "update accounts a set parent_id = s.parent_id, external_customer_id = s.external_customer_id, \
                 subaccounts_enabled = s.subaccounts_enabled, plan = s.plan, allowed_origins = s.allowed_origins \
                 from saved s where s.id = a.id",
        )
        .await;
        app.forget();
        victim.get("/me").await.expect(200);
        app.sql(&format!("update accounts set {change} where id = {}", victim.account)).await;
        app.forget();
        victim.get("/me").await.expect_error(403, "Account is inactive");
    }
    // A sub-account that was deactivated, activated by hand.
    thief.delete(&format!("/extra/v2/subaccounts/{}", child.account)).await.expect(204);
    app.sql(&format!("update accounts set is_active = true where id = {}", child.account)).await;
    app.forget();
    child.get("/me").await.expect_error(403, "Account is inactive");
}

#[tokio::test]
async fn an_old_row_that_is_put_back_as_a_whole_is_what_it_was() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let (id, key) = owner.make_key("/extra/v2/api-keys", json!({})).await;
    app.sql("create table saved as table api_keys").await;
    owner.delete(&format!("/extra/v2/api-keys/{id}")).await.expect(204);
    owner.with_key(&key).get("/me").await.expect(403);
    app.sql(&format!(
        "delete from api_keys where id = '{id}'; insert into api_keys select * from saved where id = '{id}'"
    ))
    .await;
    app.forget();
    owner.with_key(&key).get("/me").await.expect(200);
}

#[tokio::test]
async fn rows_that_are_older_than_their_macs_are_authenticated_once() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let client = owner.client().await;
    let resolver = app.account_that_resolves("resolver@platform.example").await;
    let pair = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    resolver.post("/extra/v2/credentials", pair).await.expect(201);
    // As an installation is before the upgrade.
    app.sql(
        "update accounts set mac = null; update api_keys set mac = null; update oauth_clients set mac = null;
         update oauth_client_secrets set mac = null; delete from credential_manifests; delete from authenticated_rights",
    )
    .await;
    app.forget();
    owner.get("/me").await.expect(403);
    let role = &app.database.admin;
    assert!(rights::authenticate_older(role, &app.app.pepper).await.unwrap() >= 4);
    app.forget();
    owner.get("/me").await.expect(200);
    app.me(&app.token(&client).await).await.expect(200);
    resolver.resolve("HIT", "INV", "PROD").await.expect(200);
    app.sql("delete from supplier_credentials").await;
    app.forget();
    resolver.resolve("HIT", "INV", "PROD").await.expect(500);
    // Not a second time, whatever somebody has written since.
    app.sql("update api_keys set mac = null").await;
    assert_eq!(rights::authenticate_older(role, &app.app.pepper).await.unwrap(), 0);
    app.forget();
    owner.get("/me").await.expect(403);
    // And the application's role cannot ask for it.
    let mut connection = app.database.application.connect().await.unwrap();
    let refused = sqlx::query("delete from authenticated_rights").execute(&mut connection).await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
}
