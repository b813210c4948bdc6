//! A revocation ends what has begun: nothing that answers 2xx after a revocation was acknowledged rests on the revoked right.
//! Each request here has begun, and waits at a place that the test chooses, when the revocation is acknowledged.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use credenza::principal::Scope;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower::ServiceExt;

use crate::support::oauth::CLIENTS;
use crate::support::subaccounts::SUBACCOUNTS;
use crate::support::{Answer, Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";
const KEYS: &str = "/extra/v2/api-keys";

/// A request whose head has arrived, and whose caller is known. Its body comes on a signal of the test.
struct Begun {
    go_on: oneshot::Sender<()>,
    answer: tokio::task::JoinHandle<Answer>,
}

/// A body that comes in one piece, when its future completes.
struct LateBody(Option<Pin<Box<dyn Future<Output = Bytes> + Send>>>);

impl hyper::body::Body for LateBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(piece) = &mut self.0 else { return Poll::Ready(None) };
        let piece = ready!(piece.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

/// Begins a request; returns when its body is waited for.
async fn begin(app: &TestApp, request: Request<Body>) -> Begun {
    let (parts, body) = request.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (waits, waited_for) = oneshot::channel();
    let (go_on, gone_on) = oneshot::channel::<()>();
    let body = Body::new(LateBody(Some(Box::pin(async move {
        waits.send(()).unwrap();
        gone_on.await.unwrap();
        whole
    }))));
    let router = app.listener_of(parts.uri.path()).clone();
    let answer = router.oneshot(Request::from_parts(parts, body));
    let answer = tokio::spawn(async move { Answer::read(answer.await.unwrap()).await });
    waited_for.await.unwrap();
    Begun { go_on, answer }
}

impl Begun {
    async fn finish(self) -> Answer {
        self.go_on.send(()).unwrap();
        self.answer.await.unwrap()
    }
}

/// A request for each way in which a body is read.
fn requests(caller: &Caller<'_>, acts_for_itself: bool) -> Vec<Request<Body>> {
    let call = json!({"account_id": caller.account, "supplier_code": "HIT", "service": "INV", "environment": "PROD"});
    let base = json!({"supplier_code": "HIT", "production_username": "theirs", "production_password": "theirs"});
    let post = |path: &str, body: &Value| caller.request(Method::POST, path, Some(body.clone()));
    let mut all = vec![
        post(BASE, &base),
        caller.import_request("", "supplier_code,production_username,production_password\nHIT,theirs,theirs\n"),
    ];
    if acts_for_itself {
        all.extend([
            post(KEYS, &json!({"name": "back door"})),
            post(CLIENTS, &json!({"name": "back door"})),
            post("/internal/v1/resolve", &call),
            post("/internal/v1/resolve/batch", &json!([call])),
        ]);
    }
    all
}

/// Expects that requests of a caller that have begun do nothing after the revocation.
async fn expect_ended(app: &TestApp, caller: &Caller<'_>, acts_for_itself: bool, revoke: impl AsyncFnOnce()) {
    let mut begun = Vec::new();
    for request in requests(caller, acts_for_itself) {
        begun.push((format!("{} {}", request.method(), request.uri()), begin(app, request).await));
    }
    let before = state(app).await;
    revoke().await;
    for (what, begun) in begun {
        let answer = begun.finish().await;
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
    }
    assert_eq!(state(app).await, before);
}

/// Everything that the requests could have made or changed.
async fn state(app: &TestApp) -> Vec<Value> {
    app.rows(
        "select (select jsonb_agg(modified_by order by account_id) from supplier_credentials) as stored,
             (select count(*) from api_keys where name = 'back door') as keys,
             (select count(*) from oauth_clients where name = 'back door') as clients",
    )
    .await
}

/// An account with a stored pair, and a key of every scope that is going to be revoked.
async fn with_pair<'a>(app: &'a TestApp, email: &str) -> (Caller<'a>, Caller<'a>) {
    let owner = app.account(email).await;
    let base = json!({"supplier_code": "HIT", "production_username": "ours", "production_password": "ours"});
    owner.post(BASE, base).await.expect(201);
    let leaked = owner.with_scopes(&Scope::ALL).await;
    (owner, leaked)
}

async fn id_of(caller: &Caller<'_>, four: &str) -> String {
    let keys = caller.get(KEYS).await.expect(200);
    let own = keys["results"].as_array().unwrap().iter().find(|key| key["masked"].as_str().unwrap().ends_with(four));
    own.unwrap()["id"].as_str().unwrap().to_owned()
}

fn last_four(caller: &Caller<'_>) -> String {
    let key = caller.key.as_ref().unwrap();
    key[key.len() - 4..].to_owned()
}

#[tokio::test]
async fn a_request_of_a_key_that_is_revoked_before_its_body_is_there_does_nothing() {
    let app = TestApp::start().await;
    let (owner, leaked) = with_pair(&app, "devs@platform.example").await;
    let id = id_of(&owner, &last_four(&leaked)).await;
    expect_ended(&app, &leaked, true, async || {
        owner.delete(&format!("{KEYS}/{id}")).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn a_request_of_a_key_that_is_rotated_without_overlap_does_nothing() {
    let app = TestApp::start().await;
    let (owner, leaked) = with_pair(&app, "devs@platform.example").await;
    let id = id_of(&owner, &last_four(&leaked)).await;
    let resolving = owner.with_scopes(&Scope::ALL).await;
    expect_ended(&app, &leaked, true, async || {
        resolving.post(&format!("{KEYS}/{id}/rotate"), json!({})).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn a_request_of_a_key_that_ends_meanwhile_does_nothing() {
    let app = TestApp::start().await;
    let (owner, _) = with_pair(&app, "devs@platform.example").await;
    let maker = owner.with_scopes(&Scope::ALL).await;
    let scopes: Vec<_> = Scope::ALL.into_iter().map(Scope::as_str).collect();
    let body = json!({"scopes": scopes, "expires_at": "2026-01-02T03:05:05Z"});
    let short = maker.post(KEYS, body).await.expect(201);
    let short = owner.with_key(short["key"].as_str().unwrap());
    expect_ended(&app, &short, true, async || app.advance(Duration::from_mins(1))).await;
}

#[tokio::test]
async fn a_request_of_a_key_that_loses_a_scope_does_nothing() {
    let app = TestApp::start().await;
    let (_, leaked) = with_pair(&app, "devs@platform.example").await;
    expect_ended(&app, &leaked, true, async || {
        app.sql_authenticated(&format!(
            "update api_keys set scopes = '{{}}' where last_four = '{}'",
            last_four(&leaked)
        ))
        .await;
        app.feed_has_caught_up().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_of_a_token_does_nothing_when_its_client_or_itself_is_revoked_or_it_runs_out() {
    for how in ["client", "token", "end"] {
        let app = TestApp::start().await;
        let (owner, maker) = with_pair(&app, "devs@platform.example").await;
        let scopes = Scope::ALL.map(Scope::as_str).join(" ");
        let client = maker.client_with(&scopes).await;
        let token = app.token(&client).await;
        expect_ended(&app, &owner.bearing(&token), true, async || match how {
            "client" => drop(owner.delete(&format!("{CLIENTS}/{}", client.id)).await.expect(204)),
            "token" => app.revoke_token(&client, &token).await,
            _ => app.advance(Duration::from_hours(2)),
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_for_a_sub_account_does_nothing_when_the_sub_account_is_deactivated() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "client-a").await;
    let own = child.with_scopes(&Scope::ALL).await;
    let acting = parent.acting_for(child.account).about(child.account);
    let base = json!({"supplier_code": "HIT", "production_username": "ours", "production_password": "ours"});
    own.post(BASE, base).await.expect(201);
    let mut begun = Vec::new();
    for request in requests(&own, true).into_iter().chain(requests(&acting, false)) {
        begun.push(begin(&app, request).await);
    }
    parent.delete(&format!("{SUBACCOUNTS}/{}", child.account)).await.expect(204);
    for begun in begun {
        begun.finish().await.expect_error(403, "Account is inactive");
    }
}

#[tokio::test]
async fn a_request_of_a_sub_account_does_nothing_when_its_parent_is_deactivated() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "client-a").await.with_scopes(&Scope::ALL).await;
    let base = json!({"supplier_code": "HIT", "production_username": "ours", "production_password": "ours"});
    child.post(BASE, base).await.expect(201);
    expect_ended(&app, &child, true, async || {
        app.deactivate(parent.account).await;
    })
    .await;
}

#[tokio::test]
async fn a_read_that_is_under_way_is_not_answered_to_a_revoked_key() {
    let app = TestApp::start().await;
    let (owner, leaked) = with_pair(&app, "devs@platform.example").await;
    let id = id_of(&owner, &last_four(&leaked)).await;
    let locked = app.meanwhile("lock table supplier_credentials in access exclusive mode").await;
    let answer = locked.commit_when_it_waits_and(&app, leaked.get(BASE), async || {
        owner.delete(&format!("{KEYS}/{id}")).await.expect(204);
    });
    answer.await.expect(403);
}

#[tokio::test]
async fn a_resolve_that_is_under_way_is_not_answered_to_a_revoked_key() {
    let app = TestApp::start().await;
    let (owner, leaked) = with_pair(&app, "devs@platform.example").await;
    let id = id_of(&owner, &last_four(&leaked)).await;
    app.forget();
    let locked = app.meanwhile("lock table service_credentials in access exclusive mode").await;
    let answer = locked.commit_when_it_waits_and(&app, leaked.resolve("HIT", "INV", "PROD"), async || {
        owner.delete(&format!("{KEYS}/{id}")).await.expect(204);
    });
    answer.await.expect(403);
}

#[tokio::test]
async fn a_write_that_is_under_way_is_not_committed_for_a_revoked_key() {
    let app = TestApp::start().await;
    let (owner, leaked) = with_pair(&app, "devs@platform.example").await;
    let id = id_of(&owner, &last_four(&leaked)).await;
    let before = state(&app).await;
    let base = json!({"supplier_code": "HIT", "production_username": "theirs", "production_password": "theirs"});
    let locked = app.meanwhile("select from supplier_credentials for update").await;
    let answer = locked.commit_when_it_waits_and(&app, leaked.post(BASE, base), async || {
        owner.delete(&format!("{KEYS}/{id}")).await.expect(204);
    });
    answer.await.expect(403);
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn a_write_that_is_under_way_is_not_committed_for_a_revoked_token_or_client() {
    for how in ["client", "token"] {
        let app = TestApp::start().await;
        let (owner, maker) = with_pair(&app, "devs@platform.example").await;
        let client = maker.client().await;
        let token = app.token(&client).await;
        let before = state(&app).await;
        let base = json!({"supplier_code": "HIT", "production_username": "theirs", "production_password": "theirs"});
        let locked = app.meanwhile("select from supplier_credentials for update").await;
        let bearer = owner.bearing(&token);
        let answer = locked.commit_when_it_waits_and(&app, bearer.post(BASE, base), async || match how {
            "client" => drop(owner.delete(&format!("{CLIENTS}/{}", client.id)).await.expect(204)),
            _ => app.revoke_token(&client, &token).await,
        });
        answer.await.expect(403);
        assert_eq!(state(&app).await, before);
    }
}

#[tokio::test]
async fn a_write_that_is_under_way_is_not_committed_for_a_sub_account_that_was_deactivated() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "client-a").await;
    let ours = json!({"supplier_code": "HIT", "production_username": "ours", "production_password": "ours"});
    let theirs = json!({"supplier_code": "HIT", "production_username": "theirs", "production_password": "theirs"});
    child.post(BASE, ours).await.expect(201);
    let path = format!("{SUBACCOUNTS}/{}", child.account);
    for writer in [child.clone(), parent.acting_for(child.account)] {
        let before = state(&app).await;
        let locked = app.meanwhile("select from supplier_credentials for update").await;
        let answer = locked.commit_when_it_waits_and(&app, writer.post(BASE, theirs.clone()), async || {
            parent.delete(&path).await.expect(204);
        });
        answer.await.expect_error(403, "Account is inactive");
        assert_eq!(state(&app).await, before);
        parent.patch(&path, json!({"is_active": true})).await.expect(200);
    }
}

#[tokio::test]
async fn a_preview_is_not_shown_to_a_key_that_was_revoked_meanwhile() {
    let app = TestApp::start().await;
    let (owner, leaked) = with_pair(&app, "devs@platform.example").await;
    let id = id_of(&owner, &last_four(&leaked)).await;
    let base = json!({"supplier_code": "HIT", "production_username": "theirs", "production_password": "theirs"});
    let locked = app.meanwhile("select from supplier_credentials for update").await;
    let path = format!("{BASE}?dry_run=true");
    let preview = leaked.post(&path, base);
    let answer = locked.commit_when_it_waits_and(&app, preview, async || {
        owner.delete(&format!("{KEYS}/{id}")).await.expect(204);
    });
    answer.await.expect(403);
}

#[tokio::test]
async fn a_key_can_end_itself() {
    let app = TestApp::start().await;
    let (_, leaked) = with_pair(&app, "devs@platform.example").await;
    let id = id_of(&leaked, &last_four(&leaked)).await;
    let successor = leaked.post(&format!("{KEYS}/{id}/rotate"), json!({})).await.expect(201);
    leaked.get("/me").await.expect(403);
    let successor_id = successor["id"].as_str().unwrap();
    let successor = leaked.with_key(successor["key"].as_str().unwrap());
    successor.delete(&format!("{KEYS}/{successor_id}")).await.expect(204);
    successor.get("/me").await.expect(403);
}

/// Many writers under one key at once, and its revocation among them: it is not put off, and nothing is stored after it.
#[tokio::test]
async fn a_revocation_has_its_turn_among_many_writes() {
    let app = TestApp::start().await;
    let (owner, leaked) = with_pair(&app, "devs@platform.example").await;
    let id = id_of(&owner, &last_four(&leaked)).await;
    let write = async |index: usize| loop {
        let supplier = ["HIT", "PCNA", "SanMar"][index % 3];
        let base = json!({"supplier_code": supplier, "production_username": "u", "production_password": "p"});
        match leaked.post(BASE, base).await.status.as_u16() {
            201 | 429 | 503 => {}
            refused => break refused,
        }
    };
    let revoke = async {
        for _ in 0..3 {
            leaked.get("/me").await.expect(200);
        }
        owner.delete(&format!("{KEYS}/{id}")).await.expect(204);
    };
    let (.., one, two, three, four) = tokio::join!(revoke, write(0), write(1), write(2), write(0));
    assert_eq!([one, two, three, four], [403; 4]);
}
