//! Calls under way: so many at once at a host, fair between accounts; and rights that end while a call waits.

use std::sync::Arc;

use credenza::types::Environment;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::supplier::{Reply, Supplier, inventory};
use crate::support::{Caller, TestApp};

const INVENTORY: &str = "/v2.0.0/suppliers/HIT/inventory/1";

fn held(go_on: &Arc<Notify>) -> Reply {
    let Reply::Xml(_, body) = inventory("1", "1", "x") else { unreachable!() };
    Reply::Held(Arc::clone(go_on), body)
}

async fn start() -> (TestApp, Supplier, Arc<Notify>) {
    let app = TestApp::start().await;
    let go_on = Arc::new(Notify::new());
    let supplier = Supplier::start(held(&go_on)).await;
    supplier.serves_with(&app, "HIT", "INV", "2.0.0", Environment::Production, |row| row.concurrency = 1).await;
    (app, supplier, go_on)
}

async fn caller<'a>(app: &'a TestApp, email: &str) -> Caller<'a> {
    let caller = app.account(email).await;
    let base = json!({"supplier_code": "HIT", "production_username": "user", "production_password": "pass"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    caller
}

#[tokio::test]
async fn a_row_limits_the_calls_under_way_and_the_account_can_do_everything_else() {
    let (app, supplier, go_on) = start().await;
    let caller = caller(&app, "row@example.com").await;
    let calls = async { tokio::join!(caller.get(INVENTORY), caller.get(INVENTORY), caller.get(INVENTORY)) };
    let others = async {
        supplier.has_received(1).await;
        for _ in 0..20 {
            caller.get("/extra/v2/credentials").await.expect(200);
        }
        for received in 1..=3 {
            supplier.has_received(received).await;
            go_on.notify_one();
        }
    };
    let ((one, two, three), ()) = tokio::join!(calls, others);
    for answer in [one, two, three] {
        answer.expect(200);
    }
    assert_eq!((supplier.received().len(), supplier.most_under_way()), (3, 1));
}

#[tokio::test]
async fn a_key_that_is_revoked_while_its_call_waits_sends_nothing() {
    let (app, supplier, go_on) = start().await;
    let (one, other) = (caller(&app, "one@example.com").await, caller(&app, "other@example.com").await);
    let made = other.post("/extra/v2/api-keys", json!({"name": "short"})).await.expect(201);
    let short = other.with_key(made["key"].as_str().unwrap());
    let revoke = async {
        supplier.has_received(1).await;
        // The second call waits for the place of the first.
        while app.app.calls.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        other.delete(&format!("/extra/v2/api-keys/{}", made["id"].as_str().unwrap())).await.expect(204);
        go_on.notify_one();
    };
    let waiting = async {
        supplier.has_received(1).await;
        short.get(INVENTORY).await
    };
    let (first, second, ()) = tokio::join!(one.get(INVENTORY), waiting, revoke);
    first.expect(200);
    second.expect_error(403, "Invalid API key");
    assert_eq!(supplier.received().len(), 1);
}

#[tokio::test]
async fn a_login_that_is_replaced_while_its_call_waits_is_not_sent() {
    let (app, supplier, go_on) = start().await;
    let (one, other) = (caller(&app, "first@example.com").await, caller(&app, "second@example.com").await);
    let replace = async {
        supplier.has_received(1).await;
        while app.app.calls.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        let base = json!({"supplier_code": "HIT", "production_username": "user", "production_password": "new"});
        other.post("/extra/v2/credentials", base).await.expect(201);
        go_on.notify_one();
        supplier.has_received(2).await;
        go_on.notify_one();
    };
    let waiting = async {
        supplier.has_received(1).await;
        other.get(INVENTORY).await
    };
    let (first, second, ()) = tokio::join!(one.get(INVENTORY), waiting, replace);
    first.expect(200);
    second.expect(200);
    assert_eq!(supplier.last().login().1, "new");
}
