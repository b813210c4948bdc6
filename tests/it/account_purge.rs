//! `credenza account purge`: afterwards nothing of the account opens, even from a copy of its rows; only its evidence stays.

use credenza::error::{BrokenRule, Error, Missing};
use credenza::rotation;
use serde_json::json;

use crate::support::TestApp;
use crate::support::installation::Installation;
use crate::support::operator;

#[tokio::test]
async fn a_purge_leaves_only_the_audit_trail() {
    let app = TestApp::start().await;
    let gone = app.account_that_resolves("gone@platform.example").await;
    let stays = app.account_that_resolves("stays@platform.example").await;
    for caller in [&gone, &stays] {
        let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
        caller.with_header("idempotency-key", "k").post("/extra/v2/credentials", base).await.expect(201);
        let own = json!({"service": "INV", "environment": "PROD", "username": "u", "password": "p"});
        caller.post("/extra/v2/credentials/HIT/services", own).await.expect(201);
        caller.resolve("HIT", "Product", "PROD").await.expect(200);
    }
    let everything = "select count(*) as rows from supplier_credentials";
    app.sql("create table copy_base as table supplier_credentials; create table copy_own as table service_credentials")
        .await;
    let events = |account| format!("select action, sequence from audit_events where account_id = {account} order by 2");
    let before = app.rows(&events(gone.account)).await;

    operator::purge(&app.app, gone.account).await.unwrap();

    let tables = app
        .rows(
            "select table_name::text from information_schema.columns
               where table_schema = 'public' and column_name = 'account_id' and table_name not like 'copy%'",
        )
        .await;
    assert!(tables.len() > 8, "{tables:?}");
    for table in tables {
        let table = table["table_name"].as_str().unwrap();
        if table.starts_with("audit_") {
            continue;
        }
        let left = app.rows(&format!("select 1 from {table} where account_id = {}", gone.account)).await;
        assert_eq!(left.len(), 0, "{table}");
    }
    // Its keys are keys no more, at once, and in memory, too.
    gone.resolve("HIT", "Product", "PROD").await.expect_error(403, "Invalid API key");
    stays.resolve("HIT", "Product", "PROD").await.expect(200);
    assert_eq!(app.rows(everything).await, [json!({"rows": 1})]);

    let mut after = app.rows(&events(gone.account)).await;
    let last = after.pop().unwrap();
    assert_eq!((after, &last["action"]), (before, &json!("account.purged")));

    // Somebody kept a copy of the rows and puts it back.
    app.sql_authenticated(&format!(
        "insert into accounts (id, name, created_at, modified_on) values ({}, 'back', now(), now());
         insert into supplier_credentials select * from copy_base where account_id = {};
         insert into service_credentials select * from copy_own where account_id = {}",
        gone.account, gone.account, gone.account
    ))
    .await;
    app.forget();
    let faults = rotation::verify(&app.app, |_| ()).await.unwrap().faults;
    assert_eq!(faults.len(), 2);
    assert!(faults.iter().all(|fault| fault.account == gone.account && fault.why.contains("is missing")), "{faults:?}");
}

#[tokio::test]
async fn a_parent_goes_after_its_sub_accounts_and_the_operator_never() {
    let app = TestApp::start().await;
    let parent = app.account("parent@platform.example").await;
    let body = json!({"name": "Child", "external_customer_id": "c1"});
    let child = parent.post("/extra/v2/subaccounts", body).await.expect(201)["id"].as_i64().unwrap();
    let purge = async |account| operator::purge(&app.app, credenza::types::AccountId(account)).await;
    let refused = purge(parent.account.0).await.unwrap_err();
    assert!(matches!(refused, Error::BrokenRule(BrokenRule::PurgeParent)), "{refused:?}");
    assert_eq!(app.rows("select 1 as one from data_keys").await.len(), 0);
    purge(child).await.unwrap();
    purge(parent.account.0).await.unwrap();
    for account in [child, 0, 4711] {
        let error = purge(account).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { what: Missing::Account, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn the_command_asks_for_confirmation() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let purge = ["account", "purge", &account];
    installation.run(&purge).await.refused(1, "add --yes to do it without asking");
    assert_eq!(installation.run(&["account", "list", "--json"]).await.json().as_array().unwrap().len(), 1);
    let done = installation.run(&[&purge[..], &["--yes"]].concat()).await;
    assert_eq!(done.done(), format!("account {account} is gone, with 0 data keys"));
    installation.run(&[&purge[..], &["--yes"]].concat()).await.refused(1, "Account not found");
}
