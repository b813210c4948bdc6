//! `credenza suppliers` and `credenza default-credentials`: the directory and the shared logins.

use serde_json::json;

use crate::support::installation::{Installation, file};

#[tokio::test]
async fn suppliers_are_imported_from_a_file_or_standard_input() {
    let installation = Installation::new().await;
    let path = file("suppliers.csv", "supplier_code,supplier_name,excluded_services\nNEW,\"New, Inc.\",PPC INV\n");
    assert_eq!(installation.run(&["suppliers", "import", &path]).await.done(), "1 created, 0 updated, 0 unchanged");
    let more = "supplier_code,supplier_name\nNEW,Renamed\nHIT,Hit Promotional Products\n";
    let report = installation.run_with(&["suppliers", "import", "-", "--json"], more).await.json();
    assert_eq!(report, json!({"created": 0, "updated": 1, "unchanged": 1}));

    let list = installation.run(&["suppliers", "list", "--json"]).await.json();
    let new = list.as_array().unwrap().iter().find(|row| row["supplier_code"] == "NEW").unwrap();
    assert_eq!(*new, json!({"supplier_code": "NEW", "supplier_name": "Renamed", "excluded_services": ["PPC", "INV"]}));
    let text = installation.run(&["suppliers", "list"]).await;
    assert!(text.done().lines().any(|line| line == "NEW\tRenamed\tPPC INV"), "{text:?}");
    assert_eq!(text.done().lines().count(), list.as_array().unwrap().len());
}

#[tokio::test]
async fn a_bad_file_is_refused_with_the_line_and_as_a_whole() {
    let installation = Installation::new().await;
    let before = installation.run(&["suppliers", "list"]).await;
    for (text, part) in [
        ("supplier_code,supplier_name\nA,A\nB,\n", "error: line 3: supplier_name must not be empty"),
        (
            "supplier_code,supplier_name,excluded_services\nA,A,XYZ\n",
            "line 2: excluded_services has an unknown service",
        ),
        (
            "supplier_code,supplier_name\nA,A\nimport,A\n",
            "error: line 3: supplier_code must not be `import`, which is the name of an operation",
        ),
        ("supplier_code,supplier_name\nHIT ,A\n", "supplier_code must not contain blanks or invisible characters"),
        (
            "supplier_code,supplier_name\nHIT\u{200b},A\n",
            "supplier_code must not contain blanks or invisible characters",
        ),
        ("supplier_code,supplier_name\n\u{a0}HIT,A\n", "supplier_code must not contain blanks or invisible characters"),
        ("code,name\nA,A\n", "error: the file is not CSV with the columns supplier_code, supplier_name"),
        ("code,name\n", "error: the file is not CSV with the columns supplier_code, supplier_name"),
        ("supplier_code,supplier_name\nA\n", "line: 2"),
        ("", "error: the file is not CSV with the columns supplier_code, supplier_name"),
    ] {
        installation.run_with(&["suppliers", "import", "-"], text).await.refused(1, part);
    }
    let nowhere = installation.run(&["suppliers", "import", "/nowhere.csv"]).await;
    nowhere.refused(1, "error: `/nowhere.csv` cannot be read: No such file or directory");
    assert_eq!(installation.run(&["suppliers", "list"]).await.stdout, before.stdout);
}

#[tokio::test]
async fn shared_logins_are_set_listed_without_the_login_and_removed() {
    let installation = Installation::new().await;
    let place = ["--supplier", "SanMar", "--environment", "PROD"];
    let with = |command, more: &[&'static str]| [&["default-credentials", command], &place[..], more].concat();
    let set = with("set", &["--username", "shared", "--password-stdin"]);
    assert_eq!(installation.run_with(&set, "hunter2\n").await.done(), "set");
    let list = installation.run(&["default-credentials", "list", "--json"]).await;
    assert!(!list.stdout.contains("shared") && !list.stdout.contains("hunter2"), "{list:?}");
    let row = json!({
        "supplier_code": "SanMar", "environment": "PROD",
        "services": ["Product", "MED", "INV", "PPC"], "serves": ["Product", "MED"],
    });
    assert_eq!(list.json(), json!([row]));
    assert_eq!(installation.run(&["default-credentials", "list"]).await.done(), "SanMar\tPROD\tProduct,MED");

    let set = with("set", &["--username", "shared", "--password-stdin", "--services", "PO,MED,PO"]);
    installation.run_with(&set, "hunter3").await.done();
    let list = installation.run(&["default-credentials", "list", "--json"]).await.json();
    assert_eq!(list[0]["services"], json!(["PO", "MED"]));
    assert_eq!(installation.run(&with("remove", &[])).await.done(), "removed");
    let again = installation.run(&with("remove", &[])).await;
    again.refused(1, "error: there are no default credentials for SanMar in PROD");
    assert_eq!(installation.run(&["default-credentials", "list", "--json"]).await.json(), json!([]));
}

#[tokio::test]
async fn a_shared_login_that_cannot_be_is_refused() {
    let installation = Installation::new().await;
    let run = async |more: &[&str], password| {
        let set = [&["default-credentials", "set", "--username", "shared"], more].concat();
        installation.run_with(&set, password).await
    };
    let hit = ["--supplier", "HIT", "--environment", "PROD", "--password-stdin"];
    run(&hit, "").await.refused(1, "error: the password must not be empty");
    run(&hit[..4], "hunter2").await.refused(2, "--password-stdin");
    run(&[&hit[..4], &["--password", "hunter2"]].concat(), "").await.refused(2, "--password");
    run(&[&hit[..], &["--services", "PO,XYZ"]].concat(), "hunter2").await.refused(2, "must be one of Product, ");
    let place = |supplier, environment| ["--supplier", supplier, "--environment", environment, "--password-stdin"];
    run(&place("HIT", "prod"), "hunter2").await.refused(2, "must be one of PROD, STAGING");
    run(&place("hit", "PROD"), "hunter2").await.refused(1, "error: Supplier not found (did you mean `HIT`?)");
    assert_eq!(installation.run(&["default-credentials", "list", "--json"]).await.json(), json!([]));
}
