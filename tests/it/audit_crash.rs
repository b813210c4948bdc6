//! Crashes do not damage the evidence, with the real program: no chain is damaged; a change that was acknowledged is on record;
//! a resolve that was answered is on record, or the next start records a gap.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use embedded_postgres::{Embedded, Options};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinHandle;

use crate::support::cluster::{PASSWORD, in_tests, scratch_folder};
use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;
use crate::support::wire::Endpoint;

/// An installation with an account whose key may do everything.
struct Setup {
    installation: Installation,
    account: String,
    key: String,
}

async fn setup(installation: Installation) -> Setup {
    let account = installation.account("Platform").await;
    let scopes = "credentials:read,credentials:write,credentials:resolve,audit:read";
    let key = installation.key(&account, &["--scopes", scopes]).await;
    Setup { installation, account, key }
}

impl Setup {
    async fn rows<T>(&self, query: String) -> Vec<T>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let mut admin = self.installation.database.admin.connect().await.unwrap();
        let rows = sqlx::query_scalar(in_tests(query)).fetch_all(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        rows
    }

    /// The requests whose events of this kind are on record.
    async fn recorded(&self, action: &str) -> BTreeMap<String, usize> {
        let query = format!("select coalesce(request_id, '-') from audit_events where action like '{action}'");
        let mut recorded = BTreeMap::new();
        for request in self.rows::<String>(query).await {
            *recorded.entry(request).or_default() += 1;
        }
        recorded
    }

    async fn gaps(&self) -> usize {
        self.rows::<i64>("select sequence from audit_events where action = 'resolves.gap'".to_owned()).await.len()
    }

    async fn is_sound(&self) {
        self.installation.run(&["audit", "verify"]).await.done();
    }
}

/// Somebody who goes on asking, and notes which requests were answered with success.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    task: JoinHandle<Vec<String>>,
}

impl Load {
    fn start(endpoint: Endpoint, prefix: &str, path: &'static str, body: serde_json::Value, success: u16) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted, prefix) = (Arc::clone(&stop), Arc::clone(&answered), prefix.to_owned());
        let task = tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let id = format!("{prefix}-{number}");
                match endpoint.with_header("X-Request-Id", &id).try_post(path, &body).await {
                    Ok(answer) if answer.status.as_u16() == success => {
                        counted.fetch_add(1, Ordering::SeqCst);
                        acknowledged.push(id);
                    }
                    // Its database is away just now, or it is gone itself.
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            acknowledged
        });
        Self { stop, answered, task }
    }

    async fn some_more(&self, number: usize) {
        let enough = self.answered.load(Ordering::SeqCst) + number;
        eventually("requests are answered", async || self.answered.load(Ordering::SeqCst) >= enough).await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

impl Setup {
    fn resolves(&self, service: &Service, prefix: &str) -> Load {
        let account: i64 = self.account.parse().unwrap();
        let call = json!({"account_id": account, "supplier_code": "HIT", "service": "INV", "environment": "PROD"});
        Load::start(service.internal.with_key(&self.key), prefix, "/internal/v1/resolve", call, 200)
    }

    fn changes(&self, service: &Service, prefix: &str) -> Load {
        let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
        Load::start(service.public.with_key(&self.key), prefix, "/extra/v2/credentials", base, 201)
    }
}

fn assert_each_once(answered: &[String], recorded: &BTreeMap<String, usize>) {
    let missing: Vec<_> = answered.iter().filter(|id| !recorded.contains_key(*id)).collect();
    assert!(missing.is_empty(), "answered and not recorded: {missing:?}");
    let twice: Vec<_> = recorded.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "recorded more than once: {twice:?}");
}

#[tokio::test]
async fn a_clean_stop_loses_nothing_and_leaves_no_gap() {
    let setup = setup(Installation::new().await).await;
    let service = setup.installation.serve().await;
    setup.changes(&service, "first").some_more(1).await;
    let load = setup.resolves(&service, "resolve");
    load.some_more(50).await;
    let answered = load.end().await;
    service.program.stop().await.done();
    assert_each_once(&answered, &setup.recorded("credentials.resolved").await);
    assert_eq!(setup.rows::<String>("select writer_id::text from audit_writers".to_owned()).await, [""; 0]);
    setup.installation.serve().await.program.stop().await.done();
    assert_eq!(setup.gaps().await, 0);
    setup.is_sound().await;
}

#[tokio::test]
async fn after_a_kill_the_next_start_records_that_resolves_may_be_missing() {
    let setup = setup(Installation::new().await).await;
    for round in 1..=4 {
        let service = setup.installation.serve().await;
        let changes = setup.changes(&service, &format!("change-{round}"));
        changes.some_more(1).await;
        let resolves = setup.resolves(&service, &format!("resolve-{round}"));
        changes.some_more(1 + rand::random::<u8>() as usize % 20).await;
        resolves.some_more(1 + rand::random::<u8>() as usize % 20).await;
        service.program.signal(Signal::KILL);
        service.program.end().await;
        let (changes, _) = (changes.end().await, resolves.end().await);
        assert_each_once(&changes, &setup.recorded("credentials.%ted").await);
        // The next start tells, though it resolves nothing itself.
        let next = setup.installation.serve().await;
        eventually("the gap is on record", async || setup.gaps().await == round).await;
        next.program.stop().await.done();
    }
    let since =
        "select since::text from audit_events where action = 'resolves.gap' and account_id = 0 and since < occurred_at";
    assert_eq!(setup.rows::<String>(since.to_owned()).await.len(), 4);
    setup.is_sound().await;
}

