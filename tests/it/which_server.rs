//! Which server answers: only one that takes writes; and what follows while there is none, while it is silent, and while
//! writes hang.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use credenza::postgres::bootstrap::DATABASE;
use embedded_postgres::{Embedded, Options};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgConnection};
use tokio::task::JoinSet;

use crate::history::proxy::Proxy;
use crate::support::cluster::{self, Database, in_tests, server};
use crate::support::installation::{Installation, Service};
use crate::support::program::{eventually, within};
use crate::support::response::Answer;

/// A service whose ways to the database can be disturbed, an account with a key, and its URL of the database.
pub(crate) struct Fixture {
    pub installation: Installation,
    pub service: Service,
    pub pool: Proxy,
    pub feed: Proxy,
    account: String,
    pub key: String,
}

impl Fixture {
    pub async fn new() -> Self {
        Self::with(Installation::new().await).await
    }

    /// On an installation of the shared server.
    pub async fn with(installation: Installation) -> Self {
        let socket = server().await.admin_options("postgres").get_socket().unwrap().clone();
        Self::on(installation, &socket).await
    }

    async fn on(installation: Installation, socket: &Path) -> Self {
        let account = installation.account("A").await;
        let scopes = "credentials:read,credentials:write,credentials:resolve";
        let key = installation.key(&account, &["--scopes", scopes]).await;
        let (pool, feed) = (Proxy::open(socket), Proxy::open(socket));
        let url = installation.setting("DATABASE_URL").to_owned();
        let ways = installation.with("DATABASE_URL", &pool.url(&url)).with("CREDENZA_LEASE", "1s");
        let service = ways.with("CREDENZA_LISTENER_DATABASE_URL", &feed.url(&url)).serve().await;
        let fixture = Self { installation, service, pool, feed, account, key };
        fixture.is_well().await;
        fixture
    }

    pub async fn is_well(&self) {
        eventually("it is ready", async || self.service.public.is_at_full_speed().await).await;
    }

    pub async fn write(&self, password: &str) -> Answer {
        let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": password});
        self.service.public.with_key(&self.key).post("/extra/v2/credentials", &body).await
    }

    pub async fn read(&self) -> Answer {
        self.service.resolve(&self.key, &self.account, "HIT").await
    }

    /// Waits until the pair is read with this password: events of before that wait to be written hold up resolves for a while.
    pub async fn reads(&self, password: &str) {
        eventually("the pair is read", async || {
            let answer = self.read().await;
            !is_refused_for_now(&answer) && answer.expect(200)["password"] == password
        })
        .await;
    }

    async fn readiness(&self) -> Value {
        serde_json::from_str(&self.service.public.get("/readyz").await.body).unwrap()
    }

    /// Ends every connection of the service, so that each is made anew.
    fn reconnect(&self) {
        self.pool.cut();
        self.feed.cut();
    }

