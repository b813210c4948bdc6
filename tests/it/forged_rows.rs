//! Somebody who writes the database changes for what a default login may be used, how long a signing key signs, who a user is and
//! which origins are allowed. It gives no right, and `credenza verify` names the row.

use axum::http::{HeaderValue, Method};
use credenza::accounts::users::{self, HashedPassword};
use credenza::api_credentials::NewKey;
use credenza::api_key::Kind;
use credenza::error::{Error, OpenError};
use credenza::principal::Actor;
use credenza::types::{Email, Environment, Name, Service};
use credenza::work::Work;
use serde_json::json;

use crate::forged_rights::unauthentic;
use crate::support::TestApp;
use crate::support::oauth::BAD_TOKEN;
use crate::support::operator::{self, rotate_signing_key};

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

#[tokio::test]
async fn a_default_login_whose_services_somebody_changes_is_an_error_and_is_named() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    app.supplier("HIT", "Hit", "PO").await;
    app.set_default("HIT", Environment::Production, &[Service::Inv, Service::Po], ("shared", "shared")).await;
    let status = async |service| caller.resolve("HIT", service, "PROD").await.status.as_u16();
    assert_eq!([status("INV").await, status("PO").await, status("OSN").await], [200, 403, 403]);
    app.sql("create table saved as table default_credentials").await;
    for change in [
        "update default_credentials set services = services || '{OSN}'",
        "update default_credentials set services = '{INV}'",
        "update suppliers set excluded_services = '{}' where code = 'HIT'",
        "update suppliers set excluded_services = '{MED}' where code = 'HIT'",
        "update default_credentials set mac = null",
        "update default_credentials set environment = 'STAGING'; insert into default_credentials
             select supplier_code, 'PROD', services, username, password, created_at, modified_on, mac from saved_staging",
    ] {
        if change.contains("saved_staging") {
            app.set_default("HIT", Environment::Staging, &Service::ALL, ("shared", "shared")).await;
            app.sql("create table saved_staging as select * from default_credentials where environment = 'STAGING'").await;
            app.sql("delete from default_credentials where environment = 'STAGING'").await;
        }
        app.sql(change).await;
        app.forget();
        for service in ["INV", "PO", "OSN"] {
            assert_eq!(status(service).await, 500, "{change}");
        }
        assert!(unauthentic(&app).await.contains(&"default_credentials 0".to_owned()), "{change}");
        app.sql(
            "delete from default_credentials; insert into default_credentials table saved;
             update suppliers set excluded_services = '{PO}' where code = 'HIT'",
        )
        .await;
        app.forget();
        assert_eq!([status("INV").await, status("PO").await], [200, 403]);
    }
    // The operator changes both.
    app.supplier("HIT", "Hit", "INV").await;
    assert_eq!([status("INV").await, status("PO").await], [403, 200]);
    app.set_default("HIT", Environment::Production, &[Service::Osn], ("shared", "shared")).await;
    assert_eq!([status("INV").await, status("PO").await, status("OSN").await], [403, 403, 200]);
    assert_eq!(unauthentic(&app).await, [""; 0]);
    // An import of the directory does not authenticate what somebody else wrote.
    app.sql("update default_credentials set services = '{PO}'").await;
    app.supplier("HIT", "Hit", "MED").await;
    assert_eq!(status("PO").await, 500);
}

#[tokio::test]
async fn a_signing_key_whose_moments_somebody_changes_verifies_and_signs_nothing() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let old = app.token(&client).await;
    rotate_signing_key(&app.app).await.unwrap();
    let new = app.token(&client).await;
    app.sql("create table saved as table signing_keys").await;
    app.sql("update signing_keys set expires_at = expires_at + interval '10 years' where retired_at is not null").await;
    app.feed_has_caught_up().await;
    app.me(&old).await.expect_text(403, BAD_TOKEN);
    app.me(&new).await.expect(200);
    assert_eq!(unauthentic(&app).await, ["signing_keys 0"]);
    // The retired key signs again, and the other one does not.
    app.sql(
        "delete from signing_keys where retired_at is null;
         update signing_keys set retired_at = null, expires_at = null, created_at = created_at - interval '1 second'",
    )
    .await;
    app.feed_has_caught_up().await;
    assert_eq!(app.me(&old).await.status, 500);
    assert_eq!(app.ask_token(&client, &[]).await.status, 500);
    // A rotation puts another key in its place, which the old tokens gain nothing by.
    rotate_signing_key(&app.app).await.unwrap();
    app.me(&old).await.expect_text(403, BAD_TOKEN);
    app.me(&app.token(&client).await).await.expect(200);
    app.sql("delete from signing_keys; insert into signing_keys table saved").await;
    app.feed_has_caught_up().await;
    app.me(&old).await.expect(200);
    assert_eq!(unauthentic(&app).await, [""; 0]);
}

