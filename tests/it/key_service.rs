//! A key-encryption key of a key service: bound to its place, asked seldom, and a clear answer when it is away, slow,
//! confused, or does not let us in.

use std::cell::Cell;
use std::time::Instant;

use axum::http::Method;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::rotation;
use serde_json::json;

use crate::support::installation::Installation;
use crate::support::program::eventually;
use crate::support::transit::{KeyService, Mood};
use crate::support::{Answer, Caller, TestApp};

const KEYRING: (&str, &str) = ("CREDENZA_KEY_ENCRYPTION_KEYS", "test:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=");
const AWAY: &str = "The key service does not answer just now, please try again";

/// Variables with only the key service.
fn alone(service: &KeyService) -> Vec<(&'static str, &str)> {
    [&service.variables()[..], &[("CREDENZA_KEY_ENCRYPTION_KEYS", "")]].concat()
}

/// The same with the keyring before it, or after it.
fn both<'a>(service: &'a KeyService, keys: &'a str) -> Vec<(&'static str, &'a str)> {
    [&service.variables()[..], &[("CREDENZA_KEY_ENCRYPTION_KEYS", keys)]].concat()
}

async fn app(service: &KeyService) -> TestApp {
    TestApp::start_on(&alone(service), |_| ()).await
}

async fn write(caller: &Caller<'_>, password: &str) -> Answer {
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": password});
    caller.post("/extra/v2/credentials", body).await
}

/// Waits until the internal listener has this state of the key service. It asks once a second at most.
async fn key_service_is(app: &TestApp, state: &str) {
    eventually("the state of the key service is told", async || {
        let request = app.nobody().request(Method::GET, "/readyz", None);
        app.send_to(&app.internal, request).await.expect(200)["key_service"] == state
    })
    .await;
}

async fn resolved(caller: &Caller<'_>) -> Answer {
    caller.resolve("HIT", "Product", "PROD").await
}

/// Forgets what was unwrapped, as a restart does: the rows are read anew under another wrapped form.
async fn forget_unwrapped(app: &TestApp, service: &KeyService) {
    service.rotate();
    rotation::rewrap(&app.app, |_| ()).await.unwrap();
    app.feed_has_caught_up().await;
    app.forget();
}

#[tokio::test]
async fn data_keys_are_wrapped_by_the_service_and_it_is_asked_seldom() {
    let service = KeyService::start().await;
    let app = app(&service).await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    for password in ["one", "two", "three"] {
        write(&caller, password).await.expect(201);
        assert_eq!(resolved(&caller).await.expect(200)["password"], password);
    }
    let row = app.rows("select kek_id, convert_from(wrapped, 'LATIN1') as wrapped from data_keys").await.remove(0);
    assert_eq!(row["kek_id"], "transit:transit/credenza:v1");
    assert!(row["wrapped"].as_str().unwrap().starts_with("\u{2}vault:v1:"), "{row}");
    // Made, looked at once before it is stored, and read back.
    assert_eq!(service.asked(), ["encrypt×1", "decrypt×1", "decrypt×1"]);
    // Not even while every use reads the row again.
    app.forget();
    assert_eq!(resolved(&caller).await.expect(200)["password"], "three");
    assert_eq!(service.asked().len(), 3);
}

#[tokio::test]
async fn a_data_key_opens_only_at_its_own_place() {
    let service = KeyService::start().await;
    let app = app(&service).await;
    let a = app.account_that_resolves("a@one.example").await;
    let b = app.account_that_resolves("b@two.example").await;
    for caller in [&a, &b] {
        write(caller, "p").await.expect(201);
    }
    app.sql("create table saved as table data_keys").await;
    for act in [
        "update data_keys set wrapped = (select wrapped from data_keys where account_id = :b) where account_id = :a",
        "update data_keys set generation = 2 where account_id = :a",
        "update data_keys set kek_id = 'transit:transit/credenza:v2' where account_id = :a",
        "update data_keys set kek_id = 'transit:transit/other:v1' where account_id = :a",
        "update data_keys set wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) where account_id = :a",
        "update data_keys set wrapped = substring(wrapped for 12) where account_id = :a",
    ] {
        let act = act.replace(":a", &a.account.to_string()).replace(":b", &b.account.to_string());
        app.sql(&act).await;
        app.forget();
        resolved(&a).await.expect_error(500, "Internal server error");
        resolved(&b).await.expect(200);
        app.sql("truncate data_keys; insert into data_keys table saved").await;
        app.forget();
        resolved(&a).await.expect(200);
    }
}