    async fn execute(&self, statement: &str) {
        let database = self.installation.database.admin.get_database().unwrap();
        let mut admin = self.installation.database.admin.connect().await.unwrap();
        let statement = in_tests(statement.replace("DATABASE", database));
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
}

pub(crate) fn is_refused_for_now(answer: &Answer) -> bool {
    assert_ne!(answer.status, 500, "{answer:?}");
    assert!(answer.status != 503 || answer.headers.contains_key("retry-after"), "{answer:?}");
    answer.status == 503
}

/// A server, and a standby of it that has what the server had when it was copied, and receives nothing more.
pub(crate) async fn server_and_standby(before_copy: impl AsyncFn(&Installation)) -> (Installation, Embedded, Embedded) {
    let options = cluster::options(false);
    let primary = start(&options).await;
    cluster::prepare(&primary).await;
    let installation = Installation::on(&primary, Database::of(&primary, DATABASE));
    before_copy(&installation).await;
    primary.stop().await.unwrap();
    let copy = Options { data_dir: cluster::scratch_folder("standby"), ..options.clone() };
    let copied = Command::new("cp").arg("-a").arg(options.data_dir.join(".")).arg(&copy.data_dir).status().unwrap();
    assert!(copied.success());
    std::fs::write(copy.data_dir.join("postgres/data/standby.signal"), "").unwrap();
    (installation, start(&options).await, start(&copy).await)
}

async fn start(options: &Options) -> Embedded {
    Embedded::start(options.clone(), &mut |_| {}).await.unwrap()
}

pub(crate) fn socket(server: &Embedded) -> PathBuf {
    server.admin_options("postgres").get_socket().unwrap().clone()
}

#[tokio::test]
async fn nothing_is_read_from_a_standby_that_is_behind() {
    let (installation, primary, standby) = server_and_standby(async |_| {}).await;
    // The standby is older than the account, the key and the pair.
    let fixture = Fixture::on(installation, &socket(&primary)).await;
    fixture.write("new").await.expect(201);
    fixture.reads("new").await;
    let spare = fixture.installation.key(&fixture.account, &["--scopes", "credentials:resolve"]).await;
    for way in [&fixture.pool, &fixture.feed] {
        way.lead_to(&socket(&standby));
        way.cut();
    }
    within(Duration::from_secs(20), "reads are refused", async || {
        let answer = fixture.read().await;
        // From memory while the lease lasts; never what the standby has, where neither pair nor key exist.
        is_refused_for_now(&answer) || {
            assert_eq!(answer.expect(200)["password"], "new");
            false
        }
    })
    .await;
    for _ in 0..5 {
        assert!(is_refused_for_now(&fixture.read().await));
        assert!(is_refused_for_now(&fixture.service.resolve(&spare, &fixture.account, "HIT").await));
        assert!(is_refused_for_now(&fixture.write("newer").await));
    }
    assert_eq!(fixture.readiness().await["database"], "in recovery or read-only");
    for way in [&fixture.pool, &fixture.feed] {
        way.lead_to(&socket(&primary));
        way.cut();
    }
    fixture.is_well().await;
    fixture.reads("new").await;
    fixture.service.program.stop().await.done();
}

#[tokio::test]
async fn of_several_servers_the_one_that_takes_writes_is_used() {
    let (installation, primary, standby) = server_and_standby(async |_| {}).await;
    let url = installation.setting("DATABASE_URL").to_owned();
    let (start, rest) = url.split_once("@localhost:5432/").expect("the form of the embedded server's URLs");
    let (database, _) = rest.split_once('?').unwrap();
    let host = |server: &Embedded| socket(server).to_str().unwrap().replace('/', "%2F");
    let several = format!(
        "{start}@{},{}/{database}?sslmode=disable&target_session_attrs=read-write",
        host(&standby),
        host(&primary)
    );
    let installation = installation.with("DATABASE_URL", &several);
    let account = installation.account("A").await;
    let key = installation.key(&account, &["--scopes", "credentials:write"]).await;
    let service = installation.serve().await;
    eventually("it is ready", async || service.public.is_at_full_speed().await).await;
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    service.public.with_key(&key).post("/extra/v2/credentials", &body).await.expect(201);
    installation.run(&["doctor"]).await.done();
    service.program.stop().await.done();
}

#[tokio::test]
async fn behind_a_proxy_that_closes_every_answer_is_to_come_again() {
    let fixture = Fixture::new().await;
    fixture.write("old").await.expect(201);
    for way in [&fixture.pool, &fixture.feed] {
        way.refuse(true);
        way.cut();
    }
    within(Duration::from_secs(20), "reads are refused", async || is_refused_for_now(&fixture.read().await)).await;
    for _ in 0..5 {
        assert!(is_refused_for_now(&fixture.write("new").await));
        assert!(is_refused_for_now(&fixture.read().await));
    }
    for way in [&fixture.pool, &fixture.feed] {
        way.refuse(false);
    }
    fixture.is_well().await;
    fixture.reads("old").await;
    fixture.service.program.stop().await.done();
}

#[tokio::test]
async fn a_database_that_is_read_only_is_away() {
    let fixture = Fixture::new().await;
    fixture.write("old").await.expect(201);
    fixture.execute("alter role credenza in database DATABASE set default_transaction_read_only = on").await;
    fixture.reconnect();
    within(Duration::from_secs(20), "it is not ready", async || {
        fixture.service.public.get("/readyz").await.status == 503
    })
    .await;
    assert!(is_refused_for_now(&fixture.write("new").await));
    assert!(is_refused_for_now(&fixture.read().await));
    assert_eq!(fixture.readiness().await["database"], "in recovery or read-only");
    fixture.execute("alter role credenza in database DATABASE reset default_transaction_read_only").await;
    fixture.is_well().await;
    fixture.write("new").await.expect(201);
    fixture.service.program.stop().await.done();
}

#[tokio::test]
async fn another_default_isolation_level_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture
        .execute("alter role credenza in database DATABASE set default_transaction_isolation = 'serializable'")
        .await;
    fixture.reconnect();
    fixture.is_well().await;
    let mut writes = JoinSet::new();
    for number in 0..30 {
        let public = fixture.service.public.with_key(&fixture.key);
        writes.spawn(async move {
            let password = format!("p{number}");
            let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": password});
            // A write that waited too long for its turn was not done: a busy machine is not what this is about.
            loop {
                let status = public.post("/extra/v2/credentials", &body).await.status.as_u16();
                if status != 429 {
                    break status;
                }
            }
        });
    }
    assert_eq!(writes.join_all().await, [201; 30]);
    fixture.service.program.stop().await.done();
}

#[tokio::test]
async fn connections_that_fell_silent_are_given_up() {
    let fixture = Fixture::new().await;
    fixture.write("old").await.expect(201);
    for way in [&fixture.pool, &fixture.feed] {
        way.fall_silent();
    }
    // A client with patience, and more connections than one that are dead.
    within(Duration::from_secs(25), "writes go on", async || fixture.write("new").await.status == 201).await;
    fixture.is_well().await;
    fixture.reads("new").await;
    fixture.service.program.stop().await.done();
}

