//! The rights of a web page: to look at the directory with a public key, from an origin that the key's account allows. Everything
//! else is for servers, and a page cannot even read that it was refused.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, Method, Request};
use credenza::api_key::{ApiKey, Kind};
use credenza::types::{ClientAddress, Origin};

use crate::support::operator;
use crate::support::{Answer, Caller, TestApp};

const PATHS: [&str; 3] = ["/extra/v2/suppliers", "/extra/v2/service-codes", "/extra/v2/services/HIT"];
const SHOP: &str = "https://shop.example.com";
const PUBLIC_KEY: &str = "Public API keys are not supported for this endpoint";
const FOREIGN: &str = "This API key is not allowed from this origin";

/// An account whose public key works on pages of these origins, and that key.
async fn account_of<'a>(app: &'a TestApp, email: &str, origins: &[&str]) -> (Caller<'a>, String) {
    let caller = app.account(email).await;
    let origins: Vec<_> = origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect();
    operator::set_allowed_origins(&app.app, caller.account, &origins).await.unwrap();
    let key = app.key(caller.account, Kind::Public, &[], false).await;
    assert_eq!(key.len(), 32);
    (caller, key)
}

/// A request as a page makes it.
fn page_asks(method: Method, path: &str, origin: Option<&str>, key: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in [("origin", origin), ("x-api-key", key)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    request.body(Body::empty()).unwrap()
}

async fn get(app: &TestApp, path: &str, origin: Option<&str>, key: Option<&str>) -> Answer {
    app.send(page_asks(Method::GET, path, origin, key)).await
}

fn cors_headers(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("access-control-")).collect()
}

#[track_caller]
fn expect_unreadable(answer: &Answer) {
    assert_eq!(cors_headers(&answer.headers), Vec::<&str>::new(), "{answer:?}");
}

#[tokio::test]
async fn a_public_key_reads_the_directory_on_its_accounts_pages_by_header_or_query() {
    let app = TestApp::start().await;
    let (_, key) = account_of(&app, "devs@platform.example", &[SHOP, "http://localhost:3000"]).await;
    for path in PATHS {
        for origin in [SHOP, "http://localhost:3000"] {
            let by_query = format!("{path}?pub_api_key={key}");
            for (path, header) in [(path, Some(key.as_str())), (by_query.as_str(), None)] {
                let answer = get(&app, path, Some(origin), header).await;
                answer.expect(200);
                assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
                assert_eq!(answer.header("vary"), Some("Origin"));
                // No cookies here, so nothing that would let them through.
                assert_eq!(answer.header("access-control-allow-credentials"), None);
            }
        }
    }
    // With its other parameters, and its mistakes can be read as well.
    let paged = get(&app, &format!("/extra/v2/suppliers?limit=1&pub_api_key={key}"), Some(SHOP), None).await;
    assert_eq!(paged.expect(200)["results"].as_array().unwrap().len(), 1);
    let wrong = get(&app, &format!("/extra/v2/suppliers?limit=0&pub_api_key={key}"), Some(SHOP), None).await;
    wrong.expect_error(400, "limit: must be between 1 and 1000");
    assert_eq!(wrong.header("access-control-allow-origin"), Some(SHOP));
}

#[tokio::test]
async fn any_other_origin_is_refused_and_cannot_read_that() {
    let app = TestApp::start().await;
    let (_, key) = account_of(&app, "devs@platform.example", &[SHOP]).await;
    let other = "https://other.example.com";
    account_of(&app, "other@elsewhere.example", &[other]).await;
    let origins = [
        None,
        Some("null"),
        Some(""),
        Some(other),
        Some("http://shop.example.com"),
        Some("https://shop.example.com:443"),
        Some("https://shop.example.com:8443"),
        Some("https://shop.example.com/"),
        Some("https://SHOP.example.com"),
        Some("https://www.shop.example.com"),
        Some("https://shop.example.com.evil.example"),
        Some("https://evilshop.example.com"),
        Some("https://shop.example.com, https://shop.example.com"),
        Some("*"),
    ];
    for origin in origins {
        for (path, header) in [(PATHS[0], Some(key.as_str())), (&*format!("{}?pub_api_key={key}", PATHS[0]), None)] {
            let answer = get(&app, path, origin, header).await;
            answer.expect_error(403, FOREIGN);
            expect_unreadable(&answer);
            assert_eq!(answer.header("vary"), Some("Origin"), "{origin:?}");
        }
    }
}

#[tokio::test]
async fn a_public_key_of_an_account_without_origins_works_nowhere() {
    let app = TestApp::start().await;
    let (caller, key) = account_of(&app, "devs@platform.example", &[]).await;
    get(&app, PATHS[0], Some(SHOP), Some(&key)).await.expect_error(403, FOREIGN);
    let allowed = [Origin::parse(SHOP).unwrap()];
    operator::set_allowed_origins(&app.app, caller.account, &allowed).await.unwrap();
    get(&app, PATHS[0], Some(SHOP), Some(&key)).await.expect(200);
    operator::set_allowed_origins(&app.app, caller.account, &[]).await.unwrap();
    get(&app, PATHS[0], Some(SHOP), Some(&key)).await.expect_error(403, FOREIGN);
}

