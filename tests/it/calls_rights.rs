//! Callers of suppliers: keys, tokens, parents, browsers, and logins of a request's own.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::api_key::Kind;
use credenza::principal::Scope;
use credenza::types::{Environment, Origin};
use serde_json::json;

use crate::support::supplier::{Supplier, inventory_says, product_says};
use crate::support::{Caller, TestApp, operator};

const INVENTORY: &str = "/v2.0.0/suppliers/HIT/inventory/1";
const PRODUCT: &str = "/v2.0.0/suppliers/HIT/products/1";

async fn start() -> (TestApp, Supplier) {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory_says(160, "No result")).await;
    for service in ["INV", "Product"] {
        supplier.serves(&app, "HIT", service, "2.0.0", Environment::Production).await;
    }
    (app, supplier)
}

async fn store(caller: &Caller<'_>, user: &str) {
    let base = json!({"supplier_code": "HIT", "production_username": user, "production_password": "pass"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn a_login_of_the_request_comes_first_and_is_never_a_key_of_ours() {
    let (app, supplier) = start().await;
    let caller = app.account("basic@example.com").await;
    store(&caller, "stored").await;
    let own = caller.with_header("authorization", &basic("own", "se:cret"));
    let answer = own.get(INVENTORY).await;
    answer.expect(200);
    assert_eq!(answer.header("x-credential-source"), Some("request"));
    assert_eq!(supplier.last().login(), ("own".to_owned(), "se:cret".to_owned()));
    // Half a pair is as good as none.
    caller.with_header("authorization", &basic("own", "")).get(INVENTORY).await.expect(200);
    assert_eq!(supplier.last().login().0, "stored");
    caller.with_header("authorization", "Bearer ").get(INVENTORY).await.expect(200);
    let garbled = caller.with_header("authorization", "Basic %%%").get(INVENTORY).await.expect(422);
    assert_eq!(garbled["detail"][0]["loc"], json!(["header", "authorization"]));
    // The reseller's form of our own keys does not work here.
    let key = caller.key.clone().unwrap();
    let id = caller.get("/extra/v2/api-keys").await.expect(200)["results"][0]["id"].as_str().unwrap().to_owned();
    let nobody = caller.with_no_key();
    nobody.with_header("authorization", &basic(&id, &key)).get(INVENTORY).await.expect_error(403, "Not authenticated");
    nobody.get(INVENTORY).await.expect_error(403, "Not authenticated");
    assert_eq!(supplier.received().len(), 3);
}

#[tokio::test]
async fn a_parent_calls_for_its_sub_account_with_the_sub_accounts_login() {
    let (app, supplier) = start().await;
    let parent = app.account("parent@example.com").await;
    let child = app.subaccount(&parent, "c-1").await;
    let stranger = app.account("stranger@example.com").await;
    store(&parent.acting_for(child.account), "of-the-child").await;
    parent.acting_for(child.account).get(INVENTORY).await.expect(200);
    assert_eq!(supplier.last().login().0, "of-the-child");
    parent.get(INVENTORY).await.expect(403);
    stranger.acting_for(child.account).get(INVENTORY).await.expect_error(403, "You may not act for this account");
    assert_eq!(supplier.received().len(), 1);
}

#[tokio::test]
async fn a_public_key_calls_for_products_and_media_from_its_origins_and_for_nothing_else() {
    let (app, supplier) = start().await;
    let caller = app.account("browser@example.com").await;
    store(&caller, "stored").await;
    let origin = Origin::parse("https://shop.example").unwrap();
    operator::set_allowed_origins(&app.app, caller.account, &[origin]).await.unwrap();
    let public = caller.with_key(&app.key(caller.account, Kind::Public, &[], false).await);
    let there = public.with_header("origin", "https://shop.example");
    supplier.answers([product_says(130, "Product id not found")]);
    let answer = there.get(PRODUCT).await;
    answer.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    public.with_header("origin", "https://other.example").get(PRODUCT).await.expect(403);
    public.get(PRODUCT).await.expect(403);
    there.get(INVENTORY).await.expect_error(403, "Public API keys are not supported for this endpoint");
    there.acting_for(caller.account).get(PRODUCT).await.expect(403);
    assert_eq!(supplier.received().len(), 1);
}

#[tokio::test]
async fn a_call_needs_its_scope_which_a_new_private_key_has() {
    let (app, supplier) = start().await;
    let caller = app.account("scope@example.com").await;
    store(&caller, "stored").await;
    let made = caller.post("/extra/v2/api-keys", json!({"name": "new"})).await.expect(201);
    let scopes = made["scopes"].as_array().unwrap().clone();
    assert!(scopes.contains(&json!("suppliers:call")) && !scopes.contains(&json!("orders:send")), "{scopes:?}");
    caller.get(INVENTORY).await.expect(200);
    let lacking = caller.with_scopes(&[Scope::CredentialsRead, Scope::OrdersSend]).await;
    for path in [INVENTORY, PRODUCT] {
        lacking.get(path).await.expect_error(403, "The scope suppliers:call is required");
    }
    assert_eq!(supplier.received().len(), 1);
}
