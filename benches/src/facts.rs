//! What has to be known of a machine to read its figures.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use chrono::{SecondsFormat, Utc};
use nix::sys::utsname::uname;
use sqlx::PgConnection;

use crate::cores::Cores;

/// Lines with the facts.
pub async fn facts(cores: &Cores, credenza: &Path, postgres: &mut PgConnection) -> Result<Vec<(&'static str, String)>> {
    let system = uname()?;
    let version: String = sqlx::query_scalar("select version()").fetch_one(postgres).await?;
    let word = |text: &str, prefix: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(prefix))
            .unwrap_or("unknown")
            .trim_start_matches([' ', '\t', ':'])
            .to_owned()
    };
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let pinned = if cores.are_apart() {
        format!("server on processor {}, load generator and Postgres on {:?}", cores.server, cores.load)
    } else {
        "ONE PROCESSOR for the server, the load generator and Postgres: rates and times mean nothing".to_owned()
    };
    #[allow(clippy::disallowed_methods, reason = "the time of a measurement is that of the machine")]
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    Ok(vec![
        ("time", now),
        ("processor", format!("{}, {}", word(&read("/proc/cpuinfo"), "model name"), pinned)),
        ("memory", word(&read("/proc/meminfo"), "MemTotal")),
        ("kernel", system.release().to_string_lossy().into_owned()),
        ("load average before", read("/proc/loadavg").trim().to_owned()),
        ("Postgres", version),
        ("program", credenza.display().to_string()),
        ("commit", commit()),
    ])
}

/// The commit of the benchmark, which is that of the program unless another one was named.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "--short=12", "HEAD"]), git(&["status", "--porcelain"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit}, with changes"),
        (None, _) => "unknown".to_owned(),
    }
}
