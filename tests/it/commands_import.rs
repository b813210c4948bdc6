//! `credenza import`: a file from the command line, while the service runs.

use serde_json::json;

use crate::imports::{BASE, SERVICE};
use crate::support::installation::{Installation, file};
use crate::support::program::eventually;

#[tokio::test]
async fn a_file_or_standard_input_is_imported_and_tried_before() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let path = file("credentials.csv", &format!("{BASE}HIT,,,u,p\nPCNA,,,,\n"));
    let import = ["import", "--account", &account];
    let with = |more: &[&str]| installation.command(&[&import[..], more].concat());
    let run = async |more: &[&str], input: &str| crate::support::program::run(with(more), input).await;
    assert_eq!(run(&[&path, "--dry-run"], "").await.done(), "would be: 2 created, 0 updated, 0 unchanged");
    assert_eq!(run(&[&path], "").await.done(), "2 created, 0 updated, 0 unchanged");
    let more = format!("{SERVICE}HIT,INV,PROD,u,p\n");
    let report = run(&["-", "--json"], &more).await.json();
    assert_eq!(report, json!({"rows": 1, "created": 1, "updated": 0, "unchanged": 0, "errors": []}));
    let audit = installation.run(&["audit", "verify"]).await;
    audit.done();
}

#[tokio::test]
async fn errors_are_listed_by_row_and_the_command_fails() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let run = async |more: &[&str], input: &str| {
        installation.run_with(&[&["import", "--account", &account], more].concat(), input).await
    };
    let wrong = format!("{BASE}HIT,,,u,\nhit,,,u,hunter2\n");
    let refused = run(&["-"], &wrong).await;
    for line in [
        "row 2: production_password: is required together with production_username",
        "row 3: supplier_code: Supplier not found (did you mean `HIT`?)",
        "error: nothing was imported: 2 errors",
    ] {
        refused.refused(1, line);
    }
    let json = run(&["-", "--json"], &wrong).await;
    assert_eq!(json.code, Some(1), "{json:?}");
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&report["rows"], report["errors"].as_array().unwrap().len()), (&json!(2), 2));
    run(&["/nowhere.csv"], "").await.refused(1, "error: `/nowhere.csv` cannot be read: No such file or directory");
    let large = file("large.csv", &"x".repeat((10 << 20) + 1));
    run(&[&large], "").await.refused(1, "is larger than 10 MiB");
    installation
        .run_with(&["import", "--account", "4711", "-"], BASE)
        .await
        .refused(1, "error: there is no account 4711");
    installation.run(&["import", "-"]).await.refused(2, "--account");
}

#[tokio::test]
async fn a_running_service_answers_with_imported_pairs() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &["--scopes", "credentials:resolve,credentials:write"]).await;
    let service = installation.serve().await;
    eventually("it hears changes", async || service.public.is_at_full_speed().await).await;
    for password in ["one", "two"] {
        let file = format!("{BASE}HIT,,,u,{password}\n");
        let done = installation.run_with(&["import", "--account", &account, "-"], &file).await;
        done.done();
        // Before the command ended: the service had let go of what it had in memory.
        let answer = service.resolve(&key, &account, "HIT").await;
        assert_eq!(answer.expect(200)["password"], password);
        service.resolve(&key, &account, "HIT").await.expect(200);
    }
    service.program.stop().await.done();
}
