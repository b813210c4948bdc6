//! Somebody who can write to the database but holds no key. After each move or change, the call that would have used it
//! is an error, logged, and never a reason to try the next level, which here would always have an answer.

use credenza::types::{Environment, Service};
use serde_json::json;

use crate::support::{Caller, TestApp};

/// Accounts `a` and `b` with everything for HIT and PCNA, and defaults for both beneath them.
struct Stage<'a> {
    app: &'a TestApp,
    a: Caller<'a>,
    b: Caller<'a>,
}

/// The call of the tests: one that each level would answer.
const SERVICE_LEVEL: (&str, &str) = ("INV", "PROD");
const BASE_LEVEL: (&str, &str) = ("Product", "PROD");

async fn stage(app: &TestApp) -> Stage<'_> {
    let (a, b) = (app.account_that_resolves("a@one.example").await, app.account_that_resolves("b@two.example").await);
    for caller in [&a, &b] {
        for supplier in ["HIT", "PCNA"] {
            let base = json!({"supplier_code": supplier, "staging_username": "base", "staging_password": "staging",
                              "production_username": "base", "production_password": "production"});
            caller.post("/extra/v2/credentials", base).await.expect(201);
            for (service, environment) in [("INV", "PROD"), ("INV", "STAGING"), ("PO", "PROD")] {
                let body =
                    json!({"service": service, "environment": environment, "username": "own", "password": "own"});
                caller.post(&format!("/extra/v2/credentials/{supplier}/services"), body).await.expect(201);
            }
        }
    }
    for supplier in ["HIT", "PCNA"] {
        for environment in Environment::ALL {
            app.set_default(supplier, environment, &Service::ALL, ("shared", "shared")).await;
        }
    }
    Stage { app, a, b }
}

impl Stage<'_> {
    /// Runs SQL in which `:a` and `:b` stand for the accounts.
    async fn tamper(&self, sql: &str) {
        let (a, b) = (self.a.account.to_string(), self.b.account.to_string());
        self.app.sql(&sql.replace(":a", &a).replace(":b", &b)).await;
        self.app.forget();
    }

    async fn status(&self, caller: &Caller<'_>, (service, environment): (&str, &str)) -> u16 {
        let answer = caller.resolve("HIT", service, environment).await;
        if !answer.status.is_success() {
            answer.expect_error(500, "Internal server error");
        }
        answer.status.as_u16()
    }
}

/// Applies each act to the same untouched database and expects the call of account `a` to fail; without it, it does not.
async fn each_makes_unreadable(call: (&str, &str), acts: &[&str]) {
    let app = TestApp::start().await;
    let stage = stage(&app).await;
    app.save_rows().await;
    for act in acts {
        assert_eq!(stage.status(&stage.a, call).await, 200);
        stage.tamper(act).await;
        assert_eq!(stage.status(&stage.a, call).await, 500, "{act}");
        app.restore_rows().await;
        app.forget();
    }
}

