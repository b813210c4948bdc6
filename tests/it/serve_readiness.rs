//! Health of the running service, when all is well and when the database or the change feed's connection is cut off.

use std::path::PathBuf;

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::support::cluster::{scratch_folder, server};
use crate::support::installation::{Installation, Service, log_lines};
use crate::support::program::eventually;
use crate::support::wire::Endpoint;

/// A way to the database that a test can cut: a socket of its own in front of the server's.
struct Way {
    folder: PathBuf,
    target: PathBuf,
    open: Option<JoinHandle<()>>,
}

impl Way {
    async fn open() -> Self {
        let socket = server().await.admin_options("postgres").get_socket().unwrap().join(".s.PGSQL.5432");
        let mut way = Self { folder: scratch_folder("way"), target: socket, open: None };
        way.mend();
        way
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    fn mend(&mut self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        self.open = Some(tokio::spawn(forward(listener, self.target.clone())));
    }

    /// Ends every connection and takes no new one.
    fn cut(&mut self) {
        self.open.take().unwrap().abort();
        std::fs::remove_file(self.socket()).unwrap();
    }

    /// A URL that takes this way to the database of another URL.
    fn url(&self, url: &str) -> String {
        let (start, _) = url.split_once("?host=").unwrap();
        format!("{start}?host={}&sslmode=disable", self.folder.to_str().unwrap().replace('/', "%2F"))
    }
}

async fn forward(listener: UnixListener, target: PathBuf) {
    // Dropped with this task, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let target = target.clone();
        connections.spawn(async move {
            let mut server = UnixStream::connect(target).await?;
            copy_bidirectional(&mut client, &mut server).await
        });
    }
}

/// A service whose ways to the database can be cut: the pool's, and the change feed's.
async fn service_with_ways() -> (Installation, Service, Way, Way) {
    with_ways(Installation::new().await).await
}

async fn with_ways(installation: Installation) -> (Installation, Service, Way, Way) {
    let (pool, feed) = (Way::open().await, Way::open().await);
    let url = installation.setting("DATABASE_URL").to_owned();
    let ways = installation.with("DATABASE_URL", &pool.url(&url));
    let service = ways.with("CREDENZA_LISTENER_DATABASE_URL", &feed.url(&url)).serve().await;
    becomes_ready(&service.public).await;
    (installation, service, pool, feed)
}

async fn becomes_ready(endpoint: &Endpoint) {
    eventually("the service is ready", async || endpoint.is_at_full_speed().await).await;
}

async fn becomes_unready(endpoint: &Endpoint) -> serde_json::Value {
    eventually("the service is not ready", async || endpoint.get("/readyz").await.status == 503).await;
    endpoint.get("/readyz").await.expect(503)
}

#[tokio::test]
async fn both_listeners_answer_health_checks_without_a_key() {
    let service = Installation::new().await.serve().await;
    for endpoint in [&service.public, &service.internal] {
        assert_eq!(endpoint.get("/healthz").await.expect(200), json!({"status": "ok"}));
        becomes_ready(endpoint).await;
        let ready = endpoint.get("/readyz").await.expect(200);
        assert!(ready.as_object().unwrap().values().all(|part| part == "ok"), "{ready}");
    }
    service.program.stop().await.done();
}

#[tokio::test]
async fn without_its_change_feed_the_service_is_ready_and_degraded_until_it_is_back() {
    let (installation, service, _pool, mut feed) = service_with_ways().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &["--scopes", "credentials:resolve"]).await;
    feed.cut();
    for endpoint in [&service.public, &service.internal] {
        eventually("it has no lease", async || {
            let answer = endpoint.get("/readyz").await.expect(200);
            answer["degraded"] == json!(["listener", "lease"])
        })
        .await;
        let answer = endpoint.get("/readyz").await.expect(200);
        assert_eq!(answer["listener"], "not connected: changes are not heard", "{answer}");
    }
    let page = service.internal.get("/metrics").await.body;
    assert!(page.contains("credenza_ready 1") && page.contains("credenza_lease_remaining_seconds 0"), "{page}");
    service.public.get("/healthz").await.expect(200);
    service.resolve(&key, &account, "HIT").await.expect(403);
    feed.mend();
    becomes_ready(&service.public).await;
    service.program.stop().await.done();
}

#[tokio::test]
async fn without_its_database_the_service_is_not_ready_and_recovers() {
    let (installation, service, mut pool, mut feed) = service_with_ways().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &["--scopes", "credentials:resolve"]).await;
    service.resolve(&key, &account, "HIT").await.expect(403);
    pool.cut();
    feed.cut();
    let answer = becomes_unready(&service.public).await;
    assert_eq!(answer["database"], "not reachable", "{answer}");
    service.internal.get("/healthz").await.expect(200);
    eventually("no answer from memory", async || service.resolve(&key, &account, "HIT").await.status == 503).await;

    pool.mend();
    feed.mend();
    becomes_ready(&service.public).await;
    service.resolve(&key, &account, "HIT").await.expect(403);
    let finished = service.program.stop().await;
    finished.done();
    // However often it was asked, the log has the changes, and no probe is an error.
    let lines = log_lines(&finished.stderr);
    let said = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    assert!(
        (1..=2).contains(&said("not ready")) && said("not ready") <= said("ready again") + 1,
        "{}",
        finished.stderr
    );
    let probes = lines.iter().filter(|line| line["route"] == "/readyz");
    assert!(probes.filter(|line| line["status"] == 503).all(|line| line["level"] == "INFO"), "{}", finished.stderr);
}

#[tokio::test]
async fn an_operator_can_choose_old_answers_rather_than_none_for_a_while() {
    let choice = Installation::new().await.with("CREDENZA_LEASE", "500ms").with("CREDENZA_SERVE_STALE_FOR", "5s");
    let (installation, service, mut pool, mut feed) = with_ways(choice).await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &["--scopes", "credentials:write,credentials:resolve"]).await;
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "old"});
    service.public.with_key(&key).post("/extra/v2/credentials", &body).await.expect(201);
    let current = service.resolve(&key, &account, "HIT").await.expect(200);
    assert_eq!((&current["password"], current.get("stale_for")), (&json!("old"), None));

    pool.cut();
    feed.cut();
    becomes_unready(&service.public).await;
    let stale = service.resolve(&key, &account, "HIT").await.expect(200);
    assert_eq!(stale["password"], "old");
    assert!(stale["stale_for"].as_u64().is_some_and(|seconds| seconds < 5), "{stale}");
    // Only what was in memory, and only reads.
    assert_eq!(service.resolve(&key, &account, "PCNA").await.status, 503);
    assert_eq!(service.public.with_key(&key).post("/extra/v2/credentials", &body).await.status, 503);
    let page = service.internal.get("/metrics").await.body;
    assert!(page.contains("credenza_stale_answers_total"), "{page}");
    eventually("no old answers any more", async || service.resolve(&key, &account, "HIT").await.status == 503).await;

    pool.mend();
    feed.mend();
    becomes_ready(&service.public).await;
    eventually("it answers again, and no longer from old memory", async || {
        let current = service.resolve(&key, &account, "HIT").await;
        current.status == 200 && current.json().get("stale_for").is_none()
    })
    .await;
    service.program.stop().await.done();
}
