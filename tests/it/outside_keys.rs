//! The keys of an outside issuer: fetched when they are needed, not for every stranger who names one, and not forgotten
//! because the issuer is away for a moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use credenza::oauth::JwksSource;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::outside_issuer::{THEM, believing, claims, file_of};
use crate::support::TestApp;
use crate::support::forge::{FOREIGN_RSA, Seal};
use crate::support::installation::Installation;
use crate::support::oauth::{BAD_TOKEN, authorized};

/// Their server: answers with a status and a body that a test can change, and counts.
struct Issuer {
    url: String,
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Issuer {
    async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((StatusCode::OK, json!({"keys": keys}).to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (said, counted, here) = (Arc::clone(&answer), Arc::clone(&asked), url.clone());
        let answer_one = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let (status, body) = said.lock().unwrap().clone();
            // The address counts only where the status says that it does.
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::LOCATION, here.as_str())];
            std::future::ready((status, headers, body).into_response())
        };
        let router = Router::new().route("/jwks.json", get(answer_one));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, answer, asked, server }
    }

    fn now_says(&self, status: StatusCode, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn now_has(&self, keys: &[Value]) {
        self.now_says(StatusCode::OK, &json!({"keys": keys}).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn app(&self) -> TestApp {
        TestApp::start_with(believing(JwksSource::Url(self.url.parse().unwrap()))).await
    }
}

/// Claims that last for all of a test.
async fn lasting_claims(app: &TestApp) -> Value {
    let account = app.account("owner@platform.example").await.account;
    let mut claims = claims(json!(account));
    claims["exp"] = json!(1_800_000_000);
    claims
}

#[tokio::test]
async fn keys_are_fetched_with_the_first_token_and_then_known() {
    let issuer = Issuer::start(&[FOREIGN_RSA.jwk("rsa-1")]).await;
    let app = issuer.app().await;
    let claims = lasting_claims(&app).await;
    assert_eq!(issuer.asked(), 0);
    for _ in 0..5 {
        app.me(&FOREIGN_RSA.token("rsa-1", &claims)).await.expect(200);
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_once_and_then_not_for_half_a_minute() {
    let (old, new) = (Seal::new_ec(), Seal::new_ec());
    let issuer = Issuer::start(&[old.jwk("old")]).await;
    let app = issuer.app().await;
    let claims = lasting_claims(&app).await;
    app.me(&old.token("old", &claims)).await.expect(200);
    app.advance(Duration::from_secs(30));
    issuer.now_has(&[old.jwk("old"), new.jwk("new")]);
    app.me(&new.token("new", &claims)).await.expect(200);
    assert_eq!(issuer.asked(), 2);
    // However many strangers come, and whatever they call their keys.
    let strangers = (0..20).map(|number| {
        let bearer = format!("Bearer {}", old.token(&format!("stranger-{number}"), &claims));
        authorized("/me", &[bearer.as_bytes()])
    });
    for answer in app.send_at_once(strangers).await {
        answer.expect_text(403, BAD_TOKEN);
    }
    app.advance(Duration::from_secs(29));
    app.me(&old.token("stranger", &claims)).await.expect_text(403, BAD_TOKEN);
    assert_eq!(issuer.asked(), 2);
    app.advance(Duration::from_secs(1));
    app.me(&old.token("stranger", &claims)).await.expect_text(403, BAD_TOKEN);
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn concurrent_tokens_under_unknown_keys_fetch_the_key_set_once() {
    let issuer = Issuer::start(&[FOREIGN_RSA.jwk("rsa-1")]).await;
    let app = issuer.app().await;
    let claims = lasting_claims(&app).await;
    let bearer = format!("Bearer {}", FOREIGN_RSA.token("unknown", &claims));
    for answer in app.send_at_once((0..20).map(|_| authorized("/me", &[bearer.as_bytes()]))).await {
        answer.expect_text(403, BAD_TOKEN);
    }
    assert_eq!(issuer.asked(), 1);
    app.me(&FOREIGN_RSA.token("rsa-1", &claims)).await.expect(200);
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_key_that_they_took_back_ends_within_the_hour() {
    let key = Seal::new_ec();
    let issuer = Issuer::start(&[key.jwk("old")]).await;
    let app = issuer.app().await;
    let token = key.token("old", &lasting_claims(&app).await);
    app.me(&token).await.expect(200);
    issuer.now_has(&[]);
    app.advance(Duration::from_mins(59));
    app.me(&token).await.expect(200);
    app.advance(Duration::from_mins(1));
    app.me(&token).await.expect_text(403, BAD_TOKEN);
}

#[tokio::test]
async fn known_keys_go_on_while_the_issuer_is_away_or_talks_nonsense() {
    let key = Seal::new_ec();
    let issuer = Issuer::start(&[key.jwk("known")]).await;
    let app = issuer.app().await;
    let claims = lasting_claims(&app).await;
    app.me(&key.token("known", &claims)).await.expect(200);
    let nonsense = [
        (StatusCode::INTERNAL_SERVER_ERROR, "{}"),
        (StatusCode::OK, "<html>"),
        (StatusCode::OK, r#"{"keys": {}}"#),
        (StatusCode::FOUND, ""),
    ];
    for (number, (status, body)) in nonsense.into_iter().enumerate() {
        issuer.now_says(status, body);
        app.advance(Duration::from_hours(1));
        app.me(&key.token("known", &claims)).await.expect(200);
        app.me(&key.token("unknown", &claims)).await.expect_text(403, BAD_TOKEN);
        // One for each, and no redirect is followed.
        assert_eq!(issuer.asked(), number + 2);
    }
    drop(issuer);
    app.advance(Duration::from_hours(1));
    app.me(&key.token("known", &claims)).await.expect(200);
    app.me(&key.token("unknown", &claims)).await.expect_text(403, BAD_TOKEN);
}

#[tokio::test]
async fn an_issuer_that_was_never_there_is_waited_for_and_our_own_callers_notice_nothing() {
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = JwksSource::Url(format!("http://{nowhere}/jwks.json").parse().unwrap());
    for source in [url, JwksSource::File("/nowhere/jwks.json".into())] {
        let app = TestApp::start_with(believing(source)).await;
        let caller = app.account("owner@platform.example").await;
        // Nobody can tell whose the token is.
        app.me(&FOREIGN_RSA.token("rsa-1", &claims(json!(caller.account)))).await.expect(503);
        app.me(&app.token(&caller.client().await).await).await.expect(200);
        caller.send(Method::GET, "/me", None).await.expect(200);
    }
}

#[tokio::test]
async fn keys_of_kinds_that_we_do_not_know_do_not_hide_those_that_we_know() {
    // RFC 7517 §5: such keys are to be ignored.
    let strange = [
        json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA"}),
        json!({"kty": "EC", "crv": "secp256k1", "kid": "k1", "x": "AAAA", "y": "AAAA"}),
        json!({"kty": "RSA", "kid": "half"}),
        json!({"kty": "oct", "kid": "shared", "k": "AAAA"}),
        json!({"kid": "no kind"}),
        FOREIGN_RSA.jwk("rsa-1"),
    ];
    let app = TestApp::start_with(believing(file_of(&strange))).await;
    let claims = lasting_claims(&app).await;
    app.me(&FOREIGN_RSA.token("rsa-1", &claims)).await.expect(200);
    let secret = || Seal::Hmac(vec![0, 0, 0]);
    let as_rsa = secret().token_with(r#"{"alg": "RS256", "kid": "shared"}"#, &claims.to_string());
    for token in [secret().token("shared", &claims), as_rsa, FOREIGN_RSA.token("half", &claims)] {
        app.me(&token).await.expect_text(403, BAD_TOKEN);
    }
}

#[tokio::test]
async fn a_set_of_keys_is_at_most_a_mebibyte_long() {
    let issuer = Issuer::start(&[FOREIGN_RSA.jwk("rsa-1")]).await;
    let set = |blanks: usize| {
        let set = json!({"keys": [FOREIGN_RSA.jwk("rsa-1")]}).to_string();
        " ".repeat(blanks - set.len()) + &set
    };
    for (length, status) in [(1 << 20, 200), ((1 << 20) + 1, 503)] {
        issuer.now_says(StatusCode::OK, &set(length));
        let app = issuer.app().await;
        let claims = lasting_claims(&app).await;
        assert_eq!(app.me(&FOREIGN_RSA.token("rsa-1", &claims)).await.status, status, "{length}");
    }
}

#[tokio::test]
async fn keys_are_fetched_past_a_proxy_and_never_over_plain_http() {
    let issuer = Issuer::start(&[FOREIGN_RSA.jwk("rsa-1")]).await;
    let proxy = Issuer::start(&[]).await;
    let proxy_url = proxy.url.trim_end_matches("/jwks.json");
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let believing = |url: &str| {
        let settings = installation.with("CREDENZA_OIDC_ISSUER", THEM).with("CREDENZA_OIDC_AUDIENCE", "credenza");
        settings.with("CREDENZA_OIDC_JWKS_URL", url).with("HTTP_PROXY", proxy_url).with("ALL_PROXY", proxy_url)
    };
    let refused = believing("http://login.corp.example/jwks.json").run(&["serve"]).await;
    refused.refused(1, "CREDENZA_OIDC_JWKS_URL is http");
    let service = believing(&issuer.url).serve().await;
    let mut claims = claims(account.parse::<i64>().unwrap());
    claims["exp"] = json!(4_000_000_000_i64);
    let token = format!("Bearer {}", FOREIGN_RSA.token("rsa-1", &claims));
    service.public.with_header("authorization", &token).get("/me").await.expect(200);
    assert_eq!((issuer.asked(), proxy.asked()), (1, 0));
}
