//! A change made on the command line reaches a running `credenza serve` like any other write: before the command ends.

use serde_json::json;

use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;

/// A service that caches, an account, and a key of it that may resolve.
async fn service() -> (Installation, Service, String, String) {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &["--scopes", "credentials:resolve,credentials:write"]).await;
    let service = installation.serve().await;
    // Until it hears changes, it answers from the database, and a test would prove nothing.
    eventually("it hears changes", async || service.public.is_at_full_speed().await).await;
    (installation, service, account, key)
}

#[tokio::test]
async fn a_key_works_as_soon_as_it_is_made_and_no_more_once_it_is_revoked() {
    let (installation, service, account, _) = service().await;
    let create = ["api-key", "create", "--account", &account, "--scopes", "credentials:resolve", "--json"];
    let made = installation.run(&create).await.json();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let own_credentials = "Hit Promotional Products requires your own credentials for the Product service. \
                           Please add your Hit Promotional Products credentials to your account.";
    service.resolve(key, &account, "HIT").await.expect_error(403, own_credentials);

    installation.run(&["api-key", "revoke", "--account", &account, id]).await.done();
    let refused = async || service.resolve(key, &account, "HIT").await.json()["detail"] == "Invalid API key";
    assert!(refused().await, "the key is refused");
    service.program.stop().await.done();
}

#[tokio::test]
async fn an_operators_key_resolves_for_any_account_and_another_does_not() {
    let (installation, service, account, own) = service().await;
    let other = installation.account("B").await;
    let operator = installation.key(&other, &["--operator"]).await;
    let body = json!({"supplier_code": "HIT", "production_username": "me", "production_password": "secret"});
    service.public.with_key(&own).post("/extra/v2/credentials", &body).await.expect(201);
    assert_eq!(service.resolve(&operator, &account, "HIT").await.expect(200)["password"], "secret");
    service.resolve(&own, &other, "HIT").await.expect(403);
    let public = installation.key(&other, &["--public"]).await;
    service.resolve(&public, &other, "HIT").await.expect(403);
    service.program.stop().await.done();
}

#[tokio::test]
async fn a_shared_login_serves_as_soon_as_it_is_set_and_no_more_once_it_is_removed() {
    let (installation, service, account, key) = service().await;
    let resolves = async || service.resolve(&key, &account, "HIT").await;
    // Its absence is in memory from here on.
    resolves().await.expect(403);
    let place = ["--supplier", "HIT", "--environment", "PROD"];
    let set = [&["default-credentials", "set", "--username", "shared", "--password-stdin"], &place[..]].concat();
    for password in ["one", "two"] {
        installation.run_with(&set, password).await.done();
        let answer = resolves().await.expect(200);
        assert_eq!((&answer["password"], &answer["source"]), (&json!(password), &json!("default")));
    }
    installation.run(&[&["default-credentials", "remove"], &place[..]].concat()).await.done();
    resolves().await.expect(403);
    service.program.stop().await.done();
}

#[tokio::test]
async fn an_imported_supplier_exists_at_once_and_a_new_exclusion_holds_at_once() {
    let (installation, service, account, key) = service().await;
    service.resolve(&key, &account, "NEW").await.expect(404);
    let import = async |services: &str| {
        let file = format!("supplier_code,supplier_name,excluded_services\nNEW,New,{services}\n");
        installation.run_with(&["suppliers", "import", "-"], &file).await.done().to_owned()
    };
    import("").await;
    service.resolve(&key, &account, "NEW").await.expect(403);

    let set = ["default-credentials", "set", "--supplier", "NEW", "--environment", "PROD", "--username", "shared"];
    installation.run_with(&[&set[..], &["--password-stdin"]].concat(), "secret").await.done();
    service.resolve(&key, &account, "NEW").await.expect(200);
    import("Product").await;
    service.resolve(&key, &account, "NEW").await.expect(403);
    service.program.stop().await.done();
}
