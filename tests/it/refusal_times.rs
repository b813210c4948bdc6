//! A refusal takes as long for a secret that exists as for one that does not. Each kind is asked in turn, so that other
//! work on the machine slows all of them, and medians are compared, which single hiccups do not move.
//! `refusals_from_memory.rs` has the coarser half: no kind asks the database more often.

use std::time::{Duration, Instant};

use credenza::api_key::{ApiKey, Kind};
use credenza::principal::Scope;

use crate::support::oauth::{CLIENTS, Client};
use crate::support::{Answer, Caller, TestApp};

const ROUNDS: usize = 400;
/// How much longer one kind may seem to take. A look at the database would make it a multiple.
const TOLERANCE: f64 = 1.5;

/// The median time of each kind, asked in turn.
async fn medians<const N: usize>(ask: impl AsyncFn(usize) -> Answer, status: u16) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for round in 0..ROUNDS {
        for turn in 0..N {
            // Who comes first changes from round to round.
            let kind = (turn + round) % N;
            let start = Instant::now();
            let answer = ask(kind).await;
            times[kind].push(start.elapsed());
            assert_eq!(answer.status.as_u16(), status, "kind {kind}");
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}

/// The medians agree.
async fn expect_equal<const N: usize>(kinds: [&str; N], ask: impl AsyncFn(usize) -> Answer, status: u16) {
    let medians: [Duration; N] = medians(&ask, status).await;
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    let agree = most.as_secs_f64() <= least.as_secs_f64() * TOLERANCE;
    assert!(agree, "{kinds:?} take different times: {medians:?}");
}

#[tokio::test]
async fn keys_that_exist_are_refused_as_fast_as_those_that_do_not() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let (revoked, expired) = (owner.with_scopes(&Scope::ALL).await, owner.with_scopes(&Scope::ALL).await);
    let end = |caller: &Caller<'_>, column: &str| {
        let key = caller.key.clone().unwrap();
        format!("update api_keys set {column} = '2020-01-01T00:00:00Z' where last_four = '{}'", &key[key.len() - 4..])
    };
    app.sql(&end(&revoked, "revoked_at")).await;
    app.sql(&end(&expired, "expires_at")).await;
    app.feed_has_caught_up().await;
    let unknown = owner.with_key(ApiKey::generate(Kind::Private).expose());
    let callers = [unknown, revoked, expired];
    expect_equal(["unknown", "revoked", "expired"], async |kind| callers[kind].get("/me").await, 403).await;
}

#[tokio::test]
async fn clients_that_exist_are_refused_as_fast_as_those_that_do_not() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let (client, revoked) = (owner.client().await, owner.client().await);
    owner.delete(&format!("{CLIENTS}/{}", revoked.id)).await.expect(204);
    app.feed_has_caught_up().await;
    let wrong = client.with_secret(ApiKey::generate(Kind::ClientSecret).expose());
    let unknown = Client { client_id: "czc_000000000000000000000000".to_owned(), ..client };
    let clients = [unknown, wrong, revoked];
    let kinds = ["unknown client", "wrong secret", "revoked client"];
    expect_equal(kinds, async |kind| app.ask_token(&clients[kind], &[]).await, 401).await;
}
