//! One Postgres server for the whole run, started by the first test that needs it, and a database of its own for each
//! test, copied from a migrated template.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use credenza::postgres::bootstrap::{APPLICATION, DATABASE, OWNER, bootstrap};
use credenza::postgres::{grant_application_role, migrate};
use embedded_postgres::{Embedded, Options};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::OnceCell;

use super::without_filters;

const PREFIX: &str = "credenza-test-";
/// Of both roles.
pub const PASSWORD: &str = "only-in-tests";

/// The server. Never dropped: when the process ends, however it ends, the server's watchdog ends it.
static SERVER: OnceCell<Embedded> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Names the walls between tenants that the run does without, for `walls.rs`, which starts such runs.
pub const WITHOUT: &str = "CREDENZA_TESTS_WITHOUT";
/// The application's own conditions on the tenant.
pub const FILTERS: &str = "filters";
/// The policies of the tables.
pub const ROW_SECURITY: &str = "row security";

fn is_without(wall: &str) -> bool {
    setting(WITHOUT).is_some_and(|walls| walls.to_str().unwrap().split(',').any(|other| other == wall))
}

/// A database of a test's own, and the ways into it.
#[derive(Clone)]
pub struct Database {
    /// As the application's role, the way the service connects.
    pub application: PgConnectOptions,
    /// As the superuser, for looking at the rows themselves.
    pub admin: PgConnectOptions,
}

/// The tests' server.
pub async fn server() -> &'static Embedded {
    SERVER.get_or_init(start).await
}

async fn start() -> Embedded {
    remove_stale_folders();
    let server = Embedded::start(options(false), &mut |step| eprintln!("{step}")).await.unwrap();
    leave_out_background_work(&server).await;
    prepare(&server).await;
    take_walls_down(&server).await;
    server
}

/// How to start a server in a folder of its own.
pub fn options(durable: bool) -> Options {
    Options {
        application: "credenza-test",
        data_dir: cluster_folder(),
        programs: setting("CREDENZA_POSTGRES_BIN").map(PathBuf::from),
        search_path: setting("PATH"),
        durable,
        allow_download: true,
    }
}

/// A folder for a server of hundreds of databases, which are several gigabytes in hundreds of thousands of files. In memory,
/// if there is much of it and nobody has named a place by `TMPDIR`: that takes less than half of the time. Removed once this
/// process has ended.
fn cluster_folder() -> PathBuf {
    let root = if setting("TMPDIR").is_none() && memory_is_plenty() { MEMORY.into() } else { std::env::temp_dir() };
    let folder = scratch_folder_in(&root, "cluster");
    let mut remover = std::process::Command::new("/bin/sh");
    remover.args(["-c", REMOVER, "remover"]).arg(&folder);
    remover.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Our end of the pipe closes with this process, however that ends.
    std::mem::forget(remover.spawn().unwrap());
    folder
}

/// Waits for the end of its input, then for the server's, which its watchdog ends; then removes the folder `$1`.
const REMOVER: &str = r#"
trap '' INT TERM HUP
read -r line
tenths=0
while [ -e "$1/postgres/data/postmaster.pid" ] && [ $tenths -lt 300 ]; do
    tenths=$((tenths + 1))
    sleep 0.1
done
rm -rf "$1"
"#;

/// Where Linux has a file system in memory.
const MEMORY: &str = "/dev/shm";
/// The room that a whole run needs, twice.
const PLENTY: u64 = 16 << 30;

/// Whether the system and the container, if this is one, have so much memory to spare that the databases may be in it.
fn memory_is_plenty() -> bool {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let available = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let limit = read("/sys/fs/cgroup/memory.max").trim().parse::<u64>().unwrap_or(u64::MAX);
    let room = std::process::Command::new("df").args(["-Pk", MEMORY]).output().map_or(None, |output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()
    });
    let is_plenty = |kibibytes: Option<u64>| kibibytes.is_some_and(|number| number >= PLENTY >> 10);
    is_plenty(available) && is_plenty(room) && limit >= PLENTY
}

