//! Every kind of write reaches what is cached: the service's own writes before they are acknowledged, all others, another
//! process's and a person's with psql, as soon as the change feed has received them.

use std::time::Instant;

use credenza::api_credentials;
use credenza::api_key::Kind;
use credenza::credentials::{self, BaseUpdate, Conditions};
use credenza::principal::{Actor, Scope};
use credenza::types::{Environment, HalfPair, Service};
use credenza::work::Work;
use serde_json::json;
use sqlx::postgres::PgListener;

use crate::support::TestApp;
use crate::support::app::{code, pair_of};
use crate::support::fixtures::{SOON, furnished, seen, soon_sees};
use crate::support::operator;
use crate::support::sql::{CACHED, store_base};

#[tokio::test]
async fn a_warmed_call_does_not_ask_the_database() {
    let app = TestApp::start().await;
    let caller = furnished(&app).await;
    assert_eq!(seen(&caller).await, "own base shared");
    for table in CACHED {
        // Nobody is told of this, so whoever still gets an answer has it from memory.
        app.sql(&format!("alter table {table} rename to {table}_elsewhere")).await;
    }
    assert_eq!(seen(&caller).await, "own base shared");
}

#[tokio::test]
async fn own_writes_are_seen_by_the_very_next_read() {
    let app = TestApp::start().await;
    let caller = furnished(&app).await;
    let base = async |body| caller.post("/extra/v2/credentials", body).await.expect(201);
    assert_eq!(seen(&caller).await, "own base shared");
    base(json!({"supplier_code": "HIT", "production_username": "u", "production_password": "base2"})).await;
    assert_eq!(seen(&caller).await, "own base2 shared");
    base(json!({"supplier_code": "HIT", "production_password": "base3"})).await;
    assert_eq!(seen(&caller).await, "own base3 shared");
    base(json!({"supplier_code": "HIT", "staging_username": "u", "staging_password": "staging"})).await;
    assert_eq!(seen(&caller).await, "own base3 staging");
    let own = json!({"service": "INV", "environment": "PROD", "username": "u", "password": "own2"});
    caller.post("/extra/v2/credentials/HIT/services", own).await.expect(201);
    assert_eq!(seen(&caller).await, "own2 base3 staging");
    caller.delete("/extra/v2/credentials/HIT/services/INV/PROD").await.expect(204);
    assert_eq!(seen(&caller).await, "base3 base3 staging");
    caller.delete("/extra/v2/credentials/HIT").await.expect(204);
    assert_eq!(seen(&caller).await, "shared shared shared");
    app.set_default("HIT", Environment::Production, &[Service::Product], ("u", "shared2")).await;
    assert_eq!(seen(&caller).await, "403 shared2 shared");
    app.supplier("HIT", "Hit", "MED").await;
    assert_eq!(seen(&caller).await, "403 shared2 403");
    assert!(operator::remove_default(&app.app, &code("HIT"), Environment::Production).await.unwrap());
    assert_eq!(seen(&caller).await, "403 403 403");

    caller.resolve("NEW", "INV", "PROD").await.expect_error(404, "Supplier not found");
    app.supplier("NEW", "New", "").await;
    caller.resolve("NEW", "INV", "PROD").await.expect(403);
    for key in api_credentials::list(&app.app, caller.account).await.unwrap() {
        operator::revoke_key(&app.app, caller.account, key.id).await.unwrap();
    }
    caller.resolve("HIT", "INV", "PROD").await.expect_error(403, "Invalid API key");
}

#[tokio::test]
async fn writes_of_another_process_are_seen_at_once() {
    let app = TestApp::start().await;
    let other = app.other_process().await;
    let caller = furnished(&app).await;
    let hit = code("HIT");
    assert_eq!(seen(&caller).await, "own base shared");
    let password = pair_of("u", "base2").password;
    let production = HalfPair { username: None, password: Some(password) };
    let update = BaseUpdate { supplier: hit.clone(), staging: HalfPair::default(), production };
    store_base(&other, caller.account, update).await;
    assert_eq!(seen(&caller).await, "own base2 shared", "upsert");
    let delete = async |work: &mut Work<'_>| credentials::delete_base(work, &hit, &Conditions::default()).await;
    Work::carry_out(&other, &Actor::operator(), caller.account, delete).await.unwrap();
    assert_eq!(seen(&caller).await, "shared shared shared", "delete");
    let (only_inventory, pair) = ([Service::Inv], pair_of("u", "shared2"));
    operator::set_default(&other, &hit, Environment::Production, &only_inventory, &pair).await.unwrap();
    assert_eq!(seen(&caller).await, "shared2 403 shared", "set");
    let file = "supplier_code,supplier_name,excluded_services\nHIT,Hit,INV\n";
    operator::import_directory(&other, file).await.unwrap();
    assert_eq!(seen(&caller).await, "403 403 shared", "import");
    operator::remove_default(&other, &hit, Environment::Staging).await.unwrap();
    assert_eq!(seen(&caller).await, "403 403 403", "remove");

    caller.get("/extra/v2/credentials").await.expect(200);
    for key in api_credentials::list(&other, caller.account).await.unwrap() {
        operator::revoke_key(&other, caller.account, key.id).await.unwrap();
    }
    caller.get("/extra/v2/credentials").await.expect_error(403, "Invalid API key");
}

