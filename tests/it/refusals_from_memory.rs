//! A secret that was revoked and one that never was take the same way, so that the time reveals nothing: one look
//! into the database the first time, and none from then on. Seen by closing the database after the first look.

use credenza::api_credentials;
use credenza::api_key::{ApiKey, Kind};
use credenza::principal::Scope;

use crate::support::TestApp;
use crate::support::oauth::{BAD_TOKEN, CLIENTS, Client};
use crate::support::operator;

const BAD_KEY: &str = r#"{"detail":"Invalid API key"}"#;

#[tokio::test]
async fn revoked_and_unknown_keys_are_both_refused_without_a_second_look() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let revoked = caller.with_scopes(&Scope::ALL).await;
    let id = api_credentials::list(&app.app, caller.account).await.unwrap().last().unwrap().id;
    operator::revoke_key(&app.app, caller.account, id).await.unwrap();
    let unknown = caller.with_key(ApiKey::generate(Kind::Private).expose());
    app.feed_has_caught_up().await;
    for key in [&revoked, &unknown] {
        key.get("/me").await.expect_text(403, BAD_KEY);
    }
    app.app.pool.close().await;
    for key in [&revoked, &unknown] {
        key.get("/me").await.expect_text(403, BAD_KEY);
    }
    // The proof that a look would have been noticed.
    caller.with_key(ApiKey::generate(Kind::Private).expose()).get("/me").await.expect(503);
}

#[tokio::test]
async fn revoked_and_unknown_clients_and_wrong_secrets_are_refused_without_a_second_look() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (client, revoked) = (caller.client().await, caller.client().await);
    caller.delete(&format!("{CLIENTS}/{}", revoked.id)).await.expect(204);
    let wrong = client.with_secret(ApiKey::generate(Kind::ClientSecret).expose());
    let unknown = Client { client_id: "czc_000000000000000000000000".to_owned(), ..client.clone() };
    app.feed_has_caught_up().await;
    for client in [&wrong, &revoked, &unknown] {
        app.ask_token(client, &[]).await.expect(401);
    }
    app.app.pool.close().await;
    for client in [&wrong, &revoked, &unknown] {
        app.ask_token(client, &[]).await.expect(401);
    }
    let unseen = Client { client_id: "czc_000000000000000000000001".to_owned(), ..client.clone() };
    app.ask_token(&unseen, &[]).await.expect(503);
}

#[tokio::test]
async fn revoked_tokens_and_those_of_revoked_clients_are_refused_without_a_second_look() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (client, gone) = (caller.client().await, caller.client().await);
    let (good, revoked, orphan) = (app.token(&client).await, app.token(&client).await, app.token(&gone).await);
    app.revoke_token(&client, &revoked).await;
    caller.delete(&format!("{CLIENTS}/{}", gone.id)).await.expect(204);
    app.feed_has_caught_up().await;
    for token in [&revoked, &orphan] {
        app.me(token).await.expect_text(403, BAD_TOKEN);
    }
    app.app.pool.close().await;
    for token in [&revoked, &orphan] {
        app.me(token).await.expect_text(403, BAD_TOKEN);
    }
    app.me(&good).await.expect(503);
}
