//! Somebody who writes the database empties a place, or moves what is there. The call to it is an error, and never uses another
//! login; `credenza verify` names the place; and every write of the service keeps the manifest of its account.

use credenza::rotation;
use credenza::types::{Environment, Service};
use serde_json::{Value, json};

use crate::imports::{BASE, SERVICE};
use crate::support::{Caller, TestApp};

const PATH: &str = "/extra/v2/credentials";

fn base(supplier: &str) -> Value {
    json!({"supplier_code": supplier, "staging_username": "base", "staging_password": "staging",
           "production_username": "base", "production_password": "production"})
}

fn service(service: &str) -> Value {
    json!({"service": service, "environment": "PROD", "username": "own", "password": "own"})
}

/// An account with base pairs of HIT and PCNA, a pair of INV for HIT, and a default login beneath them.
async fn stage(app: &TestApp) -> Caller<'_> {
    let caller = app.account_that_resolves("devs@platform.example").await;
    for supplier in ["HIT", "PCNA"] {
        caller.post(PATH, base(supplier)).await.expect(201);
        for environment in Environment::ALL {
            app.set_default(supplier, environment, &Service::ALL, ("shared", "shared")).await;
        }
    }
    caller.post(&format!("{PATH}/HIT/services"), service("INV")).await.expect(201);
    caller
}

/// The level that answers a call, or the status of the refusal.
async fn level(caller: &Caller<'_>, supplier: &str, service: &str, environment: &str) -> String {
    let answer = caller.resolve(supplier, service, environment).await;
    match answer.status.as_u16() {
        200 => answer.expect(200)["source"].as_str().unwrap().to_owned(),
        status => status.to_string(),
    }
}

/// The levels of HIT INV PROD, HIT Product PROD, HIT Product STAGING and PCNA Product PROD.
async fn levels(caller: &Caller<'_>) -> String {
    [
        level(caller, "HIT", "INV", "PROD").await,
        level(caller, "HIT", "Product", "PROD").await,
        level(caller, "HIT", "Product", "STAGING").await,
        level(caller, "PCNA", "Product", "PROD").await,
    ]
    .join(" ")
}

async fn faults(app: &TestApp) -> Vec<String> {
    let verified = rotation::verify(&app.app, |_| ()).await.unwrap();
    let mut faults: Vec<_> = verified.faults.iter().map(ToString::to_string).collect();
    faults.sort();
    faults
}

#[tokio::test]
async fn a_place_that_somebody_emptied_is_an_error_and_is_named() {
    let app = TestApp::start().await;
    let caller = stage(&app).await;
    app.save_rows().await;
    let account = caller.account;
    let of_base = |supplier, column| {
        format!("supplier_credentials (account {account}, {supplier}) {column}: the stored value is missing")
    };
    let of_service =
        format!("service_credentials (account {account}, HIT, INV, PROD) password: the stored value is missing");
    let manifest = format!(
        "credential_manifests (account {account}) mac: the row is not as it was authenticated, and gives no right"
    );
    let hit = [of_base("HIT", "production_password"), of_base("HIT", "staging_password"), of_service.clone()];
    for (act, seen, named) in [
        ("delete from service_credentials", "500 account account account", vec![of_service.clone()]),
        (
            "update supplier_credentials set staging_username = null, staging_password = null where supplier_code = 'HIT'",
            "service account 500 account",
            vec![of_base("HIT", "staging_password")],
        ),
        ("delete from supplier_credentials where supplier_code = 'HIT'", "500 500 500 account", {
            let [production, staging, service] = hit.clone();
            vec![service, production, staging]
        }),
        (
            "update credential_manifests set places = places[2:2] || places[2:2]",
            "500 500 500 500",
            vec![manifest.clone()],
        ),
        ("update credential_manifests set suppliers = '{HIT,PCNB}'", "500 500 500 500", vec![manifest.clone()]),
        (
            "delete from supplier_credentials; update credential_manifests set suppliers = '{}', places = '{}'",
            "500 500 500 500",
            vec![manifest.clone()],
        ),
        (
            "delete from credential_manifests; delete from supplier_credentials",
            "500 500 500 500",
            vec![manifest.clone()],
        ),
    ] {
        assert_eq!(levels(&caller).await, "service account account account");
        app.sql(act).await;
        app.forget();
        assert_eq!(levels(&caller).await, seen, "{act}");
        assert_eq!(faults(&app).await, named, "{act}");
        app.restore_rows().await;
        app.forget();
    }
    assert_eq!(faults(&app).await, [""; 0]);
}

#[tokio::test]
async fn the_manifest_of_another_account_proves_nothing() {
    let app = TestApp::start().await;
    let caller = stage(&app).await;
    let empty = app.account_that_resolves("empty@platform.example").await;
    app.sql(&format!(
        "delete from supplier_credentials;
         update credential_manifests m set suppliers = o.suppliers, places = o.places, mac = o.mac
         from credential_manifests o where m.account_id = {} and o.account_id = {}",
        caller.account, empty.account
    ))
    .await;
    app.forget();
    assert_eq!(levels(&caller).await, "500 500 500 500");
    assert_eq!(level(&empty, "HIT", "INV", "PROD").await, "default");
}

#[tokio::test]
async fn explanations_and_previews_do_not_pass_over_an_emptied_place() {
    let app = TestApp::start().await;
    let caller = stage(&app).await;
    app.sql("delete from service_credentials").await;
    app.forget();
    let explained = caller.get(&format!("{PATH}/HIT/resolution?service=INV&environment=PROD")).await;
    explained.expect_error(500, "Internal server error");
    caller.get(&format!("{PATH}/HIT/resolution?service=Product&environment=PROD")).await.expect(200);
    let preview = caller.delete(&format!("{PATH}/HIT?dry_run=true")).await.expect(200);
    assert_eq!(preview["changes"][4]["from"], "service");
}

