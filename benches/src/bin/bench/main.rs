//! Measures the targets, prints one table and writes it to a file. Started by `benches/run`.

mod in_process;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use clap::Parser;
use credenza_benches::cores::Cores;
use credenza_benches::facts::facts;
use credenza_benches::installation::Installation;
use credenza_benches::report::{Row, render};
use credenza_benches::targets::{Bench, Effort, NUMBERS};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// Longest time for all targets together. On a machine that is too busy for them the rest is left out.
const LIMIT: Duration = Duration::from_mins(9);

/// Measures Credenza against its targets for speed, cost and scale
#[derive(Parser)]
struct Options {
    /// Targets to measure, comma-separated; all if none are named
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    only: Vec<u8>,
    /// Short rounds: to see that it works, not to believe the figures
    #[arg(long)]
    quick: bool,
    /// Exit with 1 if a target is missed
    #[arg(long)]
    strict: bool,
    /// Another program to measure, such as a build of another commit with the same migrations
    #[arg(long, value_name = "PATH")]
    credenza: Option<PathBuf>,
    /// Where to write the table; a file of the results folder if not named
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    // The program starts itself for what runs on the other processor.
    let arguments: Vec<_> = env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [name, arguments @ ..] if name == in_process::NAME => in_process::run(arguments).map(|()| ExitCode::SUCCESS),
        _ => measure(&Options::parse()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<ExitCode> {
    let numbers = if options.only.is_empty() { NUMBERS.to_vec() } else { options.only.clone() };
    if let Some(unknown) = numbers.iter().find(|number| !NUMBERS.contains(number)) {
        bail!("there is no target {unknown}");
    }
    let beside = || anyhow::Ok(env::current_exe()?.with_file_name("credenza"));
    let credenza = match &options.credenza {
        Some(path) => path.canonicalize().with_context(|| format!("{} is not there", path.display()))?,
        None => beside()?,
    };
    let cores = Cores::share_out()?;
    cores.stay_with_load()?;
    // One thread: it shares a processor with Postgres.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (table, rows) = runtime.block_on(async {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        let installation = Installation::start(cores, credenza).await?;
        let bench = Bench::new(installation, effort(options.quick));
        // The servers of a target that is given up end when it is dropped.
        let outcome = tokio::select! {
            outcome = measure_each(&bench, &numbers) => outcome,
            _ = interrupted.recv() => Err(anyhow::anyhow!("interrupted")),
            _ = terminated.recv() => Err(anyhow::anyhow!("told to stop")),
        };
        if outcome.is_err() {
            bench.installation.keep_logs(&results().join("logs"))?;
        }
        bench.installation.discard().await?;
        outcome
    })?;
    print!("\n{table}");
    let path = options.output.clone().unwrap_or_else(|| results().join("latest.md"));
    fs::create_dir_all(path.parent().context("the output has no folder")?)?;
    fs::write(&path, &table)?;
    println!("\nwritten to {}", path.display());
    Ok(verdict(&rows, options.strict))
}

fn effort(quick: bool) -> Effort {
    if quick {
        Effort { rounds: 3, long_rounds: 1, load: Duration::from_secs(1) }
    } else {
        Effort { rounds: 5, long_rounds: 3, load: Duration::from_secs(2) }
    }
}

fn results() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results")
}

async fn measure_each(bench: &Bench, numbers: &[u8]) -> Result<(String, Vec<Row>)> {
    let installation = &bench.installation;
    let facts = facts(&installation.cores, &installation.credenza, &mut installation.admin("postgres").await?).await?;
    let mut rows = Vec::new();
    let end = Instant::now() + LIMIT;
    for number in numbers {
        let begin = Instant::now();
        eprint!("target {number}: ");
        match timeout(end.saturating_duration_since(begin), bench.measure(*number)).await {
            Ok(found) => {
                rows.extend(found.with_context(|| format!("target {number} could not be measured"))?);
                eprintln!("{:.1} s", begin.elapsed().as_secs_f64());
            }
            Err(_too_slow) => {
                rows.push(Row::without_figure(*number, "all of it", "no time left"));
                eprintln!("no time left");
            }
        }
    }
    Ok((render(&facts, &rows), rows))
}

/// A missed target is an answer, and no failure of the benchmark, unless whoever asks wants it to be.
fn verdict(rows: &[Row], strict: bool) -> ExitCode {
    let mut missed: Vec<_> = rows.iter().filter(|row| row.met == Some(false)).map(|row| row.target).collect();
    missed.dedup();
    if missed.is_empty() {
        println!("every target that was measured is met");
        return ExitCode::SUCCESS;
    }
    println!("missed: {missed:?}");
    if strict { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