#[tokio::test]
async fn service_credentials_that_were_moved_or_changed_are_an_error() {
    const ITS: &str = "where account_id = :a and supplier_code = 'HIT' and service = 'INV' and environment = 'PROD'";
    const COPY: &str =
        "update service_credentials into_row set username = from_row.username, password = from_row.password
        from service_credentials from_row
        where (into_row.account_id, into_row.supplier_code, into_row.service, into_row.environment)
            = (:a, 'HIT', 'INV', 'PROD') and ";
    let from = |row: &str| {
        format!("{COPY} (from_row.account_id, from_row.supplier_code, from_row.service, from_row.environment) = {row}")
    };
    let acts = [
        from("(:b, 'HIT', 'INV', 'PROD')"),
        from("(:a, 'PCNA', 'INV', 'PROD')"),
        from("(:a, 'HIT', 'PO', 'PROD')"),
        from("(:a, 'HIT', 'INV', 'STAGING')"),
        format!("update service_credentials set username = 'base' {ITS}"),
        format!("update service_credentials set username = username || ' ' {ITS}"),
        format!("update service_credentials set username = '' {ITS}"),
        format!("update service_credentials set username = repeat('x', 300) {ITS}"),
        format!("update service_credentials set password = '' {ITS}"),
        format!("update service_credentials set password = substring(password for 20) {ITS}"),
        format!("update service_credentials set password = set_byte(password, 0, 9) {ITS}"),
        format!("update service_credentials set password = set_byte(password, 4, 9) {ITS}"),
        format!("update service_credentials set password = convert_to('in clear', 'UTF8') {ITS}"),
        format!(
            "update service_credentials set username = 'base', password = (select production_password
             from supplier_credentials where account_id = :a and supplier_code = 'HIT') {ITS}"
        ),
    ];
    each_makes_unreadable(SERVICE_LEVEL, &acts.each_ref().map(String::as_str)).await;
}

#[tokio::test]
async fn base_credentials_that_were_moved_or_changed_are_an_error() {
    const ITS: &str = "account_id = :a and supplier_code = 'HIT'";
    let acts = [
        format!("update supplier_credentials set production_password = staging_password where {ITS}"),
        format!("update supplier_credentials set production_username = staging_username where {ITS}"),
        format!(
            "update supplier_credentials set production_username = staging_username,
                 production_password = staging_password where {ITS}"
        ),
        format!(
            "update supplier_credentials set production_username = production_password,
                 production_password = production_username where {ITS}"
        ),
        format!("update supplier_credentials set production_username = '' where {ITS}"),
        format!("update supplier_credentials set production_password = production_password || '\\x00' where {ITS}"),
        // Another account's row, and another supplier's, put in this one's place.
        "delete from supplier_credentials where account_id = :a and supplier_code = 'HIT';
         delete from service_credentials where account_id = :b;
         update supplier_credentials set account_id = :a where account_id = :b and supplier_code = 'HIT'"
            .to_owned(),
        "delete from supplier_credentials where account_id = :a and supplier_code = 'HIT';
         delete from service_credentials where account_id = :a;
         update supplier_credentials set supplier_code = 'HIT' where account_id = :a and supplier_code = 'PCNA'"
            .to_owned(),
        // Its data key with it: the account's number is bound into both.
        "delete from data_keys where account_id = :a; update data_keys set account_id = :a where account_id = :b;
         delete from supplier_credentials where account_id = :a; delete from service_credentials;
         update supplier_credentials set account_id = :a where account_id = :b"
            .to_owned(),
        format!(
            "update supplier_credentials set (production_username, production_password) =
                 (select username, password from default_credentials
                  where supplier_code = 'HIT' and environment = 'PROD') where {ITS}"
        ),
    ];
    each_makes_unreadable(BASE_LEVEL, &acts.each_ref().map(String::as_str)).await;
}

#[tokio::test]
async fn data_keys_that_were_moved_changed_or_lost_are_an_error() {
    let acts = [
        "update data_keys set wrapped = (select wrapped from data_keys where account_id = :b) where account_id = :a",
        "update data_keys set wrapped = (select wrapped from data_keys where account_id = 0) where account_id = :a",
        "update data_keys set generation = 2 where account_id = :a",
        "update data_keys set kek_id = 'another' where account_id = :a",
        "update data_keys set wrapped = '' where account_id = :a",
        "update data_keys set wrapped = substring(wrapped for 12) where account_id = :a",
        "update data_keys set wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20)) where account_id = :a",
        "delete from data_keys where account_id = :a",
    ];
    each_makes_unreadable(SERVICE_LEVEL, &acts).await;
    each_makes_unreadable(BASE_LEVEL, &acts).await;
}

