//! An account with a pair at every level, and the pair that a resolve returns: for tests that wait for a change.

use std::time::{Duration, Instant};

use credenza::types::{Environment, Service};
use serde_json::json;

use super::app::TestApp;
use super::caller::Caller;
use super::program::a_moment;

/// Longest wait for a change that arrives through the feed, which takes milliseconds on a quiet machine. Without the feed
/// an entry would stay for a day.
pub const SOON: Duration = super::program::PATIENCE;

/// An account with something at every level for HIT, and a parent.
pub async fn furnished(app: &TestApp) -> Caller<'_> {
    let caller = app.account_that_resolves("devs@child.example").await;
    let parent = app.account("devs@parent.example").await;
    app.sql_authenticated(&format!(
        "update accounts set external_customer_id = id::text, parent_id = {} where id = {}",
        parent.account, caller.account
    ))
    .await;
    let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "base"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    let own = json!({"service": "INV", "environment": "PROD", "username": "u", "password": "own"});
    caller.post("/extra/v2/credentials/HIT/services", own).await.expect(201);
    app.set_default("HIT", Environment::Production, &Service::ALL, ("u", "shared")).await;
    app.set_default("HIT", Environment::Staging, &Service::ALL, ("u", "shared")).await;
    app.feed_has_caught_up().await;
    caller
}

/// The password, or the status, of a call that each level answers: service, account, default.
pub async fn seen(caller: &Caller<'_>) -> String {
    let mut seen = Vec::new();
    for (service, environment) in [("INV", "PROD"), ("Product", "PROD"), ("MED", "STAGING")] {
        let answer = caller.resolve("HIT", service, environment).await;
        let password = answer.json()["password"].as_str().map(str::to_owned);
        seen.push(password.unwrap_or_else(|| answer.status.as_u16().to_string()));
    }
    seen.join(" ")
}

pub async fn soon_sees(caller: &Caller<'_>, expected: &str, after: &str) {
    let start = Instant::now();
    loop {
        let seen = seen(caller).await;
        if seen == expected {
            return;
        }
        assert!(start.elapsed() < SOON, "still `{seen}`, not `{expected}`, after: {after}");
        a_moment().await;
    }
}