#[tokio::test]
async fn writes_that_hang_leave_connections_to_reads() {
    let installation = Installation::new().await.with("CREDENZA_DATABASE_CONNECTIONS", "4");
    let mut tenants = Vec::new();
    for name in ["A", "B", "C", "D"] {
        let account = installation.account(name).await;
        tenants.push(installation.key(&account, &["--scopes", "credentials:read,credentials:write"]).await);
    }
    let service = installation.serve().await;
    eventually("it is ready", async || service.public.is_at_full_speed().await).await;
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    for key in &tenants {
        service.public.with_key(key).post("/extra/v2/credentials", &body).await.expect(201);
    }
    // No commit gets through, as while a standby does not acknowledge.
    let mut admin = installation.database.admin.connect().await.unwrap();
    sqlx::raw_sql("begin; lock table membership in exclusive mode").execute(&mut admin).await.unwrap();
    let mut writes = JoinSet::new();
    for key in &tenants {
        let (public, body) = (service.public.with_key(key), body.clone());
        writes.spawn(async move { public.post("/extra/v2/credentials", &body).await });
    }
    let hanging = "select count(*) from pg_locks join pg_database on pg_database.oid = database
                   where datname = current_database() and not granted";
    eventually("writes hang", async || {
        let mut other = installation.database.admin.connect().await.unwrap();
        sqlx::query_scalar::<_, i64>(hanging).fetch_one(&mut other).await.unwrap() >= 3
    })
    .await;
    for key in &tenants {
        service.public.with_key(key).get("/extra/v2/credentials").await.expect(200);
    }
    while let Some(answer) = writes.join_next().await {
        assert!(is_refused_for_now(&answer.unwrap()));
    }
    sqlx::raw_sql("rollback").execute(&mut admin).await.unwrap();
    service.public.with_key(&tenants[0]).post("/extra/v2/credentials", &body).await.expect(201);
    service.program.stop().await.done();
}

/// A process that was stopped, which goes on when this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: i32) -> Self {
        let pid = Pid::from_raw(pid).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// Runs statements as the administrator of a server, one by one.
async fn administer(server: &Embedded, statements: &[String]) -> PgConnection {
    let mut admin = server.admin_options("postgres").connect().await.unwrap();
    for statement in statements {
        sqlx::raw_sql(in_tests(statement.clone())).execute(&mut admin).await.unwrap();
    }
    admin
}

#[tokio::test]
async fn a_synchronous_standby_that_stalls_stops_writes_and_no_lists() {
    let (installation, primary, standby) = server_and_standby(async |_| {}).await;
    let source = format!("alter system set primary_conninfo = '{}'", primary.admin_url("postgres"));
    let mut on_standby = administer(&standby, &[source, "select pg_reload_conf()".to_owned()]).await;
    let database = installation.database.admin.get_database().unwrap();
    let mut on_primary = administer(
        &primary,
        &[
            "alter system set synchronous_standby_names = '*'".to_owned(),
            "select pg_reload_conf()".to_owned(),
            // The servers of tests do without.
            format!("alter database {database} set synchronous_commit = on"),
        ],
    )
    .await;
    eventually("the standby is synchronous", async || {
        let synchronous = "select exists (select from pg_stat_replication where sync_state = 'sync')";
        sqlx::query_scalar(synchronous).fetch_one(&mut on_primary).await.unwrap()
    })
    .await;
    let fixture = Fixture::on(installation, &socket(&primary)).await;
    fixture.write("old").await.expect(201);
    let other = fixture.installation.account("B").await;
    let other = fixture.installation.key(&other, &["--scopes", "credentials:read"]).await;
    let receiver =
        sqlx::query_scalar::<_, i32>("select pid from pg_stat_wal_receiver").fetch_one(&mut on_standby).await;
    let stopped = Stopped::new(receiver.unwrap());

    let (public, key) = (fixture.service.public.clone(), fixture.key.clone());
    let write = tokio::spawn(async move {
        let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "new"});
        public.with_key(&key).post("/extra/v2/credentials", &body).await
    });
    eventually("the write waits for the standby", async || {
        let waiting = "select exists (select from pg_stat_activity where wait_event = 'SyncRep')";
        sqlx::query_scalar(waiting).fetch_one(&mut on_primary).await.unwrap()
    })
    .await;
    // For as long as it waits, and with the lease gone as well.
    while !write.is_finished() {
        for key in [&fixture.key, &other] {
            fixture.service.public.with_key(key).get("/extra/v2/credentials").await.expect(200);
        }
        assert_eq!(fixture.service.public.get("/readyz").await.status, 200);
    }
    assert!(is_refused_for_now(&write.await.unwrap()));
    // Their evidence is not safe yet, and no password leaves without any.
    eventually("resolves are refused", async || is_refused_for_now(&fixture.read().await)).await;
    drop(stopped);
    fixture.is_well().await;
    eventually("writes go on", async || fixture.write("newer").await.status == 201).await;
    fixture.reads("newer").await;
    fixture.service.program.stop().await.done();
}
