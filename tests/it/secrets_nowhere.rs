//! No secret is where it does not belong. Distinctive secrets go through every operation, also through ones that fail in
//! every way there is; then all that came out of the service is searched for them: answers, logs, tables, the database's
//! own log. A password leaves in only one place, the 200 of an internal resolve.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::api_key::{ApiKey, Kind};
use credenza::principal::Scope;
use credenza::types::{Environment, Service};
use serde_json::{Value, json};
use sqlx::Row;

use crate::support::cluster::{in_tests, server};
use crate::support::{Answer, Caller, TestApp, logs};

const BASE_USER: &str = "Zq7-the-Base-User-Zq7";
const BASE_PASSWORD: &str = "Zq7-the-Base-Password-Zq7";
const OWN_PASSWORD: &str = "Zq7-the-Service-Password-Zq7";
const DEFAULT_USER: &str = "Zq7-the-Default-User-Zq7";
const DEFAULT_PASSWORD: &str = "Zq7-the-Default-Password-Zq7";
const REQUEST_USER: &str = "Zq7-the-Request-User-Zq7";
const REQUEST_PASSWORD: &str = "Zq7-the-Request-Password-Zq7";
const REFUSED: &str = "Zq7-Refused-Text-Zq7";
/// The keys with which `support` composes applications.
const MASTER_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const PEPPER: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const AUDIT_KEY: &str = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";

/// Secrets by what they are called when one is found.
pub type Secrets = BTreeMap<String, Vec<u8>>;

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in bytes {
        write!(digits, "{byte:02x}").unwrap();
    }
    digits
}

/// Which of the secrets stand in a text: as they are, in hexadecimal digits, or in base64.
pub fn found<'a>(secrets: &'a Secrets, text: &str) -> Vec<&'a str> {
    let (lower, is_in) = (text.to_lowercase(), |bytes: &[u8]| {
        let plain = std::str::from_utf8(bytes).is_ok_and(|plain| text.contains(plain));
        plain || text.contains(BASE64_STANDARD.encode(bytes).trim_end_matches('='))
    });
    let found = secrets.iter().filter(|(_, bytes)| is_in(bytes) || lower.contains(&hex(bytes)));
    found.map(|(name, _)| name.as_str()).collect()
}

fn secrets_of(app: &TestApp, keys: &[&str]) -> Secrets {
    let mut secrets = Secrets::new();
    for text in [
        BASE_USER,
        BASE_PASSWORD,
        OWN_PASSWORD,
        DEFAULT_USER,
        DEFAULT_PASSWORD,
        REQUEST_USER,
        REQUEST_PASSWORD,
        REFUSED,
    ] {
        secrets.insert(text.to_owned(), text.into());
    }
    for text in [MASTER_KEY, PEPPER, AUDIT_KEY] {
        secrets.insert(format!("installation's key {text}"), BASE64_STANDARD.decode(text).unwrap());
    }
    for (index, key) in keys.iter().enumerate() {
        secrets.insert(format!("API key {index}"), (*key).into());
        let hash = app.app.pepper.hash(&ApiKey::parse(key).unwrap()).0;
        secrets.insert(format!("hash of API key {index}"), hash.into());
        // Enough of it to find the row: that is what the change feed sends.
        secrets.insert(format!("half of the hash of API key {index}"), hash[..8].into());
    }
    secrets
}

/// Bodies that are refused, each with a secret at some place.
fn refused_bodies() -> Vec<String> {
    let long = REFUSED.repeat(20);
    let mut bodies = vec![
        format!("{{\"supplier_code\": \"HIT\", \"production_password\": \"{REFUSED}"),
        format!("{{\"supplier_code\": \"HIT\"}} {REFUSED}"),
        format!("{REFUSED}"),
        format!("\"{REFUSED}\""),
        format!("{{\"production_password\": \"{REFUSED}\", \"production_password\": \"{REFUSED}\"}}"),
        REFUSED.repeat(5000),
        format!("{{\"supplier_code\": \"HIT\", \"production_password\": \"{}\"}}", REFUSED.repeat(5000)),
    ];
    for value in [json!([REFUSED]), json!({REFUSED: REFUSED}), json!(long), json!(format!("{REFUSED}\n"))] {
        for field in [
            "supplier_code",
            "production_password",
            "production_username",
            "password",
            "username",
            "service",
            "environment",
            "account_id",
            "request_credentials",
        ] {
            bodies.push(json!({field: value}).to_string());
        }
        bodies.push(json!({"request_credentials": {"password": value}}).to_string());
    }
    for object in [
        json!([REFUSED]),
        json!({REFUSED: 1}),
        json!({"unknown": REFUSED}),
        json!({"supplier_code": REFUSED}),
        json!({"supplier_code": "PCNA", "staging_password": REFUSED}),
        json!({"supplier_code": "PCNA", "staging_username": REFUSED}),
        json!({"service": REFUSED, "environment": REFUSED, "username": REFUSED, "password": REFUSED}),
        json!({"service": "INV", "environment": "prod", "username": REFUSED, "password": REFUSED}),
        json!({"account_id": REFUSED, "supplier_code": REFUSED}),
        json!({"account_id": 1, "supplier_code": REFUSED, "service": "INV", "environment": "PROD"}),
    ] {
        bodies.push(object.to_string());
    }
    bodies
}