#[tokio::test]
async fn a_private_key_reads_the_directory_but_no_page_reads_the_answer() {
    let app = TestApp::start().await;
    let (caller, _) = account_of(&app, "devs@platform.example", &[SHOP]).await;
    let key = caller.key.clone().unwrap();
    for path in PATHS {
        let answer = get(&app, path, Some(SHOP), Some(&key)).await;
        answer.expect(200);
        expect_unreadable(&answer);
        assert_eq!(answer.header("vary"), Some("Origin"));
        // In a query it would end up in the logs of everything on the way.
        let refused = get(&app, &format!("{path}?pub_api_key={key}"), Some(SHOP), None).await;
        refused.expect_error(403, "Invalid API key");
        expect_unreadable(&refused);
    }
}

#[tokio::test]
async fn a_public_key_that_is_no_good_is_refused_like_any_other() {
    let app = TestApp::start().await;
    let (caller, key) = account_of(&app, "devs@platform.example", &[SHOP]).await;
    let unknown = ApiKey::generate(Kind::Public);
    let twice = format!("{}?pub_api_key={key}&pub_api_key={key}", PATHS[0]);
    let both = format!("{}?pub_api_key={key}", PATHS[0]);
    for (path, header) in [
        (PATHS[0], Some(unknown.expose())),
        (PATHS[0], Some(&key[..31])),
        (twice.as_str(), None),
        (both.as_str(), Some(key.as_str())),
    ] {
        let answer = get(&app, path, Some(SHOP), header).await;
        answer.expect_text(403, r#"{"detail":"Invalid API key"}"#);
        expect_unreadable(&answer);
    }
    app.sql_authenticated(&format!("update accounts set is_active = false where id = {}", caller.account)).await;
    app.feed_has_caught_up().await;
    let answer = get(&app, PATHS[0], Some(SHOP), Some(&key)).await;
    answer.expect_error(403, "Account is inactive");
    expect_unreadable(&answer);
}

/// The question that a browser asks before it sends a header of the page's own.
async fn may_i(app: &TestApp, path: &str, origin: &str) -> Answer {
    let mut request = page_asks(Method::OPTIONS, path, Some(origin), None);
    request.headers_mut().insert("access-control-request-method", "GET".parse().unwrap());
    request.headers_mut().insert("access-control-request-headers", "x-api-key".parse().unwrap());
    app.send(request).await
}

#[tokio::test]
async fn a_preflight_answers_whether_the_origin_is_allowed() {
    let app = TestApp::start().await;
    account_of(&app, "devs@platform.example", &[SHOP]).await;
    for path in PATHS {
        let answer = may_i(&app, path, SHOP).await;
        answer.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET"));
        let headers = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        assert!(headers.split(", ").any(|name| name == "x-api-key"));
        assert_eq!(answer.header("vary"), Some("Origin"));
        for foreign in ["https://elsewhere.example", "null", "https://shop.example.com/"] {
            let answer = may_i(&app, path, foreign).await;
            answer.expect_error(403, FOREIGN);
            expect_unreadable(&answer);
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
}

#[tokio::test]
async fn the_question_of_a_browser_is_answered_from_memory_and_counts_for_its_address() {
    let app = TestApp::start().await;
    let (caller, _) = account_of(&app, "devs@platform.example", &[SHOP]).await;
    app.feed_has_caught_up().await;
    may_i(&app, PATHS[0], SHOP).await.expect(204);
    // What changes is seen at once.
    let other = "https://other.example.com";
    may_i(&app, PATHS[0], other).await.expect(403);
    let origins = [SHOP, other].map(|origin| Origin::parse(origin).unwrap());
    operator::set_allowed_origins(&app.app, caller.account, &origins).await.unwrap();
    may_i(&app, PATHS[0], other).await.expect(204);
    app.feed_has_caught_up().await;
    may_i(&app, PATHS[0], other).await.expect(204);
    // With the pool closed, a look-up would be 503.
    app.app.pool.close().await;
    for origin in [SHOP, other] {
        may_i(&app, PATHS[0], origin).await.expect(204);
    }
    may_i(&app, PATHS[0], "https://elsewhere.example").await.expect_error(403, FOREIGN);
    let address = ClientAddress::read(b"198.51.100.7");
    assert!((0..10_000).any(|_| app.app.failed_attempts.too_many(&address)));
    let mut request = page_asks(Method::OPTIONS, PATHS[0], Some(SHOP), None);
    request.headers_mut().insert("access-control-request-method", "GET".parse().unwrap());
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([198, 51, 100, 7], 4711))));
    app.send(request).await.expect(429);
}

#[tokio::test]
async fn only_the_directory_is_readable_by_pages() {
    let app = TestApp::start().await;
    let (_, key) = account_of(&app, "devs@platform.example", &[SHOP]).await;
    for path in [
        "/extra/v2/credentials",
        "/extra/v2/credentials/HIT",
        "/extra/v2/credentials/HIT/audit",
        "/extra/v2/credentials/HIT/resolution",
        "/extra/v2/subaccounts",
        "/extra/v2/subaccounts/1",
        "/extra/v2/subaccounts/1/api-keys",
        "/extra/v2/api-keys",
        "/extra/v2/oauth-clients",
        "/me",
    ] {
        for (path, header) in [(path, Some(key.as_str())), (&*format!("{path}?pub_api_key={key}"), None)] {
            let answer = get(&app, path, Some(SHOP), header).await;
            answer.expect_error(403, PUBLIC_KEY);
            expect_unreadable(&answer);
        }
        let answer = may_i(&app, path, SHOP).await;
        answer.expect_json_error(405);
        expect_unreadable(&answer);
    }
    let token = page_asks(Method::POST, "/oauth/token", Some(SHOP), Some(&key));
    expect_unreadable(&app.send(token).await);
}