#[tokio::test]
async fn a_user_whose_row_somebody_changes_owns_nothing_new_and_is_named() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let made_for_the_oldest = async || {
        let new = NewKey::new(Name::parse("k").unwrap(), Kind::Private, vec![]);
        operator::create_key(&app.app, owner.account, &new).await.map(|(key, _)| key.created_by)
    };
    assert_eq!(made_for_the_oldest().await.unwrap(), "devs@platform.example");
    app.sql(
        "create table saved as table users;
         insert into users (account_id, id, email, created_at)
         select account_id, gen_random_uuid(), 'stranger@elsewhere.example', '2001-01-01' from users",
    )
    .await;
    assert!(matches!(made_for_the_oldest().await, Err(Error::Unreadable(OpenError::Rejected))));
    // A caller's key names its own user.
    let body = json!({"name": "x"});
    owner.post("/extra/v2/oauth-clients", body.clone()).await.expect(201);
    assert_eq!(unauthentic(&app).await, [format!("users {}", owner.account)]);
    app.sql("delete from users where email = 'stranger@elsewhere.example'; update users set created_at = '2001-01-01'")
        .await;
    owner.post("/extra/v2/oauth-clients", body).await.expect_error(500, "Internal server error");
    assert_eq!(unauthentic(&app).await, [format!("users {}", owner.account)]);
}

#[tokio::test]
async fn a_password_that_somebody_writes_into_the_row_of_a_user_is_wrong() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let (mine, theirs) = (email("thief@platform.example"), email("devs@platform.example"));
    let known = HashedPassword::of("correct horse battery".into()).await.unwrap();
    let make = async |work: &mut Work<'_>| users::create(work, &mine, Some(&known)).await;
    Work::carry_out(&app.app, &Actor::operator(), owner.account, make).await.unwrap();
    let is_right = async |whose: &Email| {
        users::verify_password(&app.app, owner.account, whose, "correct horse battery".into()).await.unwrap()
    };
    assert!(is_right(&mine).await && !is_right(&theirs).await);
    app.sql("update users set password_hash = (select max(password_hash) from users)").await;
    assert!(is_right(&mine).await && !is_right(&theirs).await);
}

#[tokio::test]
async fn an_origin_that_somebody_writes_into_an_account_is_not_allowed() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let preflight = async || {
        let mut request = owner.request(Method::OPTIONS, "/extra/v2/suppliers", None);
        let headers = request.headers_mut();
        headers.insert("origin", HeaderValue::from_static("https://elsewhere.example"));
        headers.insert("access-control-request-method", HeaderValue::from_static("GET"));
        app.send(request).await.status.as_u16()
    };
    app.sql("update accounts set allowed_origins = '{https://elsewhere.example}' where id <> 0").await;
    app.forget();
    assert_eq!(preflight().await, 403);
    app.sql_authenticated("").await;
    app.forget();
    assert_eq!(preflight().await, 204);
}

#[tokio::test]
async fn a_token_works_on_without_the_note_that_it_was_revoked_but_not_without_its_client() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let client = owner.client().await;
    let token = app.token(&client).await;
    app.revoke_token(&client, &token).await;
    app.me(&token).await.expect_text(403, BAD_TOKEN);
    app.sql("delete from revoked_tokens").await;
    app.feed_has_caught_up().await;
    app.me(&token).await.expect(200);
    owner.delete(&format!("/extra/v2/oauth-clients/{}", client.id)).await.expect(204);
    app.me(&token).await.expect_text(403, BAD_TOKEN);
    app.sql("update oauth_clients set revoked_at = null").await;
    app.feed_has_caught_up().await;
    app.me(&token).await.expect_text(403, BAD_TOKEN);
}
