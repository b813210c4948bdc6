//! Several real instances on one database: who waits for whom, for how long, and what operators see of it. That no answer
//! is ever an old one is the business of `history/`.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::installation::{Installation, Service, log_lines};
use crate::support::program::eventually;
use crate::support::wire::Endpoint;

const LEASE: Duration = Duration::from_secs(1);
/// For what a busy machine adds to a time that is asserted.
const SLACK: Duration = Duration::from_secs(30);

/// An installation with a key that may do everything, and instances of it that are ready.
struct Instances<const N: usize> {
    installation: Installation,
    account: String,
    key: String,
    services: [Service; N],
}

/// The message of a write that waited for longer than a tenth of a second.
const WAITED: &str = "a write waited for other instances";
const NAMES: [&str; 3] = ["one", "two", "three"];

async fn instances<const N: usize>() -> Instances<N> {
    let installation = Installation::new().await.with("CREDENZA_LEASE", "1s");
    let account = installation.account("A").await;
    let scopes = "credentials:read,credentials:write,credentials:resolve";
    let key = installation.key(&account, &["--scopes", scopes]).await;
    let mut services = Vec::new();
    for name in &NAMES[..N] {
        services.push(installation.with("CREDENZA_INSTANCE_NAME", name).serve().await);
    }
    for service in &services {
        becomes_ready(&service.public).await;
    }
    let services = services.try_into().unwrap_or_else(|_| unreachable!("as many as names"));
    Instances { installation, account, key, services }
}

async fn becomes_ready(endpoint: &Endpoint) {
    eventually("the service is ready", async || endpoint.is_at_full_speed().await).await;
}

impl<const N: usize> Instances<N> {
    async fn write(&self, service: &Service, password: &str) -> Duration {
        let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": password});
        let start = Instant::now();
        service.public.with_key(&self.key).post("/extra/v2/credentials", &body).await.expect(201);
        start.elapsed()
    }

    async fn read(&self, service: &Service) -> String {
        let answer = service.resolve(&self.key, &self.account, "HIT").await.expect(200);
        answer["password"].as_str().unwrap().to_owned()
    }

    async fn rows(&self) -> Vec<String> {
        use sqlx::{ConnectOptions, Connection};
        let mut admin = self.installation.database.admin.connect().await.unwrap();
        let names = sqlx::query_scalar("select name from instances order by name").fetch_all(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        names
    }
}

fn warnings(service: &Service, message: &str) -> Vec<Value> {
    log_lines(&service.program.stderr()).into_iter().filter(|line| line["message"] == message).collect()
}

/// The lines of this message, when there is one: it is written before the answer, but comes another way.
async fn some_warnings(service: &Service, message: &str) -> Vec<Value> {
    eventually(message, async || !warnings(service, message).is_empty()).await;
    warnings(service, message)
}

#[tokio::test]
async fn a_stopped_instance_delays_a_write_by_one_lease_and_answers_with_the_new_value_when_it_goes_on() {
    let all = instances::<2>().await;
    let [one, two] = &all.services;
    all.write(one, "old").await;
    assert_eq!(all.read(two).await, "old");

    two.program.signal(Signal::STOP);
    let waited = all.write(one, "new").await;
    assert!(waited < LEASE + SLACK, "{waited:?}");
    let slow = some_warnings(one, WAITED).await;
    assert!(slow.iter().all(|slow| slow["instances"] == "two"), "{slow:?}");
    // It is removed, and then nobody waits for it.
    eventually("the others notice", async || all.rows().await == ["one"]).await;
    some_warnings(one, "an instance stopped renewing its lease").await;
    let slow = warnings(one, WAITED).len();
    all.write(one, "newer").await;
    assert_eq!(warnings(one, WAITED).len(), slow);

    two.program.signal(Signal::CONT);
    assert_eq!(all.read(two).await, "newer");
    eventually("it joins again", async || all.rows().await == ["one", "two"]).await;
    becomes_ready(&two.public).await;
}

#[tokio::test]
async fn an_instance_that_ends_in_good_order_is_waited_for_by_nobody() {
    let all = instances::<2>().await;
    assert_eq!(all.rows().await, ["one", "two"]);
    let Instances { services: [one, two], installation, account, key } = all;
    two.program.stop().await.done();
    let all = Instances { services: [one], installation, account, key };
    assert_eq!(all.rows().await, ["one"]);
    all.write(&all.services[0], "new").await;
    assert!(warnings(&all.services[0], WAITED).is_empty());
}

#[tokio::test]
async fn a_change_of_the_command_line_is_seen_everywhere_when_the_command_has_ended() {
    let all = instances::<3>().await;
    all.write(&all.services[0], "old").await;
    let [one, two, three] = &all.services;
    let listed = all.installation.run(&["api-key", "list", "--account", &all.account, "--json"]).await.json();
    let id = listed[0]["id"].as_str().unwrap();
    for service in [one, two, three] {
        assert_eq!(all.read(service).await, "old");
    }
    all.installation.run(&["api-key", "revoke", "--account", &all.account, id]).await.done();
    // It waited for their answers: whoever does not answer within a lease is removed.
    assert_eq!(all.rows().await, ["one", "three", "two"]);
    for service in [one, two, three] {
        service.resolve(&all.key, &all.account, "HIT").await.expect_error(403, "Invalid API key");
    }
}

#[tokio::test]
async fn operators_see_leases_and_waits() {
    let all = instances::<2>().await;
    let [one, two] = &all.services;
    all.write(one, "new").await;
    all.read(two).await;
    let page = one.internal.get("/metrics").await.body;
    for expected in [
        "credenza_lease_remaining_seconds 0.",
        "credenza_listener_connected 1",
        "credenza_acknowledgement_wait_seconds_count",
        "credenza_changes_heard_total{kind=\"acknowledged\"}",
    ] {
        assert!(page.contains(expected), "`{expected}` is missing in:\n{page}");
    }
    let page = two.internal.get("/metrics").await.body;
    assert!(page.contains("credenza_changes_heard_total{kind=\"hold\"}"), "{page}");
    // Only inside.
    one.public.get("/metrics").await.expect(404);
}

#[tokio::test]
async fn leases_that_cannot_work_are_refused() {
    let installation = Installation::new().await;
    for (name, value, why) in [
        ("CREDENZA_LEASE", "soon", "is not a duration"),
        ("CREDENZA_LEASE", "0s", "is not between 200ms and 5s"),
        ("CREDENZA_LEASE", "1h", "is not between 200ms and 5s"),
        ("CREDENZA_SERVE_STALE_FOR", "-1s", "is not a duration"),
        ("CREDENZA_TEST_MUTANT", "anything", "is for tests"),
    ] {
        let refused = installation.with(name, value).run(&["serve"]).await;
        refused.refused(1, &format!("{name} {why}"));
    }
}
