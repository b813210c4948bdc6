//! Files that are not imported: nothing of them is stored, every wrong row is named, and no value is repeated.

use axum::body::Body;
use axum::http::HeaderValue;
use credenza::credentials::import::MOST_BYTES;
use serde_json::{Value, json};

use crate::imports::{BASE, SERVICE, report, suppliers};
use crate::support::{Answer, Caller, TestApp};

/// The errors of an answer, in a few words each.
#[track_caller]
fn errors(answer: &Answer) -> Vec<String> {
    let body = answer.expect(400);
    let counts = ["created", "updated", "unchanged"].map(|name| body[name].clone());
    assert_eq!(counts, [0, 0, 0], "{answer:?}");
    assert!(body["detail"].as_str().unwrap().starts_with("The file has "), "{answer:?}");
    let text = |error: &Value| {
        let word = |name: &str| error[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", error["row"], word("field"), word("message"))
    };
    body["errors"].as_array().unwrap().iter().map(text).collect()
}

/// An account without rows but a base row for HIT, with a production pair.
async fn caller(app: &TestApp) -> Caller<'_> {
    let caller = app.account_that_resolves("devs@platform.example").await;
    caller.import("", format!("{BASE}HIT,,,u,p\n")).await.expect(200);
    caller
}

#[tokio::test]
async fn every_rule_of_single_posts_holds_for_each_row() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let long = "ß".repeat(256);
    let rows = [
        ",,,u,p",
        "HITT,,,u,p",
        "Nobody,,,u,p",
        "PCNA,u,,,p",
        "SanMar,u,\u{7f},,",
        &format!("CAP,,,{long},p"),
        "HIT,s,,,",
        "SS,\"a\nb\",s,u\u{0},p",
    ];
    let answer = caller.import("", format!("{BASE}{}\n", rows.join("\n"))).await;
    assert_eq!(
        errors(&answer),
        [
            "2 supplier_code: is required",
            "3 supplier_code: Supplier not found (did you mean `HIT`?)",
            "4 supplier_code: Supplier not found",
            "5 staging_password: is required together with staging_username, because no staging pair is stored yet",
            "5 production_username: is required together with production_password, because no production pair is stored yet",
            "6 staging_password: must not contain control characters",
            "7 production_username: must be at most 255 characters long",
            "8 staging_password: is required together with staging_username, because no staging pair is stored yet",
            "9 staging_username: must not contain control characters",
            "9 production_username: must not contain control characters",
        ]
    );
    let body = answer.json();
    assert_eq!(body["detail"], "The file has 10 errors, the first in row 2, supplier_code: is required");
    assert_eq!(body["rows"], 8);
    let rows = [
        "HIT,XYZ,PROD,u,p",
        "HIT,inv,prod,u,p",
        "HIT,PO,,,",
        "PCNA,INV,PROD,u,p",
        "PCN,INV,PROD,u,p",
        "HIT,INVC,PROD,u,p",
        "HIT,Invoice,PROD,u,p",
        "HIT,Invoice,STAGING,u,p",
    ];
    let service = "Invalid service (must be one of Product, MED, INV, PPC, PO, OSN, OSTAT, Invoice)";
    let environment = "Invalid environment (must be STAGING or PROD)";
    assert_eq!(
        errors(&caller.import("", format!("{SERVICE}{}", rows.join("\n"))).await),
        [
            &format!("2 service: {service}"),
            &format!("3 service: {service}"),
            &format!("3 environment: {environment}"),
            "4 environment: is required",
            "4 username: is required",
            "4 password: is required",
            "5 supplier_code: Parent credentials must exist first",
            "6 supplier_code: Parent credentials must exist first (did you mean `PCNA`?)",
            "8 row: says a second time what row 7 is about",
        ]
    );
    assert_eq!(caller.get("/extra/v2/credentials").await.expect(200)["count"], 1);
}

