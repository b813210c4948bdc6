//! A caller that asks too much is refused, and no other is affected: the rate of a key, the turns of an account, the room on a listener,
//! the time of a request.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Method, Request};
use credenza::admission::AdmissionSettings;
use credenza::api_key::Kind;
use credenza::app::Settings;
use credenza::principal::Scope;
use hyper::body::Frame;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::support::operations::{self, Target};
use crate::support::{Answer, Caller, TestApp};

const PATH: &str = "/extra/v2/credentials";

async fn with(change: impl FnOnce(&mut AdmissionSettings)) -> TestApp {
    TestApp::start_with(|settings: &mut Settings| change(&mut settings.admission)).await
}

/// The rate headers of an answer: limit and remaining.
fn allowance(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining"))
}

/// A body of which nothing ever arrives. Completes when somebody waits for it.
struct Endless(Arc<Notify>);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.notify_one();
        Poll::Pending
    }
}

/// A write whose body never arrives, and a signal for when it is waited for.
fn slow_write(caller: &Caller<'_>) -> (Request<Body>, Arc<Notify>) {
    let mut request = caller.request(Method::POST, PATH, Some(json!({})));
    let waited_for = Arc::new(Notify::new());
    *request.body_mut() = Body::new(Endless(Arc::clone(&waited_for)));
    (request, waited_for)
}

#[tokio::test]
async fn answers_carry_the_remaining_requests_and_the_time_to_retry() {
    let app = with(|admission| admission.rate = "3/h".parse().ok()).await;
    let caller = app.account("devs@platform.example").await;
    for (remaining, status) in [("2", 200), ("1", 404), ("0", 200)] {
        let path = if status == 404 { "/extra/v2/credentials/HIT" } else { PATH };
        let answer = caller.get(path).await;
        answer.expect(status);
        assert_eq!(allowance(&answer), (Some("3"), Some(remaining)));
    }
    let refused = caller.get(PATH).await;
    refused.expect_json_error(429);
    refused.expect_error(429, "Too many requests, please slow down");
    assert_eq!(allowance(&refused), (Some("3"), Some("0")));
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1100..=1201).contains(&seconds), "{seconds}");

    // Another key of the account has its own.
    let other = caller.with_scopes(&[Scope::CredentialsRead]).await;
    other.get(PATH).await.expect(200);
    // Nobody learns anything without a key.
    let answer = caller.with_key("czs_noise").get(PATH).await;
    answer.expect(403);
    assert_eq!(allowance(&answer), (None, None));
    // A key that is refused is not worked for.
    assert_eq!(caller.post(PATH, json!({"supplier_code": "HIT"})).await.status, 429);
    assert_eq!(other.get(PATH).await.expect(200)["count"], 0);
}

#[tokio::test]
async fn the_tokens_of_a_client_count_as_one_key() {
    let app = with(|admission| admission.rate = "4/h".parse().ok()).await;
    let caller = app.account("devs@platform.example").await;
    let new = json!({"name": "ERP", "scopes": ["credentials:read"]});
    let client = caller.post("/extra/v2/oauth-clients", new).await.expect(201);
    let grant = json!({"grant_type": "client_credentials", "client_id": client["client_id"],
                       "client_secret": client["client_secret"]});
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let answer = app.nobody().post("/oauth/token", grant.clone()).await;
        tokens.push(format!("Bearer {}", answer.expect(200)["access_token"].as_str().unwrap()));
    }
    for token in &tokens {
        app.nobody().with_header("authorization", token).get(PATH).await.expect(200);
    }
    app.nobody().with_header("authorization", &tokens[0]).get(PATH).await.expect(429);
    app.nobody().post("/oauth/token", grant.clone()).await.expect_error(429, "Too many requests, please slow down");
    // Whoever only knows the client's name does not use up what the client has, and is not told.
    let wrong = json!({"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": "noise"});
    app.nobody().post("/oauth/token", wrong).await.expect(401);
}

#[tokio::test]
async fn the_internal_listener_limits_tenants_and_not_the_operator() {
    let app = with(|admission| {
        admission.rate = "1/h".parse().ok();
        admission.internal_rate = "2/h".parse().ok();
    });
    let app = app.await;
    let tenant = app.account("devs@platform.example").await.with_scopes(&[Scope::CredentialsResolve]).await;
    for status in [403, 403, 429] {
        assert_eq!(tenant.resolve("HIT", "INV", "PROD").await.status, status);
    }
    let key = app.key(tenant.account, Kind::Private, &[Scope::CredentialsResolve], true).await;
    for _ in 0..5 {
        let answer = tenant.with_key(&key).resolve("HIT", "INV", "PROD").await;
        answer.expect(403);
        assert_eq!(allowance(&answer), (None, None));
    }
}

