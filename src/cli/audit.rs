//! `credenza audit`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::app::App;
use crate::audit::checkpoint::{self, Checkpoint};
use crate::audit::verify::{self, OpenRecording, Report};
use crate::postgres::Tenant;
use crate::types::AccountId;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print the signed end of every account's chain, one a line, to be kept where nobody who can write the database can
    /// reach it
    Checkpoint {
        /// Only of this account; 0 is the operator's own
        #[arg(long)]
        account: Option<i64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Look for records that were changed, deleted, reordered, replayed, cut off or forked; exit 1 if there are any
    Verify {
        /// Only of this account; 0 is the operator's own
        #[arg(long)]
        account: Option<i64>,
        /// Checkpoints from before, as many as there are in the file; `-` is standard input. Only they tell that the end of
        /// a chain was cut off together with its head
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: &Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Checkpoint { account, json } => print_checkpoints(app, account.map(AccountId), *json).await,
        Command::Verify { account, against, json } => {
            let checkpoints = against.as_deref().map_or(Ok(vec![]), |file| read_checkpoints(app, file))?;
            let mut progress = Progress::start();
            let account = account.map(AccountId);
            let report = verify::verify(&app.pool, &app.audit_key, account, &checkpoints, |records| {
                progress.tell(records);
            });
            let report = report.await?;
            progress.end();
            if *json {
                super::print_json(&report)?;
            } else {
                print(&report, checkpoints.len())?;
            }
            if !report.is_sound() {
                bail!("the audit is damaged: {} faults", report.faults.len() as u64 + report.further_faults);
            }
            Ok(())
        }
    }
}

async fn print_checkpoints(app: &App, account: Option<AccountId>, json: bool) -> anyhow::Result<()> {
    let mut transaction = app.read(Tenant::Every).await?;
    let (mut written, mut count) = (Ok(()), 0);
    checkpoint::take(&mut transaction, &app.audit_key, account, app.clock.now(), |checkpoint| {
        count += 1;
        if written.is_ok() {
            written = if json { super::print_json(checkpoint) } else { super::print_line(&checkpoint.to_string()) };
        }
    })
    .await?;
    if count == 0
        && let Some(account) = account
    {
        bail!("account {account} has no chain");
    }
    written
}

fn read_checkpoints(app: &App, file: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    let cannot = || format!("`{}` cannot be read", file.display());
    let lines: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).with_context(cannot)?))
    };
    let mut checkpoints = Vec::new();
    for (index, line) in lines.lines().enumerate() {
        let line = line.with_context(cannot)?;
        if line.trim().is_empty() {
            continue;
        }
        let checkpoint = Checkpoint::read(line.trim(), &app.audit_key);
        checkpoints.push(checkpoint.with_context(|| format!("line {} of `{}`", index + 1, file.display()))?);
    }
    if checkpoints.is_empty() {
        bail!("`{}` has no checkpoint", file.display());
    }
    Ok(checkpoints)
}

pub(super) fn print(report: &Report, checkpoints: usize) -> anyhow::Result<()> {
    for fault in &report.faults {
        super::print_line(&fault.sentence())?;
    }
    if report.further_faults > 0 {
        super::print_line(&format!("and {} further faults", report.further_faults))?;
    }
    let Report { chains, records, gaps, open_recordings, .. } = report;
    if *gaps > 0 {
        super::print_line(&format!("{gaps} gaps on record: an instance ended without writing its last resolves"))?;
    }
    for OpenRecording { instance, begun_at, is_alive } in open_recordings {
        let begun_at = begun_at.format("%Y-%m-%dT%H:%M:%SZ");
        super::print_line(&if *is_alive {
            format!("instance {instance} records resolves since {begun_at}")
        } else {
            format!(
                "gap: instance {instance} recorded resolves since {begun_at} and is gone without an end; resolves may be missing"
            )
        })?;
    }
    let against = match checkpoints {
        0 => "; without a checkpoint nobody can tell whether their ends were cut off together with their heads"
            .to_owned(),
        number => format!(", against {number} checkpoints"),
    };
    let verdict = if report.is_sound() { "no damage" } else { "damaged" };
    super::print_line(&format!("{records} records in {chains} chains: {verdict}{against}"))
}

/// How far it is, on standard error: one line that changes on a terminal, a line now and then elsewhere.
pub(super) struct Progress {
    is_terminal: bool,
    told: Instant,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), told: Instant::now() }
    }

    pub(super) fn tell(&mut self, records: u64) {
        let pause = Duration::from_millis(if self.is_terminal { 100 } else { 10_000 });
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let (begin, end) = if self.is_terminal { ("\r", "") } else { ("", "\n") };
        let mut stderr = io::stderr();
        // Nobody may be reading.
        let _ = write!(stderr, "{begin}{records} records verified{end}").and_then(|()| stderr.flush());
    }

    pub(super) fn end(&self) {
        if self.is_terminal {
            // Takes the line away.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
