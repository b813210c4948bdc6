//! `credenza doctor`: everything that the service rests on, looked at once, with what to do where something is wrong. It
//! changes nothing.

mod database;
mod finding;
mod secrets;
mod settings;
mod suppliers;

use anyhow::ensure;
use sqlx::Connection;

use self::finding::{Finding, Status};
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::postgres;

#[derive(clap::Args)]
pub(super) struct Options {
    /// Read an API key that should work from standard input, and look for it: the only way to tell whether the pepper is the
    /// right one
    #[arg(long)]
    key_stdin: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The checks after those of the settings, in order.
const BEHIND_SETTINGS: &[&str] = &[
    "statements",
    "database",
    "server",
    "role",
    "migrations",
    "walls",
    "clock",
    "master keys",
    "audit key",
    "pepper",
    "listener",
    "instances",
    "suppliers",
];

pub(super) async fn run(options: &Options, source: &Source) -> anyhow::Result<()> {
    let key = if options.key_stdin { Some(super::secret_from_stdin("the key")?) } else { None };
    let findings = Box::pin(examine(source, key.as_ref())).await;
    if options.json {
        super::print_json(&findings)?;
    } else {
        for finding in &findings {
            super::print_line(&finding.to_string())?;
        }
    }
    let wrong = findings.iter().filter(|finding| finding.status == Status::Wrong).count();
    ensure!(wrong == 0, "{wrong} of {} checks found something wrong", findings.len());
    Ok(())
}

/// All checks. A check that depends on a failed one is reported as skipped.
async fn examine(source: &Source, key: Option<&secrecy::SecretString>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = Config::load(source);
    settings::check(source, &config, &mut findings);
    if let Ok(config) = config {
        Box::pin(behind_settings(config, key, &mut findings)).await;
    }
    let skipped = BEHIND_SETTINGS.iter().filter(|check| findings.iter().all(|finding| finding.check != **check));
    let skipped: Vec<_> =
        skipped.map(|check| Finding::skipped(check, "something above has to be mended first")).collect();
    findings.extend(skipped);
    findings
}

async fn behind_settings(config: Config, key: Option<&secrecy::SecretString>, findings: &mut Vec<Finding>) {
    let Config { listener_database, database, secrets: kept, settings, .. } = config;
    let app = App::new(postgres::pool(&database, 2), Clock::system(), kept, settings);
    let mut connection = match super::connect(&app).await {
        Ok(connection) => connection,
        Err(error) => return findings.push(database::unreachable(&error)),
    };
    // First: behind a pooler that mixes up statements every other check may get the answer to another question.
    let statements = database::statements(database.current()).await;
    let is_mixed_up = statements.status == Status::Wrong;
    findings.push(statements);
    if is_mixed_up {
        return;
    }
    findings.push(database::version(&mut connection).await);
    findings.push(database::server(&mut connection).await);
    findings.push(database::role(&mut connection, database.username()).await);
    let migrations = database::migrations(&mut connection).await;
    let has_schema = migrations.status == Status::Ok;
    findings.push(migrations);
    if has_schema {
        findings.push(database::walls(&mut connection).await);
    }
    findings.push(database::clock(&mut connection, &app).await);
    // What is left uses the pool.
    let _ = connection.close().await;
    if !has_schema {
        return;
    }
    findings.extend(secrets::check(&app, key).await);
    findings.push(database::listener(&app, &listener_database).await);
    findings.push(database::instances(&app).await);
    findings.push(suppliers::check(&app).await);
}