#[tokio::test]
async fn defaults_that_were_moved_or_changed_are_an_error() {
    let app = TestApp::start().await;
    let stage = stage(&app).await;
    let c = app.account_that_resolves("c@nothing.example").await;
    assert_eq!(stage.status(&c, SERVICE_LEVEL).await, 200);
    for act in [
        "update default_credentials d set username = f.username, password = f.password from default_credentials f
         where (d.supplier_code, d.environment, f.supplier_code, f.environment) = ('HIT', 'PROD', 'PCNA', 'PROD')",
        "update default_credentials d set username = f.username, password = f.password from default_credentials f
         where (d.supplier_code, d.environment, f.supplier_code, f.environment) = ('HIT', 'PROD', 'HIT', 'STAGING')",
        "update default_credentials d set username = b.production_username, password = b.production_password
         from supplier_credentials b where d.supplier_code = 'HIT' and b.supplier_code = 'HIT' and b.account_id = :a",
        "update default_credentials set username = password, password = username",
        "update default_credentials set password = '' where environment = 'PROD'",
    ] {
        stage.tamper(act).await;
        assert_eq!(stage.status(&c, SERVICE_LEVEL).await, 500, "{act}");
        app.set_default("HIT", Environment::Production, &Service::ALL, ("shared", "shared")).await;
        assert_eq!(stage.status(&c, SERVICE_LEVEL).await, 200);
    }
}

#[tokio::test]
async fn damage_to_an_accounts_keys_does_not_affect_another() {
    let app = TestApp::start().await;
    let stage = stage(&app).await;
    stage.tamper("delete from data_keys where account_id = :a").await;
    assert_eq!(stage.status(&stage.a, SERVICE_LEVEL).await, 500);
    assert_eq!(stage.status(&stage.b, SERVICE_LEVEL).await, 200);
}

#[tokio::test]
async fn damage_to_one_pair_is_no_reason_to_refuse_another() {
    let app = TestApp::start().await;
    let stage = stage(&app).await;
    for act in [
        "update supplier_credentials set staging_password = '' where account_id = :a",
        "update service_credentials set password = '' where account_id = :a and service = 'PO'",
        "update default_credentials set password = ''",
    ] {
        stage.tamper(act).await;
        assert_eq!(stage.status(&stage.a, SERVICE_LEVEL).await, 200, "{act}");
        assert_eq!(stage.status(&stage.a, BASE_LEVEL).await, 200, "{act}");
    }
    assert_eq!(stage.status(&stage.a, ("Product", "STAGING")).await, 500);
    assert_eq!(stage.status(&stage.a, ("PO", "PROD")).await, 500);
    // Both halves together put a pair right again.
    let repair = json!({"supplier_code": "HIT", "staging_username": "base", "staging_password": "new"});
    stage.a.post("/extra/v2/credentials", repair).await.expect(201);
    assert_eq!(stage.status(&stage.a, ("Product", "STAGING")).await, 200);
}

#[tokio::test]
async fn half_a_pair_that_got_past_the_constraint_is_no_pair() {
    let app = TestApp::start().await;
    let stage = stage(&app).await;
    stage
        .tamper(
            "alter table supplier_credentials drop constraint supplier_credentials_production_whole;
             update supplier_credentials set production_password = null where account_id = :a",
        )
        .await;
    assert_eq!(stage.status(&stage.a, BASE_LEVEL).await, 500);
    // Where no pair was stored, half of one fills nothing.
    app.sql_authenticated("").await;
    app.forget();
    let resolved = stage.a.resolve("HIT", "Product", "PROD").await.expect(200);
    assert_eq!((&resolved["source"], &resolved["username"]), (&json!("default"), &json!("shared")));
    let path = "/extra/v2/credentials/HIT/resolution?service=Product&environment=PROD";
    assert_eq!(stage.a.get(path).await.expect(200)["trace"][2]["outcome"], "incomplete");
    assert_eq!(stage.a.get("/extra/v2/credentials/HIT").await.expect(200)["has_production_credentials"], false);
}
