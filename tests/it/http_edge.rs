//! The edge: for every request, the answer is JSON that names the error without repeating it, carries a request id and
//! may not be stored.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use credenza::clock::Clock;
use credenza::http::public_router;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{Answer, Caller, TestApp, logs};

const BASE: &str = "/extra/v2/credentials";
const JSON: &str = "application/json";
/// A value that no answer and no log may hold.
const SENTINEL: &str = "Sentinel-9f3Z";

/// A POST whose body is not made from a JSON value.
fn raw(caller: &Caller<'_>, path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = caller.request(Method::POST, path, None);
    if !content_type.is_empty() {
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
    }
    *request.body_mut() = body.into();
    request
}

/// Refused requests that each carry the sentinel somewhere, with the status of the refusal.
fn refused_requests(caller: &Caller<'_>) -> Vec<(u16, Request<Body>)> {
    let s = SENTINEL;
    let services = format!("{BASE}/HIT/services");
    let deep = format!("{}{s}{}", "[".repeat(50_000), "]".repeat(5_000));
    let bodies = [
        format!(r#"{{"supplier_code": "{s}""#),
        format!(r#"{{"supplier_code": "HIT", "{s}": "{s}"}}"#),
        format!(r#"{{"supplier_code": ["{s}"]}}"#),
        format!(r#"{{"supplier_code": {{"{s}": 1}}}}"#),
        format!(r#"{{"supplier_code": "HIT", "supplier_code": "{s}"}}"#),
        format!(r#"{{"supplier_code": "HIT"}} {s}"#),
        format!(r#"["{s}"]"#),
        format!(r#"["HIT", "u", "{s}", null, null]"#),
        format!(r#""{s}""#),
        format!(r#"{{"supplier_code": "HIT", "staging_password": "{s}"}}"#),
        format!(r#"{{"supplier_code": "HIT", "staging_username": "{s}\u0000", "staging_password": "{s}"}}"#),
        format!("{{\"supplier_code\": \"{s}\n\"}}"),
        format!("\u{feff}{{\"supplier_code\": \"{s}\"}}"),
        format!(r#"{{"supplier_code": {deep}}}"#),
        deep,
        "true".to_owned(),
        "4711".to_owned(),
        "null".to_owned(),
        String::new(),
    ];
    let mut requests: Vec<_> = bodies.into_iter().map(|body| (400, raw(caller, BASE, JSON, body))).collect();
    let wrong_service = json!({"service": s, "environment": s, "username": s, "password": s}).to_string();
    requests.extend([
        (400, raw(caller, BASE, JSON, [b"{\"supplier_code\": \"\xff\xfe", s.as_bytes(), b"\"}"].concat())),
        (400, raw(caller, &services, JSON, wrong_service)),
        (400, raw(caller, &format!("{BASE}?{s}={s}"), JSON, r#"{"supplier_code": "HIT"}"#)),
        (400, caller.request(Method::GET, &format!("{BASE}/HIT/resolution?service={s}"), None)),
        (404, raw(caller, BASE, JSON, format!(r#"{{"supplier_code": "{s}"}}"#))),
        (404, caller.request(Method::GET, &format!("{BASE}/{s}"), None)),
        (404, caller.request(Method::DELETE, &format!("{BASE}/HIT/services/{s}/{s}"), None)),
        (404, caller.request(Method::GET, &format!("/{s}"), None)),
        (405, caller.request(Method::PATCH, &format!("{BASE}/{s}"), None)),
        (413, raw(caller, BASE, JSON, s.repeat(10_000))),
        (415, raw(caller, BASE, "text/plain", s)),
    ]);
    requests
}

#[tokio::test]
async fn every_refusal_is_json_and_repeats_no_value_nor_does_the_log() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for (status, request) in refused_requests(&caller) {
        let asked = format!("{request:?}");
        let answer = app.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{asked} {answer:?}");
        answer.expect_json_error(status);
        assert!(!format!("{answer:?}").contains(SENTINEL), "{asked} {answer:?}");
    }
    assert_eq!(caller.get(BASE).await.expect(200)["count"], 0);
    assert!(!logs::so_far().contains(SENTINEL));
}

#[tokio::test]
async fn a_body_may_have_64_kibibytes_and_not_one_more() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let body = |length| {
        let mut body = br#"{"supplier_code": "HIT"}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    app.send(raw(&caller, BASE, JSON, body(64 << 10))).await.expect(201);
    let answer = app.send(raw(&caller, BASE, JSON, body((64 << 10) + 1))).await;
    answer.expect_json_error(413);
}

#[tokio::test]
async fn only_bodies_that_are_declared_as_json_are_read() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let body = r#"{"supplier_code": "HIT"}"#;
    for right in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
        app.send(raw(&caller, BASE, right, body)).await.expect(201);
    }
    for wrong in ["", "text/json", "text/plain; application/json", "application/x-www-form-urlencoded", "json"] {
        app.send(raw(&caller, BASE, wrong, body)).await.expect_json_error(415);
    }
}

#[tokio::test]
async fn compressed_bodies_are_refused_before_they_are_read() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let sent_as = async |coding: &str| {
        let mut request = raw(&caller, BASE, JSON, r#"{"supplier_code": "HIT"}"#);
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        app.send(request).await
    };
    for coding in ["gzip", "br", "identity, gzip", ""] {
        let answer = sent_as(coding).await;
        answer.expect_error(415, "The request body must not be compressed");
        assert_eq!(answer.header("accept-encoding"), Some("identity"), "{coding}");
    }
    for coding in ["identity", "Identity"] {
        sent_as(coding).await.expect(201);
    }
    // A wrong type is another matter.
    let untyped = app.send(raw(&caller, BASE, "text/plain", "{}")).await;
    untyped.expect_error(415, "The request body must be application/json");
    assert_eq!(untyped.header("accept-encoding"), None);
    let mut form = raw(&caller, "/oauth/token", "application/x-www-form-urlencoded", "grant_type=client_credentials");
    form.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(app.send(form).await.expect(400)["error_description"], "The body must not be compressed");
}

#[tokio::test]
async fn refusals_of_a_body_name_the_place() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let refused = async |body: &str, detail: &str| {
        app.send(raw(&caller, BASE, JSON, body.to_owned())).await.expect_error(400, detail);
    };
    refused(r#"{"supplier_code": 1}"#, "supplier_code: has the wrong type").await;
    refused(r#"{"supplier_code": "HIT", "password": "x"}"#, "password: is not a field of this operation").await;
    refused(r#"{"supplier_code": "HIT", "supplier_code": "HIT"}"#, "supplier_code: is given twice").await;
    refused(r#"["HIT"]"#, "The body has the wrong type (at line 1 column 0)").await;
    refused("{\n", "Malformed JSON at line 2 column 0").await;
    refused("{}", "supplier_code: is required").await;
}

#[tokio::test]
async fn successes_carry_the_edges_headers_too() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, json!({"supplier_code": "HIT"})).await.expect_edge_headers();
    for path in [BASE, "/extra/v2/credentials/HIT", "/healthz", "/readyz"] {
        caller.get(path).await.expect_edge_headers();
    }
    caller.delete(&format!("{BASE}/HIT")).await.expect_edge_headers();
    app.nobody().get(BASE).await.expect_edge_headers();
}

#[tokio::test]
async fn a_valid_request_id_is_echoed_and_an_invalid_one_replaced() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let echo = async |id: &[u8]| {
        let mut request = caller.request(Method::GET, BASE, None);
        request.headers_mut().insert("x-request-id", HeaderValue::from_bytes(id).unwrap());
        app.send(request).await.header("x-request-id").unwrap().to_owned()
    };
    let longest = "a".repeat(128);
    for id in ["x", "Root=1-67891233-abcdef012345678912345678", "a_b.c:d/e+f=", &longest] {
        assert_eq!(echo(id.as_bytes()).await, id);
    }
    let too_long = "a".repeat(129);
    for id in ["", "two words", "tab\there", "quo\"te", "a,b", "<b>", "\u{e9}", &too_long] {
        let replaced = echo(id.as_bytes()).await;
        assert!(uuid::Uuid::parse_str(&replaced).is_ok(), "{id:?} {replaced:?}");
    }
    assert_ne!(echo(b"").await, echo(b"").await);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_without_its_message() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let broken = app.other_process_with(Clock::from_fn(|| panic!("the clock stopped")));
    let request = caller.request(Method::POST, BASE, Some(json!({"supplier_code": "HIT"})));
    let answer = Answer::read(public_router(Arc::new(broken)).oneshot(request).await.unwrap()).await;
    answer.expect_json_error(500);
    answer.expect_text(500, r#"{"detail":"Internal server error"}"#);
}

#[tokio::test]
async fn without_its_database_the_service_asks_for_patience() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    app.app.pool.close().await;
    let answer = caller.get(BASE).await;
    answer.expect_json_error(503);
    answer.expect_error(503, "The service cannot answer just now, please try again");
}