#[tokio::test]
async fn without_a_rate_nobody_is_counted() {
    let app = with(|admission| admission.rate = None).await;
    let caller = app.account("devs@platform.example").await;
    let answer = caller.get(PATH).await;
    answer.expect(200);
    assert_eq!(allowance(&answer), (None, None));
}

#[tokio::test]
async fn every_operation_of_a_tenant_waits_for_the_turn_of_its_account() {
    let app = with(|admission| admission.at_once = 1).await;
    let caller = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    let subaccount = json!({"name": "Client A", "external_customer_id": "a"});
    let subaccount = caller.post("/extra/v2/subaccounts", subaccount).await.expect(201)["id"].to_string();
    let neighbour = app.account("other@platform.example").await;
    let admission = &app.app.admission;
    let _read = admission.reads.acquire(caller.account).await.ok().unwrap();
    let _write = admission.writes.acquire(caller.account).await.ok().unwrap();
    let open = |route: &str| {
        [
            "/oauth",
            "/.well-known",
            "/healthz",
            "/readyz",
            "/metrics",
            "/openapi.json",
            "/docs",
            "/internal",
            "/service-codes",
            "/services/",
        ]
        .iter()
        .any(|start| route.starts_with(start))
    };
    let operations: Vec<_> = operations::all().into_iter().filter(|operation| !open(operation.route)).collect();
    assert!(operations.len() >= 29, "{}", operations.len());
    let mut asked = JoinSet::new();
    for operation in &operations {
        let body = operation.has_body().then(|| json!({}));
        let path = operation.path(&Target::nothing());
        // Also for a sub-account: many of those are still one tenant.
        let acting = caller.with_header("x-account-id", &subaccount);
        let caller = if operation.route.starts_with(PATH) { &acting } else { &caller };
        let request = if operation.route.ends_with("/import") {
            caller.import_request("", "")
        } else {
            caller.request(operation.method.clone(), &path, body)
        };
        let (answer, name) = (app.public.clone().oneshot(request), format!("{} {path}", operation.method));
        asked.spawn(async move { (name, Answer::read(answer.await.unwrap()).await) });
    }
    // Nobody else waits.
    neighbour.get(PATH).await.expect(200);
    neighbour.post(PATH, json!({"supplier_code": "HIT"})).await.expect(201);
    for (name, answer) in asked.join_all().await {
        assert_eq!(answer.status, 429, "{name} {answer:?}");
        answer.expect_error(429, "Too many requests at once, please slow down");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(admission.reads.count() + admission.writes.count(), 2);
}

#[tokio::test]
async fn a_client_that_sends_slowly_keeps_no_turn_and_no_room() {
    let app = with(|admission| (admission.at_once, admission.in_flight) = (1, 1)).await;
    let caller = app.account("devs@platform.example").await;
    let (request, waited_for) = slow_write(&caller);
    let slow = tokio::spawn(app.public.clone().oneshot(request));
    waited_for.notified().await;
    caller.post(PATH, json!({"supplier_code": "HIT"})).await.expect(201);
    assert!(!slow.is_finished());
    slow.abort();
}

#[tokio::test]
async fn a_full_listener_sheds_all_but_health_and_metrics_at_once() {
    let app = with(|admission| admission.in_flight = 1).await;
    let caller = app.account("devs@platform.example").await;
    let (public, internal) = (&app.app.admission.in_flight, &app.app.admission.internal_in_flight);
    let permits = (public.acquire().unwrap(), internal.acquire().unwrap());
    for path in [PATH, "/nowhere", "/docs", "/internal/v1/resolve"] {
        let answer = caller.get(path).await;
        answer.expect_json_error(503);
        answer.expect_error(503, "The service cannot answer just now, please try again");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    for path in ["/healthz", "/readyz", "/healthz/", "/metrics"] {
        assert_eq!(caller.get(path).await.status, 200, "{path}");
    }
    drop(permits);
    caller.get(PATH).await.expect(200);
    caller.get(PATH).await.expect(200);
    assert_eq!((public.count(), internal.count()), (0, 0));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_and_leaves_nothing_taken() {
    let app = with(|admission| admission.request_timeout = Duration::from_millis(200)).await;
    let caller = app.account("devs@platform.example").await;
    let answer = app.send(slow_write(&caller).0).await;
    answer.expect_json_error(503);
    answer.expect_error(503, "The service cannot answer just now, please try again");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let admission = &app.app.admission;
    assert_eq!((admission.in_flight.count(), admission.writes.count()), (0, 0));
}

#[tokio::test]
async fn a_request_without_a_connection_is_refused_soon() {
    let app = TestApp::start().await;
    // As the service waits for connections, not as tests do.
    let pool = credenza::postgres::pool(&app.database.application, 2);
    let pool = pool.connections();
    let taken = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let asked = std::time::Instant::now();
    let error = pool.acquire().await.unwrap_err();
    assert!(credenza::postgres::is_unavailable(&error), "{error}");
    // After two seconds, and not after the thirty that a request may take.
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    drop(taken);
}
