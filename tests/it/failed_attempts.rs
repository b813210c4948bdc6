//! An address that goes on failing gets 429, and costs the database nothing; keys that are good go on working.

use credenza::api_key::{ApiKey, Kind};
use credenza::types::ClientAddress;
use serde_json::json;

use crate::support::TestApp;

const PATH: &str = "/extra/v2/credentials";
const ATTACKER: &str = "198.51.100.7";

/// Fails for the address until it has had one failure too many.
fn exhaust(app: &TestApp) {
    let address = ClientAddress::read(ATTACKER.as_bytes());
    assert!((0..10_000).any(|_| app.app.failed_attempts.too_many(&address)));
}

#[tokio::test]
async fn one_failure_too_many_is_429_and_a_good_key_in_use_works_from_there_all_the_same() {
    let app = TestApp::start().await;
    let good = app.account("devs@platform.example").await.from(ATTACKER);
    // What the feed still has to say of the new key would put it out of memory.
    app.feed_has_caught_up().await;
    good.get(PATH).await.expect(200);
    exhaust(&app);

    let refused = good.with_key("czs_noise").get(PATH).await;
    refused.expect_error(429, "Too many failed attempts, please slow down");
    assert_eq!(refused.header("retry-after"), Some("1"));
    good.get(PATH).await.expect(200);
    // Nobody else is meant.
    good.with_key("czs_noise").from("198.51.100.8").get(PATH).await.expect_error(403, "Invalid API key");
    // Presenting nothing is no attempt.
    good.with_no_key().get(PATH).await.expect_error(403, "Not authenticated");
}

#[tokio::test]
async fn nothing_is_looked_up_for_an_address_that_fails_too_often() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.from(ATTACKER);
    exhaust(&app);
    app.app.pool.close().await;
    // With the pool closed, a look-up would be 503.
    let unknown = ApiKey::generate(Kind::Private);
    caller.with_key(unknown.expose()).get(PATH).await.expect(429);
    let body = json!({"grant_type": "client_credentials", "client_id": "czc_aaaaaaaaaaaaaaaaaaaaaaaa",
                      "client_secret": ApiKey::generate(Kind::ClientSecret).expose()});
    caller.post("/oauth/token", body).await.expect(429);
}

#[tokio::test]
async fn a_client_in_use_gets_its_tokens_from_an_address_that_fails_too_often() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let made = caller.post("/extra/v2/oauth-clients", json!({"name": "c"})).await.expect(201);
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    let good = json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret});
    let wrong = json!({"grant_type": "client_credentials", "client_id": id,
                       "client_secret": ApiKey::generate(Kind::ClientSecret).expose()});
    let caller = caller.from(ATTACKER);
    // The first token makes the signing key, which puts everything out of memory.
    caller.post("/oauth/token", good.clone()).await.expect(200);
    app.feed_has_caught_up().await;
    caller.post("/oauth/token", good.clone()).await.expect(200);
    exhaust(&app);
    caller.post("/oauth/token", good).await.expect(200);
    // A failure comes back every twentieth of a second.
    let refused = caller.post("/oauth/token", wrong).await;
    assert!([401, 429].contains(&refused.status.as_u16()), "{refused:?}");
    let unknown = json!({"grant_type": "client_credentials", "client_id": "czc_aaaaaaaaaaaaaaaaaaaaaaaa",
                         "client_secret": ApiKey::generate(Kind::ClientSecret).expose()});
    caller.post("/oauth/token", unknown).await.expect(429);
}

#[tokio::test]
async fn keys_and_clients_in_use_go_on_when_everything_is_put_out_of_memory() {
    let app = TestApp::start().await;
    let good = app.account("devs@platform.example").await.from(ATTACKER);
    let made = good.post("/extra/v2/oauth-clients", json!({"name": "c"})).await.expect(201);
    let body = json!({"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["client_secret"]});
    good.post("/oauth/token", body.clone()).await.expect(200);
    exhaust(&app);
    app.forget();
    good.get(PATH).await.expect(200);
    good.post("/oauth/token", body).await.expect(200);
    // A key that nobody has used here is not looked up.
    let unknown = ApiKey::generate(Kind::Private);
    good.with_key(unknown.expose()).get(PATH).await.expect(429);
}