#[tokio::test]
async fn a_file_without_the_columns_is_refused_with_one_error() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let columns = "row: must name each of the columns supplier_code, staging_username, staging_password, \
                   production_username, production_password, or each of supplier_code, service, environment, username, \
                   password, and no others";
    for (file, expected) in [
        (&b""[..], format!("1 {columns}")),
        (b"\n\nsupplier_code\n", format!("3 {columns}")),
        (b"supplier_code,service,environment,username,secret\nHIT,INV,PROD,u,p\n", format!("1 {columns}")),
        (b"supplier_code,service,environment,username,password,notes\n", format!("1 {columns}")),
        (b"supplier_code,service,environment,password,password\n", format!("1 {columns}")),
        (b"Supplier_Code,service,environment,username,password\n", format!("1 {columns}")),
        (b"supplier_code;service;environment;username;password\n", format!("1 {columns}")),
        (b"supplier_code,service,environment,username,\"password\n", "1 row: has a quote that is never closed".into()),
        (b"supplier_code,service,environment,username,password\nHIT,INV,PROD,u,\xff\n", "2 row: is not UTF-8".into()),
    ] {
        assert_eq!(errors(&caller.import("", file.to_vec()).await), [expected], "{}", String::from_utf8_lossy(file));
    }
    let rows =
        ["HIT,INV,PROD,u", "HIT,INV,PROD,u,p,p", "HIT,INV,PROD,u,p\"p", "HIT,PO,PROD,\"u\"u,p", "HIT,PPC,PROD,u,\"p"];
    assert_eq!(
        errors(&caller.import("", format!("{SERVICE}{}", rows.join("\n"))).await),
        [
            "2 row: has 4 fields and not 5",
            "3 row: has 6 fields and not 5",
            "4 row: has a quote in a field that is not quoted",
            "5 row: has text behind a quoted field",
            "6 row: has a quote that is never closed",
        ]
    );
    assert_eq!(caller.import("", SERVICE).await.expect(200), report(0, 0, 0, 0));
}

#[tokio::test]
async fn one_bad_row_among_thousands_keeps_all_of_them_out() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    suppliers(&app, 3000).await;
    let file = |bad: &str| {
        let row = |number| if number == 1717 { bad.to_owned() } else { format!("S{number},,,u,p\n") };
        (1..=3000).fold(BASE.to_owned(), |file, number| file + &row(number))
    };
    let events = async || app.rows("select 1 as one from audit_events").await.len();
    let before = events().await;
    for (bad, error) in [
        (
            "S1717,,,u,\n",
            "1718 production_password: is required together with production_username, because no production pair is stored yet",
        ),
        ("Q1717,,,u,p\n", "1718 supplier_code: Supplier not found (did you mean `S1717`?)"),
        ("S1717,,,u\n", "1718 row: has 4 fields and not 5"),
    ] {
        assert_eq!(errors(&caller.import("", file(bad)).await), [error]);
    }
    assert_eq!(
        (events().await, caller.get("/extra/v2/credentials").await.expect(200)["count"].clone()),
        (before, json!(1))
    );
    assert_eq!(caller.import("", file("S1717,,,u,p\n")).await.expect(200), report(3000, 3000, 0, 0));
}

#[tokio::test]
async fn a_hundred_errors_are_listed_and_all_are_counted() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    // Found in two looks at the file, told in its order.
    let rows: String =
        (0..200).map(|number| if number % 2 == 0 { "Nobody1\n" } else { "HIT,XYZ,PROD,u,p\n" }).collect();
    let rows = rows.replace("Nobody1", "Nobody,INV,PROD,u");
    let answer = caller.import("", format!("{SERVICE}{rows}Nobody,INV,PROD,u,p\n")).await;
    let listed = errors(&answer);
    assert_eq!(listed.len(), 100);
    assert_eq!((listed[0].as_str(), &listed[99][..4]), ("2 row: has 4 fields and not 5", "101 "));
    let detail =
        "The file has 201 errors, of which the first 100 are listed; the first in row 2, row: has 4 fields and not 5";
    assert_eq!((&answer.json()["detail"], &answer.json()["rows"]), (&json!(detail), &json!(201)));
}