const COLLECTION: &str = "/extra/v2/credentials";
const SERVICES: &str = "/extra/v2/credentials/HIT/services";
const RESOLVE: &str = "/internal/v1/resolve";

/// Sends every refused body everywhere, declared as JSON and as something else, and puts secrets into paths, queries and
/// headers.
async fn refusals(app: &TestApp, key: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    let request = |method: &str, path: &str| Request::builder().method(method).uri(path);
    for body in refused_bodies() {
        for path in [COLLECTION, SERVICES, RESOLVE, "/internal/v1/resolve/batch"] {
            for kind in ["application/json", "text/plain"] {
                let request = request("POST", path).header("x-api-key", key).header("content-type", kind);
                answers.push(app.send(request.body(Body::from(body.clone())).unwrap()).await);
            }
        }
    }
    for path in [
        format!("{COLLECTION}/{REFUSED}"),
        format!("{COLLECTION}/{REFUSED}/resolution"),
        format!("{COLLECTION}/{REFUSED}/audit"),
        format!("{COLLECTION}/HIT/resolution?service={REFUSED}"),
        format!("{COLLECTION}/HIT?{REFUSED}={REFUSED}"),
        format!("{COLLECTION}?pub_api_key={key}"),
        format!("/{REFUSED}/{key}"),
        format!("/internal/{REFUSED}"),
    ] {
        for method in ["GET", "DELETE", "PUT"] {
            answers.push(app.send(request(method, &path).header("x-api-key", key).body(Body::empty()).unwrap()).await);
        }
    }
    let other_key = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
    for wrong in [REFUSED, &other_key, &key[..20], &format!("{key}{key}")] {
        for (path, header) in [(COLLECTION, "x-api-key"), (RESOLVE, "x-api-key"), (COLLECTION, "authorization")] {
            answers.push(app.send(request("GET", path).header(header, wrong).body(Body::empty()).unwrap()).await);
        }
    }
    let twice = request("GET", COLLECTION).header("x-api-key", key).header("x-api-key", key);
    answers.push(app.send(twice.body(Body::empty()).unwrap()).await);
    for answer in &answers {
        // A batch succeeds as a whole; its items do not.
        let refused = if answer.body.starts_with('[') {
            answer.json().as_array().unwrap().iter().all(|item| item["status"].as_u64() >= Some(400))
        } else {
            !answer.status.is_success()
        };
        assert!(refused, "{answer:?}");
    }
    answers
}

/// Stores, replaces, lists, explains. The answers that may hold a base user name, explanations of its own account, apart.
async fn successes(app: &TestApp, caller: &Caller<'_>) -> (Vec<Answer>, Vec<Answer>) {
    let pair = (DEFAULT_USER, DEFAULT_PASSWORD);
    app.set_default("HIT", Environment::Production, &[Service::Product, Service::Inv], pair).await;
    app.set_default("HIT", Environment::Staging, &[Service::Product], pair).await;
    let base = json!({"supplier_code": "HIT", "production_username": BASE_USER, "production_password": BASE_PASSWORD});
    let own = json!({"service": "INV", "environment": "PROD", "username": "in-clear", "password": OWN_PASSWORD});
    let answers = vec![
        caller.post(COLLECTION, base.clone()).await,
        caller.post(COLLECTION, base).await,
        caller.post(COLLECTION, json!({"supplier_code": "HIT", "production_password": BASE_PASSWORD})).await,
        caller.post(SERVICES, own.clone()).await,
        caller.post(SERVICES, own).await,
        caller.get(COLLECTION).await,
        caller.get(&format!("{COLLECTION}/HIT")).await,
        caller.get(&format!("{COLLECTION}/HIT/audit")).await,
    ];
    let explained = vec![
        caller.get(&format!("{COLLECTION}/HIT/resolution")).await,
        caller.get(&format!("{COLLECTION}/HIT/resolution?service=Product&environment=PROD")).await,
    ];
    for answer in answers.iter().chain(&explained) {
        assert!(answer.status.is_success(), "{answer:?}");
    }
    (answers, explained)
}