/// Turns off the work that Postgres does on the side: with hundreds of databases a vacuum worker would start several times
/// in a second.
async fn leave_out_background_work(server: &Embedded) {
    let mut admin = server.admin_options("postgres").connect().await.unwrap();
    for statement in ["alter system set autovacuum = off", "alter system set jit = off", "select pg_reload_conf()"] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
}

/// Makes the roles and the migrated database on a server.
pub async fn prepare(server: &Embedded) {
    bootstrap(&server.admin_options("postgres"), PASSWORD, PASSWORD).await.unwrap();
    let owner: PgConnectOptions = server.url(OWNER, PASSWORD, DATABASE).parse().unwrap();
    migrate(&owner).await.unwrap();
    grant_application_role(&owner, APPLICATION, None).await.unwrap();
}

/// Takes walls out of the template that every test's database is copied from.
async fn take_walls_down(server: &Embedded) {
    let mut admin = server.admin_options(DATABASE).connect().await.unwrap();
    if is_without(ROW_SECURITY) {
        let tables = "select format('alter table %s disable row level security', oid::regclass)
                      from pg_class where relrowsecurity";
        for statement in sqlx::query_scalar::<_, String>(tables).fetch_all(&mut admin).await.unwrap() {
            sqlx::raw_sql(in_tests(statement)).execute(&mut admin).await.unwrap();
        }
    }
    if is_without(FILTERS) {
        let functions = "select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace";
        for function in sqlx::query_scalar::<_, String>(functions).fetch_all(&mut admin).await.unwrap() {
            sqlx::raw_sql(in_tests(without_filters::without_filters(&function))).execute(&mut admin).await.unwrap();
        }
    }
    admin.close().await.unwrap();
}

/// How the application gets to the server: straight, or through what takes its filters away.
fn way_in(straight: PgConnectOptions) -> PgConnectOptions {
    static UNFILTERED: OnceLock<PathBuf> = OnceLock::new();
    if !is_without(FILTERS) {
        return straight;
    }
    let socket = straight.get_socket().unwrap();
    straight
        .clone()
        .socket(UNFILTERED.get_or_init(|| without_filters::open(&scratch_folder("way"), socket, straight.get_port())))
}

/// A fresh, migrated database.
pub async fn database() -> Database {
    copy_of(DATABASE).await
}

/// A fresh database with nothing in it.
pub async fn empty_database() -> Database {
    copy_of("template1").await
}

/// A copy of a database that nobody is connected to, as a backup is one.
pub async fn backup(database: &Database) -> Database {
    copy_of(database.admin.get_database().unwrap()).await
}

async fn copy_of(template: &str) -> Database {
    let server = server().await;
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = server.admin_options("postgres").connect().await.unwrap();
    // Copying files costs a tenth of the processor time of logging their pages, which is the default.
    let create = format!("create database {name} template {template} strategy file_copy owner {OWNER}");
    sqlx::raw_sql(in_tests(create)).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    let database = Database::of(server, &name);
    Database { application: way_in(database.application), ..database }
}

impl Database {
    /// A database of a server by its name.
    pub fn of(server: &Embedded, name: &str) -> Self {
        let application = server.url(APPLICATION, PASSWORD, name).parse().unwrap();
        Self { application, admin: server.admin_options(name) }
    }
}

/// SQL that is put together. Names cannot be bound.
#[allow(clippy::disallowed_types, reason = "tests look at whole tables by name")]
pub fn in_tests(sql: String) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(sql)
}

/// Removes what earlier runs left: a test process has no moment after its last test.
pub fn remove_stale_folders() {
    let roots = [std::env::temp_dir(), MEMORY.into()];
    for entry in roots.iter().filter_map(|root| std::fs::read_dir(root).ok()).flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let pid = rest.split('-').next().and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
        if pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_err()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// An empty folder of this run's own below the system's folder for such.
pub fn scratch_folder(name: &str) -> PathBuf {
    scratch_folder_in(&std::env::temp_dir(), name)
}

fn scratch_folder_in(root: &Path, name: &str) -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = root.join(format!("{PREFIX}{}-{name}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
pub fn setting(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
