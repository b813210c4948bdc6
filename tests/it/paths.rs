//! Paths: what a path leads to, and that nothing else does.

use axum::http::Method;
use credenza::principal::Scope;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::operations::{self, Target};
use crate::support::{Answer, TestApp};

const BASE: &str = "/extra/v2/credentials";

#[tokio::test]
async fn every_path_answers_with_a_trailing_slash_as_without() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    let service = json!({"service": "INV", "environment": "PROD", "username": "u", "password": "p"});
    let call = json!({"account_id": caller.account, "supplier_code": "HIT", "service": "INV", "environment": "PROD"});
    let requests = [
        (Method::POST, "/extra/v2/credentials", "", Some(json!({"supplier_code": "HIT"})), 201),
        (Method::GET, "/extra/v2/credentials", "", None, 200),
        (Method::GET, "/extra/v2/credentials/HIT", "", None, 200),
        (Method::GET, "/extra/v2/credentials/HIT/audit", "", None, 200),
        (Method::GET, "/extra/v2/credentials/HIT/resolution", "?service=INV&environment=PROD", None, 200),
        (Method::POST, "/extra/v2/credentials/HIT/services", "", Some(service), 201),
        (Method::POST, "/internal/v1/resolve", "", Some(call.clone()), 200),
        (Method::POST, "/internal/v1/resolve/batch", "", Some(json!([call])), 200),
        (Method::GET, "/healthz", "", None, 200),
        (Method::GET, "/readyz", "", None, 200),
        // What can be deleted once only is deleted below; here the refusal shows that both forms arrive.
        (Method::DELETE, "/extra/v2/credentials/HIT/services/INV/STAGING", "", None, 404),
        (Method::DELETE, "/extra/v2/credentials/PCNA", "", None, 404),
        (Method::GET, "/nowhere", "", None, 404),
    ];
    for (method, path, query, body, status) in requests {
        let plain = caller.send(method.clone(), &format!("{path}{query}"), body.clone()).await;
        let slashed = caller.send(method, &format!("{path}/{query}"), body).await;
        assert_eq!(plain.status.as_u16(), status, "{path} {plain:?}");
        assert_eq!((slashed.status, slashed.body), (plain.status, plain.body), "{path}");
    }
    caller.delete("/extra/v2/credentials/HIT/services/INV/PROD/").await.expect_text(204, "");
    caller.delete("/extra/v2/credentials/HIT/").await.expect_text(204, "");
}

#[tokio::test]
async fn unknown_paths_are_not_found_on_both_listeners() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let in_base = ["/HIT/services/INV", "/HIT/services/INV/PROD/x", "/HIT/nothing", "/HIT/../HIT/x", "//HIT", "//"];
    let in_base = in_base.map(|path| format!("{BASE}{path}"));
    let others = ["/", "/extra", "/extra/v2", "/EXTRA/v2/credentials", "/internal/v1", "/internal/v1/nothing"];
    for path in in_base.into_iter().chain(others.map(str::to_owned)) {
        let answer = caller.get(&path).await;
        answer.expect_json_error(404);
        answer.expect_error(404, "Not found");
    }
}

#[tokio::test]
async fn passwords_cannot_be_asked_for_on_the_public_listener() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for path in ["/internal/v1/resolve", "/internal/v1/resolve/batch"] {
        let request = caller.request(Method::POST, path, Some(json!({})));
        let answer = Answer::read(app.public.clone().oneshot(request).await.unwrap()).await;
        answer.expect_json_error(404);
    }
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_allowed_ones() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let allowed = [
        (BASE.to_owned(), "GET,HEAD,POST"),
        (format!("{BASE}/HIT"), "GET,HEAD,DELETE"),
        (format!("{BASE}/HIT/audit"), "GET,HEAD"),
        (format!("{BASE}/HIT/resolution"), "GET,HEAD"),
        (format!("{BASE}/HIT/services"), "POST"),
        (format!("{BASE}/HIT/services/INV/PROD"), "DELETE"),
        ("/internal/v1/resolve".to_owned(), "POST"),
    ];
    for (path, allow) in allowed {
        for method in [Method::PATCH, Method::OPTIONS, Method::TRACE] {
            let answer = caller.send(method, &path, None).await;
            answer.expect_json_error(405);
            assert_eq!(answer.header("allow"), Some(allow), "{path}");
        }
    }
}

/// An option that is ignored on a write is damage done; a probe that adds something of its own gets the same answer as without.
#[tokio::test]
async fn unknown_parameters_are_refused_where_a_key_is_needed_and_ignored_elsewhere() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    app.subaccount(&parent, "c-1").await;
    let nobody = app.nobody();
    // Calls to suppliers take no notice of what they do not know, like the vendor's API.
    for operation in operations::all().into_iter().filter(|one| !one.route.starts_with("/v")) {
        let path = operation.path(&Target::nothing());
        let more = format!("{path}?nothing=1");
        let body = || operation.has_body().then(|| json!({}));
        let plain = nobody.send(operation.method.clone(), &path, body()).await;
        if plain.status == 403 {
            let answer = parent.send(operation.method.clone(), &more, body()).await;
            answer.expect_error(400, "nothing: is not a parameter of this operation");
        } else {
            let acting = nobody.with_header("x-account-id", "4711");
            let answer = acting.send(operation.method.clone(), &more, body()).await;
            assert_eq!(answer.status, plain.status, "{path} {answer:?}");
        }
    }
}

/// A code that is no plain word has its one row, and every other way to write a path leads elsewhere or nowhere.
#[tokio::test]
async fn one_row_has_one_path() {
    let app = TestApp::start().await;
    app.sql(
        "insert into suppliers (code, name, created_at, modified_on)
         select code, code, now(), now() from unnest(array['A/B', 'caf\u{e9}', '..', 'a%2Fb', 'a+b']) code",
    )
    .await;
    let caller = app.account("devs@platform.example").await;
    for code in ["A/B", "caf\u{e9}", "..", "a%2Fb", "a+b", "HIT"] {
        caller.post(BASE, json!({"supplier_code": code})).await.expect(201);
    }
    let found = async |path: &str| caller.get(&format!("{BASE}/{path}")).await.json()["supplier_code"].clone();
    for (path, code) in [("A%2FB", "A/B"), ("caf%C3%A9", "caf\u{e9}"), ("%2E%2E", ".."), ("..", ".."), ("%48IT", "HIT")]
    {
        assert_eq!(found(path).await, code);
    }
    assert_eq!((found("a%252Fb").await, found("a+b").await), (json!("a%2Fb"), json!("a+b")));
    for other in [
        "A/B",
        "a%2Fb",
        "a%2fB",
        "cafe%CC%81",
        "CAF%C3%89",
        "hit",
        "Hit",
        "HIT%20",
        "%20HIT",
        "HIT%00",
        "HIT%2F",
        "a%20b",
    ] {
        assert_eq!(found(other).await, Value::Null, "{other}");
        caller.delete(&format!("{BASE}/{other}")).await.expect(404);
    }
    assert_eq!(caller.get(BASE).await.expect(200)["count"], 6);
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_a_bad_request() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for path in ["%FF", "HIT%C3", "%ED%A0%80"] {
        caller.get(&format!("{BASE}/{path}")).await.expect_json_error(400);
        caller.delete(&format!("{BASE}/HIT/services/{path}/PROD")).await.expect_json_error(400);
    }
    assert_eq!(caller.get(&format!("{BASE}/%zz")).await.status, 404);
}
