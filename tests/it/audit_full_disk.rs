//! A full disk, a real one: a small file system in memory that holds the evidence.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::process::Command;

use crate::audit_crash::{installation_on, own_postgres};
use crate::support::cluster::{in_tests, scratch_folder};
use crate::support::installation::{Installation, Service};
use crate::support::program::{eventually, run};
use crate::support::skip::skip;

/// A file system of a few megabytes. Taken away when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where that is not permitted.
    async fn mount(folder: PathBuf) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&folder);
        // There may be no such program.
        let mounted = mount.kill_on_drop(true).stderr(std::process::Stdio::null()).status().await.ok()?;
        mounted.success().then_some(Self(folder))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let full = std::fs::write(self.0.join("filler"), vec![0; 8 << 20]);
        assert!(full.is_err());
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }

    async fn unmount(self) {
        let mut umount = Command::new("umount");
        umount.arg("-l").arg(&self.0);
        run(umount, "").await.done();
    }
}

async fn execute(admin: &mut PgConnection, statements: String) {
    sqlx::raw_sql(in_tests(statements)).execute(admin).await.unwrap();
}

/// Moves the evidence to the small disk.
async fn move_evidence(installation: &Installation, disk: &Path) {
    let mut admin = installation.database.admin.connect().await.unwrap();
    let folder: String = sqlx::query_scalar("show data_directory").fetch_one(&mut admin).await.unwrap();
    let owner = std::fs::metadata(folder).unwrap();
    chown(disk, Some(owner.uid()), Some(owner.gid())).unwrap();
    let statements = [
        format!("create tablespace evidence location '{}'", disk.display()),
        "alter table audit_events set tablespace evidence".to_owned(),
        "alter index audit_events_pkey set tablespace evidence".to_owned(),
    ];
    for statement in statements {
        execute(&mut admin, statement).await;
    }
    admin.close().await.unwrap();
}

async fn store(service: &Service, key: &str) -> u16 {
    let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    service.public.with_key(key).post("/extra/v2/credentials", &base).await.status.as_u16()
}

#[tokio::test]
async fn a_full_disk_stops_changes_and_then_resolves_and_loses_nothing() {
    const BACKLOG: usize = 20;
    let Some(disk) = SmallDisk::mount(scratch_folder("disk")).await else {
        skip!("a file system cannot be mounted here");
        return;
    };
    let (server, _) = own_postgres("full-disk").await;
    let installation = installation_on(&server).await.with("CREDENZA_AUDIT_BACKLOG", &BACKLOG.to_string());
    move_evidence(&installation, &disk.0).await;
    let account = installation.account("Platform").await;
    let scopes = "credentials:write,credentials:resolve,audit:read";
    let key = installation.key(&account, &["--scopes", scopes]).await;
    let service = installation.serve().await;

    let (mut stored, mut resolved) = (0, 0);
    assert_eq!(store(&service, &key).await, 201);
    stored += 1;
    service.resolve(&key, &account, "HIT").await.expect(200);
    resolved += 1;
    disk.fill();
    // There is still some room in the pages that the table has.
    eventually("changes are refused", async || {
        let status = store(&service, &key).await;
        stored += usize::from(status == 201);
        assert!([201, 503].contains(&status), "{status}");
        status == 503
    })
    .await;
    eventually("resolves are refused", async || {
        let answer = service.resolve(&key, &account, "HIT").await;
        let status = answer.status.as_u16();
        resolved += usize::from(status == 200);
        assert!(status == 200 || status == 503 && !answer.body.contains("\"p\""), "{answer:?}");
        status == 503
    })
    .await;
    disk.free();
    eventually("changes go on", async || store(&service, &key).await == 201).await;
    stored += 1;
    eventually("resolves go on", async || service.resolve(&key, &account, "HIT").await.status == 200).await;
    resolved += 1;
    service.program.stop().await.done();

    let mut admin = installation.database.admin.connect().await.unwrap();
    let counts: Value = sqlx::query_scalar(
        "select jsonb_build_array(count(*) filter (where action in ('credentials.created', 'credentials.updated')),
             count(*) filter (where action = 'credentials.resolved' and outcome = 200)) from audit_events",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    admin.close().await.unwrap();
    // Each that was acknowledged, and no other.
    assert_eq!(counts, json!([stored, resolved]));
    installation.run(&["audit", "verify"]).await.done();
    server.discard().await.unwrap();
    disk.unmount().await;
}