#[tokio::test]
async fn in_sync_a_kill_loses_no_resolve_that_was_answered() {
    let setup = setup(Installation::new().await.with("CREDENZA_AUDIT_RESOLVES", "sync")).await;
    for round in 0..3 {
        let service = setup.installation.serve().await;
        setup.changes(&service, "first").some_more(1).await;
        let load = setup.resolves(&service, &format!("resolve-{round}"));
        load.some_more(1 + rand::random::<u8>() as usize % 30).await;
        service.program.signal(Signal::KILL);
        service.program.end().await;
        assert_each_once(&load.end().await, &setup.recorded("credentials.resolved").await);
    }
    setup.installation.serve().await.program.stop().await.done();
    assert_eq!(setup.gaps().await, 0);
    setup.is_sound().await;
}

#[tokio::test]
async fn a_paused_instance_is_not_recorded_as_crashed() {
    let setup = setup(Installation::new().await).await;
    let service = setup.installation.serve().await;
    setup.changes(&service, "first").some_more(1).await;
    let load = setup.resolves(&service, "resolve");
    load.some_more(10).await;
    service.program.signal(Signal::STOP);
    let other = setup.installation.serve().await;
    let load_of_other = setup.resolves(&other, "other");
    load_of_other.some_more(5).await;
    other.program.stop().await.done();
    assert_eq!(setup.gaps().await, 0);
    service.program.signal(Signal::CONT);
    load.some_more(5).await;
    let answered = [load.end().await, load_of_other.end().await].concat();
    service.program.stop().await.done();
    assert_each_once(&answered, &setup.recorded("credentials.resolved").await);
    assert_eq!(setup.gaps().await, 0);
    setup.is_sound().await;
}

/// A Postgres of a test's own.
pub async fn own_postgres(name: &str) -> (Embedded, Options) {
    let options = Options {
        application: "credenza-test",
        data_dir: scratch_folder(name),
        programs: setting("CREDENZA_POSTGRES_BIN").map(Into::into),
        search_path: setting("PATH"),
        durable: true,
        allow_download: true,
    };
    let server = Embedded::start(options.clone(), &mut |_| ()).await.unwrap();
    (server, options)
}

#[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
fn setting(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// An installation on it.
pub async fn installation_on(server: &Embedded) -> Installation {
    use credenza::postgres::bootstrap::{APPLICATION, DATABASE, OWNER, bootstrap};
    bootstrap(&server.admin_options("postgres"), PASSWORD, PASSWORD).await.unwrap();
    let url = |role| server.url(role, PASSWORD, DATABASE);
    let mut installation = Installation::new()
        .await
        .with("DATABASE_URL", &url(APPLICATION))
        .with("CREDENZA_MIGRATION_DATABASE_URL", &url(OWNER));
    installation.database.admin = server.admin_options(DATABASE);
    installation.run(&["migrate"]).await.done();
    installation
}

async fn kill_at_once(options: &PgConnectOptions) {
    let mut admin = options.connect().await.unwrap();
    let folder: String = sqlx::query_scalar("show data_directory").fetch_one(&mut admin).await.unwrap();
    let text = std::fs::read_to_string(format!("{folder}/postmaster.pid")).unwrap();
    let pid = text.lines().next().unwrap().parse().unwrap();
    // The immediate shutdown: no checkpoint, no good-bye.
    kill_process(Pid::from_raw(pid).unwrap(), Signal::QUIT).unwrap();
}

#[tokio::test]
async fn a_crash_of_postgres_loses_no_event_and_writes_none_twice() {
    let (mut server, options) = own_postgres("audit").await;
    let setup = setup(installation_on(&server).await).await;
    let service = setup.installation.serve().await;
    let changes = setup.changes(&service, "change");
    changes.some_more(1).await;
    let resolves = setup.resolves(&service, "resolve");
    for _ in 0..3 {
        resolves.some_more(10 + rand::random::<u8>() as usize % 40).await;
        kill_at_once(&setup.installation.database.admin).await;
        server.ended().await;
        drop(server);
        server = Embedded::start(options.clone(), &mut |_| ()).await.unwrap();
    }
    resolves.some_more(10).await;
    let (changes, resolves) = (changes.end().await, resolves.end().await);
    service.program.stop().await.done();
    assert_each_once(&changes, &setup.recorded("credentials.%ted").await);
    assert_each_once(&resolves, &setup.recorded("credentials.resolved").await);
    setup.is_sound().await;
    server.discard().await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_done_again() {
    // A commit that waits for a standby that does not exist is done, and its connection can be cut before it says so.
    const WAITING: &str = "from pg_stat_activity where wait_event = 'SyncRep' and datname is not null";
    let (server, _) = own_postgres("lost-answer").await;
    let setup = setup(installation_on(&server).await).await;
    let service = setup.installation.serve().await;
    setup.changes(&service, "first").some_more(1).await;
    let load = setup.resolves(&service, "resolve");
    load.some_more(10).await;
    let mut admin = setup.installation.database.admin.connect().await.unwrap();
    for statement in ["alter system set synchronous_standby_names = 'nobody'", "select pg_reload_conf()"] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
    let waiting = format!("select count(*) {WAITING}");
    eventually("a batch is being committed", async || setup.rows::<i64>(waiting.clone()).await[0] > 0).await;
    let cut = setup.rows::<bool>(format!("select pg_terminate_backend(pid) {WAITING}")).await;
    assert!(cut.contains(&true));
    for statement in ["alter system reset synchronous_standby_names", "select pg_reload_conf()"] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    load.some_more(10).await;
    let answered = load.end().await;
    service.program.stop().await.done();
    assert_each_once(&answered, &setup.recorded("credentials.resolved").await);
    setup.is_sound().await;
    server.discard().await.unwrap();
}