#[tokio::test]
async fn without_the_key_service_cached_keys_work_and_the_rest_is_503() {
    let service = KeyService::start().await;
    let app = app(&service).await;
    let known = app.account_that_resolves("a@one.example").await;
    write(&known, "p").await.expect(201);
    let new = app.account_that_resolves("b@two.example").await;
    for mood in [Mood::Status(503), Mood::Status(500), Mood::Status(429), Mood::Status(404), Mood::Body("{}")] {
        service.is_now(mood.clone());
        write(&new, "p").await.expect_error(503, AWAY);
        write(&known, "q").await.expect(201);
        resolved(&known).await.expect(200);
        key_service_is(&app, "not reachable").await;
    }
    assert_eq!(app.rows("select 1 as one from data_keys").await.len(), 1);
    service.is_now(Mood::Well);
    write(&new, "p").await.expect(201);
    key_service_is(&app, "ok").await;
}

#[tokio::test]
async fn a_silent_key_service_delays_only_requests_that_need_it() {
    let service = KeyService::start().await;
    let app = app(&service).await;
    let known = app.account_that_resolves("a@one.example").await;
    write(&known, "p").await.expect(201);
    service.is_now(Mood::Silent);
    // More than the pool has connections.
    let mut waiting = Vec::new();
    for number in 0..12 {
        waiting.push(app.account_that_resolves(&format!("c{number}@new.example")).await);
    }
    let (refusals_are_there, served_before) = (Cell::new(false), Cell::new(0));
    let refused = async {
        let refused = futures_of(waiting.iter().map(|caller| write(caller, "p"))).await;
        refusals_are_there.set(true);
        refused
    };
    let served = async {
        for round in 0..20 {
            write(&known, &format!("p{round}")).await.expect(201);
            served_before.set(served_before.get() + usize::from(!refusals_are_there.get()));
        }
    };
    let (refused, ()) = tokio::join!(refused, served);
    for answer in refused {
        answer.expect_error(503, AWAY);
    }
    // The others waited for the two seconds that an answer may take, and held no connection meanwhile.
    assert!(served_before.get() > 0);
}

/// Runs them at once, in this task.
async fn futures_of<F: Future<Output = Answer>>(futures: impl Iterator<Item = F>) -> Vec<Answer> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers
}

#[tokio::test]
async fn wrong_answers_are_found_out_and_nothing_is_sealed_under_them() {
    let service = KeyService::start().await;
    let app = app(&service).await;
    let caller = app.account_that_resolves("a@one.example").await;
    let other = app.account_that_resolves("b@two.example").await;
    write(&caller, "p").await.expect(201);
    write(&other, "p").await.expect(201);
    let encoded = |length| BASE64_STANDARD.encode(vec![7; length]);
    let fault_of_the_service =
        ["not base64!".to_owned(), String::new(), encoded(31), encoded(32), encoded(63), encoded(65)];
    for plaintext in fault_of_the_service {
        forget_unwrapped(&app, &service).await;
        service.is_now(Mood::Plaintext(plaintext));
        resolved(&caller).await.expect_error(503, AWAY);
        write(&caller, "wrong").await.expect_error(503, AWAY);
        service.is_now(Mood::Well);
    }
    // A plaintext of the right form, of another data key: nobody can tell whose fault that is.
    forget_unwrapped(&app, &service).await;
    service.is_now(Mood::Plaintext(encoded(64)));
    resolved(&caller).await.expect_error(500, "Internal server error");
    write(&caller, "wrong").await.expect_error(500, "Internal server error");
    service.is_now(Mood::Well);
    // What cannot be had back is never stored.
    let new = app.account_that_resolves("c@three.example").await;
    service.is_now(Mood::EncryptsSomethingElse);
    write(&new, "p").await.expect_error(503, AWAY);
    assert_eq!(app.rows("select 1 as one from data_keys").await.len(), 2);
    let before = app.rows("select wrapped from data_keys order by account_id").await;
    service.rotate();
    for mood in [Mood::EncryptsSomethingElse, Mood::Shifted] {
        service.is_now(mood);
        let _ = rotation::rewrap(&app.app, |_| ()).await;
        assert_eq!(app.rows("select wrapped from data_keys order by account_id").await, before);
    }
    service.is_now(Mood::Well);
    for caller in [&caller, &other] {
        assert_eq!(resolved(caller).await.expect(200)["password"], "p");
    }
}