#[tokio::test]
async fn plain_sql_is_seen_soon() {
    let app = TestApp::start().await;
    let caller = furnished(&app).await;
    app.save_rows().await;
    for (act, expected) in [
        ("delete from service_credentials", "500 base shared"),
        ("update service_credentials set service = 'PPC'", "500 base shared"),
        ("update supplier_credentials set production_username = null, production_password = null", "own 500 shared"),
        ("delete from supplier_credentials", "500 500 shared"),
        ("update default_credentials set services = '{PO}'", "own base 500"),
        ("update default_credentials set supplier_code = 'PCNA'", "own base 403"),
        ("delete from default_credentials", "own base 403"),
        ("update suppliers set excluded_services = '{MED}'", "own base 500"),
        ("update accounts set is_active = false where parent_id is not null", "403 403 403"),
        ("update accounts set is_active = false where parent_id is null", "403 403 403"),
        ("update api_keys set revoked_at = now()", "403 403 403"),
        ("update api_keys set scopes = '{}'", "403 403 403"),
        ("update api_keys set hash = sha256('another')", "403 403 403"),
        ("delete from api_keys", "403 403 403"),
        ("delete from data_keys where account_id <> 0", "500 500 shared"),
        ("delete from data_keys where account_id = 0", "own base 500"),
        ("update data_keys set generation = 2", "500 500 500"),
        ("truncate service_credentials", "500 base shared"),
        ("truncate supplier_credentials cascade", "500 500 shared"),
        ("truncate default_credentials", "own base 403"),
        ("truncate suppliers cascade", "404 404 404"),
        ("truncate api_keys cascade", "403 403 403"),
        ("truncate users cascade", "403 403 403"),
        ("truncate accounts cascade", "403 403 403"),
        ("truncate data_keys", "500 500 500"),
    ] {
        soon_sees(&caller, "own base shared", "the rows are back").await;
        // Rows that came back are announced one by one, which must not stand in for the act's own announcement.
        app.feed_has_caught_up().await;
        assert_eq!(seen(&caller).await, "own base shared");
        app.sql(act).await;
        soon_sees(&caller, expected, act).await;
        app.restore_rows().await;
    }
}

/// A caller with a key of that account is refused. An operator's key goes on working, so it is the resolve itself that
/// has to notice.
#[tokio::test]
async fn nobody_resolves_for_an_account_that_is_not_active_or_whose_parent_is_not() {
    let app = TestApp::start().await;
    let caller = furnished(&app).await;
    let operator = app.account("ops@example.com").await.account;
    let key = app.key(operator, Kind::Private, &[Scope::CredentialsResolve], true).await;
    let child = caller.account;
    let asking = caller.with_key(&key);
    for whose in [format!("id = {child}"), format!("id = (select parent_id from accounts where id = {child})")] {
        let set_active = async |is_active: bool| {
            app.sql_authenticated(&format!("update accounts set is_active = {is_active} where {whose}")).await;
        };
        soon_sees(&asking, "own base shared", "active").await;
        app.feed_has_caught_up().await;
        assert_eq!(seen(&asking).await, "own base shared");
        set_active(false).await;
        soon_sees(&asking, "403 403 403", &whose).await;
        set_active(true).await;
    }
}