#[tokio::test]
async fn no_answer_repeats_a_value() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    for file in [
        format!("{BASE}hunter2,hunter2,hunter2\u{1},hunter2,hunter2\n"),
        format!("{BASE}hunter2,hunter2,,,hunter2\n"),
        format!("{BASE}HIT,hunter2,,,\nHIT,hunter2,,,\n"),
        format!("{BASE}HIT,hunter2,hunter2\"hunter2,,\n"),
        format!("{SERVICE}hunter2,hunter2,hunter2,hunter2,hunter2{}\n", "x".repeat(300)),
        format!("{SERVICE}hunter2,INV,PROD,hunter2,hunter2\n"),
        "hunter2,service,environment,username,password\n".to_owned(),
        "hunter2".to_owned(),
        "\"hunter2".to_owned(),
    ] {
        let answer = caller.import("", file.clone()).await;
        answer.expect_json_error(400);
        assert!(!format!("{answer:?}").contains("hunter2"), "{file}: {answer:?}");
    }
}

#[tokio::test]
async fn bodies_of_another_kind_or_too_large_are_refused() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let sent_as = async |media: Option<&'static str>| {
        let mut request = caller.import_request("", BASE);
        match media {
            Some(media) => request.headers_mut().insert("content-type", HeaderValue::from_static(media)),
            None => request.headers_mut().remove("content-type"),
        };
        app.send(request).await
    };
    for media in ["text/csv", "Text/CSV; charset=UTF-8", "text/csv;header=present;charset=\"utf-8\""] {
        sent_as(Some(media)).await.expect(200);
    }
    for media in
        [None, Some("application/json"), Some("text/plain"), Some("text/csv; charset=iso-8859-1"), Some("text/csvx")]
    {
        sent_as(media).await.expect_error(415, "The request body must be text/csv in UTF-8");
    }
    let mut compressed = caller.import_request("", BASE);
    compressed.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    app.send(compressed).await.expect_error(415, "The request body must not be compressed");

    let filled = |length: usize| Body::from(BASE.to_owned() + &"\n".repeat(length - BASE.len()));
    assert_eq!(caller.import("", filled(MOST_BYTES)).await.expect(200), report(0, 0, 0, 0));
    caller.import("", filled(MOST_BYTES + 1)).await.expect_json_error(413);
    // The others keep their limit.
    let large = json!({"supplier_code": "x".repeat(70_000)});
    caller.post("/extra/v2/credentials", large).await.expect_json_error(413);
    // A supplier of this name, from before the directory refused it, is reached in another spelling of its path.
    caller.get("/extra/v2/credentials/%69mport").await.expect_error(404, "Credentials not found");
}

#[tokio::test]
async fn a_pair_that_does_not_open_is_replaced_whole_and_not_completed() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    caller.import("", format!("{SERVICE}HIT,INV,PROD,u,p\n")).await.expect(200);
    let flip = "set_byte(password, 20, get_byte(password, 20) # 1)";
    app.sql(&format!("update service_credentials set password = {flip}")).await;
    app.sql(&format!(
        "update supplier_credentials set production_password = {}",
        flip.replace("password,", "production_password,")
    ))
    .await;
    app.forget();
    caller.import("", format!("{BASE}HIT,,,u2,\n")).await.expect_json_error(500);
    assert_eq!(caller.import("", format!("{BASE}HIT,,,u,p\n")).await.expect(200), report(1, 0, 1, 0));
    assert_eq!(caller.import("", format!("{SERVICE}HIT,INV,PROD,u,p\n")).await.expect(200), report(1, 0, 1, 0));
    assert_eq!(caller.resolve("HIT", "INV", "PROD").await.expect(200)["password"], "p");
    assert_eq!(caller.resolve("HIT", "PO", "PROD").await.expect(200)["password"], "p");
}