fn call(caller: &Caller<'_>, service: &str, request: &Value) -> Value {
    json!({"account_id": caller.account, "supplier_code": "HIT", "service": service, "environment": "PROD",
           "request_credentials": request})
}

/// Every table as text, but for the one column that is there to hold hashes of keys.
async fn tables(app: &TestApp) -> String {
    let mut admin = app.admin().await;
    let names: Vec<String> =
        sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public' order by 1")
            .fetch_all(&mut admin)
            .await
            .unwrap();
    let mut dump = String::new();
    for table in names {
        let row = if table == "api_keys" { "(to_jsonb(t) - 'hash')::text" } else { "t::text" };
        let rows = sqlx::query(in_tests(format!("select {row} from {table} t"))).fetch_all(&mut admin).await.unwrap();
        for row in rows {
            writeln!(dump, "{table}: {}", row.get::<&str, _>(0)).unwrap();
        }
    }
    dump
}

#[tokio::test]
async fn secrets_are_in_no_answer_no_log_and_no_table() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    let public_key = app.key(caller.account, Kind::Public, &[], false).await;
    let revoked_key = app.key(caller.account, Kind::Private, &Scope::DEFAULT, false).await;
    app.sql_authenticated(&format!(
        "update api_keys set revoked_at = now() where last_four = '{}'",
        &revoked_key[49..]
    ))
    .await;
    let key = caller.key.clone().unwrap();
    let keys = [key.as_str(), &public_key, &revoked_key];
    let secrets = secrets_of(&app, &keys);

    let (mut answers, explained) = successes(&app, &caller).await;
    answers.extend(refusals(&app, &key).await);
    for key in &keys[1..] {
        answers.push(caller.with_key(key).get(COLLECTION).await);
    }
    // The search itself works: here they are, by design.
    let request = json!({"username": REQUEST_USER, "password": REQUEST_PASSWORD});
    for (service, request, visible) in [
        ("INV", request, [REQUEST_PASSWORD, REQUEST_USER]),
        ("PPC", json!({"username": REQUEST_USER}), [BASE_PASSWORD, BASE_USER]),
    ] {
        let answer = caller.post(RESOLVE, call(&caller, service, &request)).await;
        assert_eq!(answer.status.as_u16(), 200);
        assert_eq!(found(&secrets, &answer.body), visible);
    }
    // Tampered with, and with nothing left at all.
    app.sql("update service_credentials set username = 'another'").await;
    app.sql("update supplier_credentials set production_password = production_username").await;
    app.forget();
    for service in ["INV", "Product"] {
        let answer = caller.post(RESOLVE, call(&caller, service, &json!({"password": REQUEST_PASSWORD}))).await;
        answer.expect_error(500, "Internal server error");
        answers.push(answer);
    }
    answers.push(caller.post("/internal/v1/resolve/batch", json!([call(&caller, "INV", &json!(null))])).await);
    answers.push(caller.delete(&format!("{COLLECTION}/HIT")).await);
    answers.push(caller.post(RESOLVE, call(&caller, "PO", &json!({"password": REQUEST_PASSWORD}))).await);

    for answer in &answers {
        assert_eq!(found(&secrets, &format!("{:?} {}", answer.headers, answer.body)), [""; 0], "{answer:?}");
    }
    for answer in &explained {
        assert_eq!(found(&secrets, &answer.body), [BASE_USER], "only the account's own user name");
    }
    successes(&app, &caller).await;
    assert_eq!(found(&secrets, &tables(&app).await), [""; 0], "in the tables");
    let logs = logs::so_far();
    for known in ["insert into supplier_credentials", "a stored value cannot be opened", "change feed is listening"] {
        assert!(logs.contains(known), "the logs are not whole: {known}");
    }
    assert_eq!(found(&secrets, &logs), [""; 0], "in the logs");
    let log = std::fs::read(server().await.log_file()).unwrap();
    assert_eq!(found(&secrets, &String::from_utf8_lossy(&log)), [""; 0], "in the database's log");
}