#[tokio::test]
async fn the_owner_of_an_emptied_place_fills_it_or_deletes_it() {
    let app = TestApp::start().await;
    let caller = stage(&app).await;
    app.sql("delete from supplier_credentials").await;
    app.forget();
    assert_eq!(levels(&caller).await, "500 500 500 500");
    // Base pairs that are stored anew do not stand in for the pair of a service.
    caller.post(PATH, base("HIT")).await.expect(201);
    assert_eq!(levels(&caller).await, "500 account account 500");
    caller.delete(&format!("{PATH}/HIT/services/INV/PROD")).await.expect(204);
    caller.delete(&format!("{PATH}/HIT/services/INV/PROD")).await.expect(404);
    assert_eq!(levels(&caller).await, "account account account 500");
    caller.delete(&format!("{PATH}/PCNA")).await.expect(204);
    caller.delete(&format!("{PATH}/PCNA")).await.expect(404);
    assert_eq!(levels(&caller).await, "account account account default");
    assert_eq!(faults(&app).await, [""; 0]);
}

#[tokio::test]
async fn every_write_keeps_the_manifest() {
    let app = TestApp::start().await;
    let caller = stage(&app).await;
    caller.delete(&format!("{PATH}/HIT/services/INV/PROD")).await.expect(204);
    assert_eq!(levels(&caller).await, "account account account account");
    caller.import("", format!("{SERVICE}HIT,INV,PROD,u,p\nPCNA,PO,STAGING,u,p\n")).await.expect(200);
    assert_eq!(levels(&caller).await, "service account account account");
    caller.delete(&format!("{PATH}/PCNA")).await.expect(204);
    caller.import("", format!("{BASE}PCNA,u,p,,\nSanMar,,,u,p\n")).await.expect(200);
    assert_eq!(levels(&caller).await, "service account account default");
    assert_eq!(level(&caller, "SanMar", "PO", "PROD").await, "account");
    assert_eq!(faults(&app).await, [""; 0]);
    // What the imports stored is in the manifest, and what was deleted is not.
    app.sql("delete from supplier_credentials").await;
    app.forget();
    assert_eq!(levels(&caller).await, "500 500 500 default");
    assert_eq!(level(&caller, "PCNA", "PO", "STAGING").await, "500");
    assert_eq!(level(&caller, "SanMar", "PO", "PROD").await, "500");
}

#[tokio::test]
async fn writes_of_one_account_that_meet_all_stand_in_its_manifest() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    let suppliers = ["HIT", "PCNA", "SanMar", "SS", "CAP"];
    for round in 0..4 {
        let stores =
            suppliers.iter().map(|supplier| caller.request(axum::http::Method::POST, PATH, Some(base(supplier))));
        for answer in app.send_at_once(stores.collect::<Vec<_>>()).await {
            answer.expect(201);
        }
        let services = suppliers.iter().flat_map(|supplier| {
            ["INV", "PO", "PPC"].map(|name| {
                let path = format!("{PATH}/{supplier}/services");
                caller.request(axum::http::Method::POST, &path, Some(service(name)))
            })
        });
        for answer in app.send_at_once(services.collect::<Vec<_>>()).await {
            answer.expect(201);
        }
        assert_eq!(faults(&app).await, [""; 0]);
        let counted = "select (select count(*) from service_credentials) as rows,
                           (select sum(bit_count(place::bit(32))) from credential_manifests, unnest(places) place) as places";
        assert_eq!(app.rows(counted).await, [json!({"rows": 15, "places": 25})], "round {round}");
        // Half of them go while the others are written again.
        let mixed = suppliers.iter().enumerate().map(|(index, supplier)| match (index + round) % 2 {
            0 => caller.request(axum::http::Method::DELETE, &format!("{PATH}/{supplier}"), None),
            _ => caller.request(axum::http::Method::POST, PATH, Some(base(supplier))),
        });
        for answer in app.send_at_once(mixed.collect::<Vec<_>>()).await {
            assert!(answer.status.is_success(), "{answer:?}");
        }
        assert_eq!(faults(&app).await, [""; 0]);
        let left = app.rows("select cardinality(suppliers) as suppliers from credential_manifests").await;
        let rows = app.rows("select count(*) as suppliers from supplier_credentials").await;
        assert_eq!(left, rows);
    }
}

#[tokio::test]
async fn old_rows_that_are_put_back_with_their_old_manifest_are_what_they_were() {
    let app = TestApp::start().await;
    let caller = stage(&app).await;
    app.sql(
        "create table old_manifests as table credential_manifests; create table old_base as table supplier_credentials",
    )
    .await;
    caller.post(PATH, base("SanMar")).await.expect(201);
    caller.delete(&format!("{PATH}/PCNA")).await.expect(204);
    // A row without the manifest fills its place again, and an older manifest without the rows does not empty one.
    app.sql("insert into supplier_credentials select * from old_base where supplier_code = 'PCNA'").await;
    app.forget();
    assert_eq!(levels(&caller).await, "service account account account");
    app.sql(
        "delete from supplier_credentials where supplier_code = 'SanMar';
         delete from credential_manifests; insert into credential_manifests table old_manifests",
    )
    .await;
    app.forget();
    assert_eq!(level(&caller, "SanMar", "Product", "PROD").await, "403");
    assert_eq!(faults(&app).await, [""; 0]);
}
