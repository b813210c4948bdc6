//! `credenza suppliers endpoints`: the operator's table of the places that are called, and nothing else names one.

use credenza::types::Environment;
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use crate::support::TestApp;
use crate::support::installation::{Installation, file};
use crate::support::supplier::{Supplier, inventory};

const HEADER: &str = "supplier_code,service,version,environment,url";

#[tokio::test]
async fn endpoints_are_imported_listed_replaced_and_removed() {
    let installation = Installation::new().await;
    let import = ["suppliers", "endpoints", "import", "-"];
    let rows = format!(
        "{HEADER},soap_action,timeout,concurrency,allow_private\n\
         HIT,INV,2.0.0,PROD,https://ppds.hitpromo.net/inventoryV2?ws=1,,,,\n\
         HIT,ODRSTAT,2.0.0,STAGING,http://127.0.0.1:9/x?WSDL,urn:x,20,3,true\n"
    );
    assert_eq!(installation.run_with(&import, &rows).await.done(), "2 created, 0 updated, 0 unchanged");
    assert_eq!(installation.run_with(&import, &rows).await.done(), "0 created, 0 updated, 2 unchanged");
    let list = installation.run(&["suppliers", "endpoints", "list", "--json"]).await.json();
    let expected = json!([
        {"supplier_code": "HIT", "service": "INV", "version": "2.0.0", "environment": "PROD",
         "url": "https://ppds.hitpromo.net/inventoryV2?ws=1", "soap_action": null, "timeout": 55, "concurrency": 8,
         "allow_private": false},
        {"supplier_code": "HIT", "service": "OSTAT", "version": "2.0.0", "environment": "STAGING",
         "url": "http://127.0.0.1:9/x", "soap_action": "urn:x", "timeout": 20, "concurrency": 3, "allow_private": true},
    ]);
    assert_eq!(list, expected);
    let replaced = format!("{HEADER}\nHIT,INV,2.0.0,PROD,https://a.example/\n");
    let report = installation.run_with(&["suppliers", "endpoints", "import", "-", "--json"], &replaced).await.json();
    assert_eq!(report, json!({"created": 0, "updated": 1, "unchanged": 0, "skipped": []}));
    let place = ["--supplier", "HIT", "--service", "OSTAT", "--version", "2.0.0", "--environment", "STAGING"];
    let remove = [&["suppliers", "endpoints", "remove"], &place[..]].concat();
    assert_eq!(installation.run(&remove).await.done(), "removed");
    installation.run(&remove).await.refused(1, "error: there is no endpoint for OSTAT 2.0.0 of HIT in STAGING");
    assert_eq!(
        installation.run(&["suppliers", "endpoints", "list"]).await.done(),
        "HIT\tINV\t2.0.0\tPROD\thttps://a.example/"
    );
}

#[tokio::test]
async fn a_wrong_line_is_named_and_nothing_is_stored() {
    let installation = Installation::new().await;
    let good = "HIT,INV,2.0.0,PROD,https://a.example/";
    for (line, part) in [
        ("HIT,INV,2.0.0,PROD,http://a.example/", "line 3: url must begin with `https://`"),
        ("HIT,INV,2.0.0,PROD,https://me:pass@a.example/", "line 3: url must not contain a user name"),
        ("HIT,INV,9.0.0,PROD,https://a.example/", "line 3: version has no version `9.0.0` of INV"),
        ("HIT,XYZ,2.0.0,PROD,https://a.example/", "line 3: service has an unknown service `XYZ`"),
        ("HIT,INV,1.2.1,prod,https://a.example/", "line 3: environment must be STAGING or PROD"),
        (good, "line 3: environment stands there twice"),
        ("Nobody,INV,2.0.0,PROD,https://a.example/", "Supplier not found"),
        (",INV,2.0.0,PROD,https://a.example/", "line 3: supplier_code must not be empty"),
    ] {
        let rows = format!("{HEADER}\n{good}\n{line}\n");
        installation.run_with(&["suppliers", "endpoints", "import", "-"], &rows).await.refused(1, part);
    }
    for (rows, part) in [
        ("a,b\n", "it has no column supplier_code"),
        (&format!("{HEADER},colour\n"), "the file has a column colour"),
        (&format!("{HEADER},timeout\n{good},0\n"), "line 2: timeout must be a whole number from 1 to 600"),
        (&format!("{HEADER},concurrency\n{good},1.5\n"), "line 2: concurrency must be a whole number"),
        (&format!("{HEADER},allow_private\n{good},yes\n"), "line 2: allow_private must be true or false"),
        ("[{\"Service\": 1}]", "the registry's JSON does not name its supplier"),
    ] {
        installation.run_with(&["suppliers", "endpoints", "import", "-"], rows).await.refused(1, part);
    }
    assert_eq!(installation.run(&["suppliers", "endpoints", "list", "--json"]).await.json(), json!([]));
}