#[tokio::test]
async fn a_token_that_is_renewed_in_its_file_counts_at_once() {
    let service = KeyService::start().await;
    let app = app(&service).await;
    let write_new = async |email: &str| write(&app.account_that_resolves(email).await, "p").await;
    write_new("a@one.example").await.expect(201);
    service.expects_token("hvs.second");
    write_new("b@two.example").await.expect_error(503, AWAY);
    std::fs::write(&service.token_file, "hvs.second\n").unwrap();
    write_new("c@three.example").await.expect(201);
    std::fs::remove_file(&service.token_file).unwrap();
    write_new("d@four.example").await.expect_error(503, AWAY);
}

#[tokio::test]
async fn a_deleted_key_version_is_distinguished_from_damage() {
    let service = KeyService::start().await;
    let app = app(&service).await;
    let caller = app.account_that_resolves("a@one.example").await;
    write(&caller, "p").await.expect(201);
    service.rotate();
    service.min_decryption_version(2);
    let verified = rotation::verify(&app.app, |_| ()).await.unwrap();
    assert!(verified.faults[0].why.contains("is not in the keyring"), "{verified:?}");
    // Whose min_decryption_version is lowered again.
    service.min_decryption_version(1);
    rotation::rewrap(&app.app, |_| ()).await.unwrap();
    service.min_decryption_version(2);
    app.feed_has_caught_up().await;
    app.forget();
    assert_eq!(resolved(&caller).await.expect(200)["password"], "p");
}

#[tokio::test]
async fn from_the_keyring_to_the_service_and_back() {
    let service = KeyService::start().await;
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("a@one.example").await;
    write(&caller, "p").await.expect(201);
    let keks = async || {
        let rows = app.rows("select distinct kek_id from data_keys order by kek_id").await;
        rows.iter().map(|row| row["kek_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // With both, the service wraps ...
    let with_service = app.other_process_on(&both(&service, KEYRING.1), |_| ()).await;
    rotation::rewrap(&with_service, |_| ()).await.unwrap();
    assert_eq!(keks().await, ["transit:transit/credenza:v1"]);
    let safe = |keys: Vec<credenza::vault::KekStatus>| {
        keys.into_iter().filter(|key| key.safe_to_remove).map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(safe(with_service.vault.kek_statuses().await.unwrap()), ["test"]);
    // ... and then it is enough alone.
    let alone = app.other_process_on(&alone(&service), |_| ()).await;
    assert_eq!(rotation::verify(&alone, |_| ()).await.unwrap().faults, []);
    // Unless the list puts the keyring first.
    let list = format!("{},transit", KEYRING.1);
    let back = app.other_process_on(&both(&service, &list), |_| ()).await;
    rotation::rewrap(&back, |_| ()).await.unwrap();
    assert_eq!(keks().await, ["test"]);
    assert_eq!(safe(back.vault.kek_statuses().await.unwrap()), ["transit:transit/credenza:v1"]);
    app.feed_has_caught_up().await;
    app.forget();
    assert_eq!(resolved(&caller).await.expect(200)["password"], "p");
}

#[tokio::test]
async fn the_program_serves_on_a_key_service_and_starts_without_it() {
    let service = KeyService::start().await;
    let mut installation = Installation::new().await.without("CREDENZA_KEY_ENCRYPTION_KEYS");
    for (name, value) in service.variables() {
        installation = installation.with(name, value);
    }
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    service.is_now(Mood::Status(503));
    let running = installation.serve().await;
    let public = running.public.with_key(&key);
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "sentinel-password"});
    public.post("/extra/v2/credentials", &body).await.expect_error(503, AWAY);
    service.is_now(Mood::Well);
    public.post("/extra/v2/credentials", &body).await.expect(201);
    let ended = running.program.stop().await;
    assert!(ended.stderr.contains("the key service refused with status 503"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hvs.first") && !ended.stderr.contains("sentinel-password"));
    let status = installation.run(&["keys", "status", "--json"]).await.json();
    assert_eq!(status["keys"][0]["id"], "transit:transit/credenza:v1");
    assert_eq!(status["keys"][0]["fingerprint"], json!(null));
    installation.run(&["verify"]).await.done();
}

#[tokio::test]
async fn strangers_who_ask_for_readiness_cost_the_key_service_nothing_and_the_database_little() {
    let service = KeyService::start().await;
    let app = app(&service).await;
    for _ in 0..100 {
        let answer = app.nobody().get("/readyz").await.expect(200);
        assert_eq!(answer.get("key_service"), None);
    }
    assert_eq!(service.asked().len(), 0);
    // The operator's own balancer asks often as well.
    let begun = Instant::now();
    for _ in 0..100 {
        let request = app.nobody().request(Method::GET, "/readyz", None);
        assert_eq!(app.send_to(&app.internal, request).await.expect(200)["key_service"], "ok");
    }
    let most = 1 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(service.asked().len() <= most, "{:?}", service.asked());
}
