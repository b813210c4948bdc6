//! `credenza import`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use secrecy::SecretSlice;

use super::progress::Bar;
use crate::app::App;
use crate::credentials::import::{self, Imported, MOST_BYTES, Mode, Report};
use crate::http::{ImportBody, words};
use crate::principal::Actor;
use crate::rotation::Progress;
use crate::types::AccountId;

#[derive(clap::Args)]
pub(super) struct Options {
    /// The account's id
    #[arg(long)]
    account: i64,
    /// The file; `-` is standard input
    file: PathBuf,
    /// Only report what the import would do, or what is wrong with the file
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: Options, app: &App) -> anyhow::Result<()> {
    let Options { account, file, dry_run, json } = options;
    let account = AccountId(account);
    super::account::require(app, account).await?;
    let file = read(&file)?;
    let mode = if dry_run { Mode::DryRun } else { Mode::Store };
    let mut bar = Bar::new();
    let mut show = |what: &'static str, done, total| bar.show(Progress { what, done, total });
    let operator = Actor::operator();
    let imported = import::import(app, &operator, account, file, mode, None, &mut show).await?;
    let Imported::Done(report, work) = imported else { bail!("this import was carried out before") };
    if let Some(work) = work {
        work.commit(None).await?;
    }
    bar.end();
    if json {
        super::print_json(&ImportBody::from(&report))?;
    } else {
        print(&report, mode)?;
    }
    if !report.errors.is_empty() {
        bail!("nothing was imported: {} errors", report.errors.count);
    }
    Ok(())
}

fn print(report: &Report, mode: Mode) -> anyhow::Result<()> {
    if report.errors.is_empty() {
        let Report { created, updated, unchanged, .. } = report;
        let would = if mode == Mode::DryRun { "would be: " } else { "" };
        return super::print_line(&format!("{would}{created} created, {updated} updated, {unchanged} unchanged"));
    }
    let mut stderr = io::stderr().lock();
    for error in &report.errors.listed {
        let (column, message) = words::row(error);
        // Nobody may be reading; the exit code tells as well.
        let _ = writeln!(stderr, "row {}: {column}: {message}", error.row);
    }
    Ok(())
}

/// Reads the whole file.
fn read(path: &Path) -> anyhow::Result<SecretSlice<u8>> {
    let name = path.display();
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    // One more than is allowed tells that there are more.
    let most = MOST_BYTES as u64 + 1;
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("`{name}` cannot be read"))?;
    ensure!(bytes.len() <= MOST_BYTES, "`{name}` is larger than {} MiB: import it in parts", MOST_BYTES >> 20);
    Ok(std::mem::take(&mut *bytes).into())
}