#[tokio::test]
async fn a_change_of_data_keys_names_the_accounts_that_it_concerns() {
    let app = TestApp::start().await;
    app.sql_authenticated(
        "insert into accounts (id, name, created_at, modified_on)
         select number, 'A', now(), now() from generate_series(1001, 3000) number",
    )
    .await;
    let mut listener = PgListener::connect_with(&app.app.pool).await.unwrap();
    listener.listen("credenza_changes").await.unwrap();
    for (act, expected) in [
        (
            "insert into data_keys (account_id, generation, kek_id, wrapped, created_at)
             select account, generation, 'k', 'x', now()
             from generate_series(1001, 1002) account, generate_series(1, 3) generation",
            vec!["account 1001", "account 1002"],
        ),
        ("update data_keys set seals = seals + 1", vec![]),
        ("update data_keys set wrapped = 'y' where account_id = 1001", vec!["account 1001"]),
        ("update data_keys set kek_id = 'l' where generation = 2", vec!["account 1001", "account 1002"]),
        ("update data_keys set created_at = now() where account_id = 1002", vec!["account 1002"]),
        ("update data_keys set generation = 4 where account_id = 1002 and generation = 3", vec!["account 1002"]),
        ("update data_keys set account_id = 1003 where generation = 4", vec!["account 1002", "account 1003"]),
        ("delete from data_keys where account_id <= 1002", vec!["account 1001", "account 1002"]),
        ("delete from data_keys where account_id = 1003", vec!["account 1003"]),
    ] {
        assert_eq!(announced(&app, &mut listener, act).await, expected, "{act}");
    }
    for act in [
        "insert into data_keys (account_id, generation, kek_id, wrapped, created_at)
         select id, 1, 'k', 'x', now() from accounts where id > 1003",
        "update data_keys set wrapped = 'y' where account_id > 1003",
        "delete from data_keys where account_id > 1003",
    ] {
        let announced = announced(&app, &mut listener, act).await;
        assert!(announced.contains(&"everything".to_owned()), "{act}: {} messages", announced.len());
    }
}

/// Carries out a statement; which owners the database names to those who listen, in the order of their words.
async fn announced(app: &TestApp, listener: &mut PgListener, act: &str) -> Vec<String> {
    app.sql(act).await;
    app.sql("select pg_notify('credenza_changes', 'account -1')").await;
    let mut announced = Vec::new();
    loop {
        let heard = listener.recv().await.unwrap().payload().to_owned();
        match heard.split(' ').next() {
            Some("renewed") => {}
            _ if heard == "account -1" => break,
            _ => announced.push(heard),
        }
    }
    announced.sort_unstable();
    announced
}

#[tokio::test]
async fn a_cached_absence_ends_soon_after_the_row_is_stored() {
    let app = TestApp::start().await;
    let caller = furnished(&app).await;
    for (table, without) in [
        ("service_credentials", "500 base shared"),
        ("default_credentials", "own base 403"),
        ("api_keys", "403 403 403"),
        ("data_keys", "500 500 500"),
    ] {
        app.sql(&format!("create table saved_{table} as table {table}; delete from {table}")).await;
        soon_sees(&caller, without, table).await;
        app.feed_has_caught_up().await;
        assert_eq!(seen(&caller).await, without);
        app.sql(&format!("insert into {table} table saved_{table}")).await;
        soon_sees(&caller, "own base shared", table).await;
    }
}

#[tokio::test]
async fn a_row_that_moves_between_accounts_concerns_both() {
    let app = TestApp::start().await;
    let (from, to) = (furnished(&app).await, app.account_that_resolves("devs@other.example").await);
    app.sql_authenticated("delete from service_credentials").await;
    soon_sees(&from, "base base shared", "delete").await;
    assert_eq!(seen(&to).await, "shared shared shared");
    let act = format!("update supplier_credentials set account_id = {}", to.account);
    app.sql(&act).await;
    soon_sees(&from, "500 500 shared", &act).await;
    // It does not open there, and that is an error.
    soon_sees(&to, "500 500 shared", &act).await;
}

#[tokio::test]
async fn a_new_address_of_a_user_is_on_record_soon() {
    let app = TestApp::start().await;
    let caller = furnished(&app).await;
    let modified_by = async || {
        caller.post("/extra/v2/credentials", json!({"supplier_code": "HIT"})).await.expect(201);
        let trail = caller.get("/extra/v2/credentials/HIT/audit").await.expect(200);
        trail["modified_by"].as_str().unwrap().to_owned()
    };
    assert_eq!(modified_by().await, "devs@child.example");
    app.sql_authenticated("update users set email = 'new@child.example' where email = 'devs@child.example'").await;
    let start = Instant::now();
    while modified_by().await != "new@child.example" {
        assert!(start.elapsed() < SOON, "writes still carry the older address");
    }
}
