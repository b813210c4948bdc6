//! The keys that sign tokens: made when first needed, sealed in the database, rotated on command, and forgotten when their
//! last token has run out.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use crate::api_keys::hex;
use crate::support::TestApp;
use crate::support::forge::{Seal, part_of};
use crate::support::oauth::{BAD_TOKEN, form};
use crate::support::operator::rotate_signing_key;

const SECOND: Duration = Duration::from_secs(1);
/// All of a day but one second.
const ALMOST_A_DAY: Duration = Duration::from_secs(86_399);

/// The ids of the published keys.
async fn published(app: &TestApp) -> BTreeSet<String> {
    let set = app.nobody().get("/.well-known/jwks.json").await.expect(200);
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid_of(token: &str) -> String {
    part_of(token, 0)["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_old_key_verifies_until_its_last_token_has_run_out_and_is_published_as_long() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client_of(json!({"name": "nightly", "access_token_ttl": 86_400})).await;
    let old = app.token(&client).await;
    let rotated = rotate_signing_key(&app.app).await.unwrap();
    let new = app.token(&client).await;
    assert_eq!(kid_of(&new), rotated);
    assert_eq!(published(&app).await, BTreeSet::from([kid_of(&old), kid_of(&new)]));

    app.advance(ALMOST_A_DAY);
    app.me(&old).await.expect(200);
    app.me(&new).await.expect(200);
    let newest = app.token(&client).await;
    app.advance(SECOND);
    app.me(&old).await.expect_text(403, BAD_TOKEN);
    app.me(&newest).await.expect(200);
    assert_eq!(published(&app).await, BTreeSet::from([rotated]));
    // The next rotation clears the table of it.
    rotate_signing_key(&app.app).await.unwrap();
    assert_eq!(app.rows("select kid from signing_keys").await.len(), 2);
}

#[tokio::test]
async fn a_rotation_is_the_operators_and_stands_in_the_record() {
    let app = TestApp::start().await;
    rotate_signing_key(&app.app).await.unwrap();
    let events = app.rows("select account_id, user_email from audit_events where action = 'signing_key.rotated'").await;
    assert_eq!(events, [json!({"account_id": 0, "user_email": null})]);
}

#[tokio::test]
async fn many_first_tokens_at_once_make_one_key() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let request = || form("/oauth/token", Some(&client.basic()), &[("grant_type", "client_credentials")]);
    let answers = app.send_at_once((0..12).map(|_| request())).await;
    let tokens: Vec<_> =
        answers.iter().map(|answer| answer.expect(200)["access_token"].as_str().unwrap().to_owned()).collect();
    let kids: BTreeSet<_> = tokens.iter().map(|token| kid_of(token)).collect();
    assert_eq!(kids, published(&app).await);
    assert_eq!(app.rows("select kid from signing_keys").await.len(), 1);
    for token in &tokens {
        app.me(token).await.expect(200);
    }
}

#[tokio::test]
async fn the_private_half_is_sealed() {
    let app = TestApp::start().await;
    let (kid, seal) = app.signing_key().await;
    let Seal::Rsa(pair) = &seal else { panic!() };
    let rows = app.rows("select encode(private_key, 'hex') as sealed, public_jwk from signing_keys").await;
    let stored = rows[0]["sealed"].as_str().unwrap();
    let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(pair).unwrap();
    let der = der.as_ref();
    // Behind the header of the format stands the public half; the rest of the DER is what nobody may have.
    for piece in der.windows(48).skip(400).step_by(16) {
        for form in [piece.to_vec(), BASE64_STANDARD.encode(piece).into_bytes()] {
            assert!(!stored.contains(&hex(&form)));
        }
    }
    assert!(!stored.contains(&hex(b"PRIVATE KEY")));
    let public = &rows[0]["public_jwk"];
    assert_eq!(public["kid"], kid);
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
    assert!(der.windows(modulus.len()).any(|window| window == modulus), "the key that was opened is this row's");
}

#[tokio::test]
async fn a_key_that_was_moved_to_another_row_does_not_open() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    app.token(&client).await;
    app.sql("update signing_keys set kid = 'another'").await;
    app.feed_has_caught_up().await;
    app.ask_token(&client, &[]).await.expect_error(500, "Internal server error");
}

#[tokio::test]
async fn a_key_of_another_process_is_known_here_at_once() {
    let app = TestApp::start().await;
    let client = app.account("devs@platform.example").await.client().await;
    let old = app.token(&client).await;
    let other = app.other_process().await;
    let kid = rotate_signing_key(&other).await.unwrap();
    assert_eq!(kid_of(&app.token(&client).await), kid);
    app.me(&old).await.expect(200);
}

#[tokio::test]
async fn rotations_at_once_follow_one_another() {
    let app = TestApp::start().await;
    let first = kid_of(&app.token(&app.account("devs@platform.example").await.client().await).await);
    let (one, other) = tokio::join!(rotate_signing_key(&app.app), rotate_signing_key(&app.app));
    // Both told the operator of a key, so both keys have to be there, and one signs.
    assert_eq!(published(&app).await, BTreeSet::from([first, one.unwrap(), other.unwrap()]));
    assert_eq!(app.rows("select kid from signing_keys where retired_at is null").await.len(), 1);
}