#[tokio::test]
async fn the_registrys_json_is_read_and_what_no_table_describes_is_named() {
    let installation = Installation::new().await;
    let entry = |code: &str, version: &str, url: &str, test: Value| {
        json!({"Service": {"ServiceType": {"Code": code, "Name": "x"}, "Version": version, "Status": "Production"},
            "URL": url, "TestURL": test})
    };
    let registry = json!([
        entry("INV", "2.0.0", "https://a.example/inv?wsdl", json!("https://test.a.example/inv")),
        entry("ODRSTAT", "1.0.0", "https://a.example/odr", json!("https://a.example/odr")),
        entry("MED", "1.0.0", "https://a.example/med", json!("")),
        entry("PPC", "1.0.0", "https://a.example/ppc", json!(null)),
        entry("INV", "7.0.0", "https://a.example/seven", json!(null)),
    ]);
    let path = file("registry.json", &registry.to_string());
    let report =
        installation.run(&["suppliers", "endpoints", "import", &path, "--supplier", "HIT", "--json"]).await.json();
    assert_eq!(report, json!({"created": 5, "updated": 0, "unchanged": 0, "skipped": ["INV 7.0.0"]}));
    let list = installation.run(&["suppliers", "endpoints", "list"]).await;
    let lines: Vec<_> = list.done().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "HIT\tINV\t2.0.0\tPROD\thttps://a.example/inv",
            "HIT\tINV\t2.0.0\tSTAGING\thttps://test.a.example/inv",
            "HIT\tMED\t1.0.0\tPROD\thttps://a.example/med",
            "HIT\tOSTAT\t1.0.0\tPROD\thttps://a.example/odr",
            "HIT\tPPC\t1.0.0\tPROD\thttps://a.example/ppc",
        ]
    );
}

#[tokio::test]
async fn the_directory_lists_the_versions_that_can_be_called() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory("1", "1", "x")).await;
    for (service, version) in [("INV", "1.2.1"), ("INV", "2.0.0"), ("OSTAT", "2.0.0")] {
        supplier.serves(&app, "HIT", service, version, Environment::Production).await;
    }
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Staging).await;
    let caller = app.account("directory@example.com").await;
    let body = caller.get("/extra/v2/services/HIT").await.expect(200);
    let of = |code: &str| {
        body["services"].as_array().unwrap().iter().find(|row| row["code"] == code).unwrap()["versions"].clone()
    };
    assert_eq!(
        of("INV"),
        json!([
            {"version": "1.2.1", "environments": ["PROD"]},
            {"version": "2.0.0", "environments": ["PROD", "STAGING"]},
        ])
    );
    assert_eq!(of("OSTAT"), json!([{"version": "2.0.0", "environments": ["PROD"]}]));
    assert_eq!(of("PO"), json!([]));
}

#[tokio::test]
async fn an_address_that_the_database_was_given_by_somebody_else_is_not_called() {
    let app = TestApp::start().await;
    let (real, thief) =
        (Supplier::start(inventory("1", "1", "x")).await, Supplier::start(inventory("1", "1", "x")).await);
    real.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    let caller = app.account("thief@example.com").await;
    let base = json!({"supplier_code": "HIT", "production_username": "user", "production_password": "pass"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    caller.get("/v2/suppliers/HIT/inventory/1").await.expect(200);
    for change in [
        format!("update supplier_endpoints set url = 'http://{}/'", thief.address),
        "update supplier_endpoints set service = 'PPC', version = '1.0.0'".to_owned(),
    ] {
        app.sql(&change).await;
        app.forget();
        caller.get("/v2/suppliers/HIT/inventory/1").await.expect(404);
        caller.get("/v1.0.0/suppliers/HIT/fob-points/1").await.expect(404);
    }
    assert_eq!((real.received().len(), thief.received().len()), (1, 0));
}

#[tokio::test]
async fn doctor_names_endpoints_that_somebody_else_wrote() {
    let installation = Installation::new().await;
    let import = ["suppliers", "endpoints", "import", "-"];
    let rows = format!("{HEADER}\nHIT,INV,2.0.0,PROD,https://a.example/\nHIT,PO,1.0.0,PROD,https://a.example/po\n");
    installation.run_with(&import, &rows).await.done();
    let found = async || {
        let findings: Value = serde_json::from_str(&installation.run(&["doctor", "--json"]).await.stdout).unwrap();
        let finding = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "suppliers").unwrap();
        (finding["status"].clone(), finding["found"].as_str().unwrap().to_owned())
    };
    assert_eq!(found().await, (json!("ok"), "2 endpoints of 1 suppliers; no login is suspended".to_owned()));
    let mut admin = installation.database.admin.connect().await.unwrap();
    let stolen = "update supplier_endpoints set url = 'https://thief.example/' where service = 'PO'";
    sqlx::query(stolen).execute(&mut admin).await.unwrap();
    let (status, text) = found().await;
    assert_eq!(status, "wrong", "{text}");
    assert!(text.starts_with("1 of 2 endpoints are not as they were authenticated"), "{text}");
    installation.run_with(&import, &rows).await.done();
    assert_eq!(found().await.0, "ok");
}
