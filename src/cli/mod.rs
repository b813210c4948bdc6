//! The command line. Exit codes: 0 done, 1 the work failed or a fault was found, 2 wrong usage.

// Help texts are read on a terminal, where backticks are noise.
#![allow(clippy::doc_markdown)]

mod account;
mod api_key;
mod arguments;
mod audit;
mod completions;
mod default_credentials;
mod dev;
mod doctor;
mod hardening;
mod help;
mod import;
mod keys;
mod migrate;
mod openapi;
mod progress;
mod ready;
mod serve;
mod signals;
mod signing_keys;
mod startup;
mod supplier_endpoints;
mod suppliers;
mod user;
mod verify;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{FromArgMatches, Parser, Subcommand};
use serde::Serialize;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::timeout;

use crate::app::App;
use crate::clock::Clock;
use crate::cluster::{Role, feed};
use crate::config::{self, Config, LogFormat, Logging, Renamed, Source, Unknown};
use crate::http::words;
use crate::postgres;
use crate::rights;
use crate::telemetry;

/// Keeps supplier credentials and answers which pair a call uses.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// File with settings, one NAME=value a line; the environment wins over it
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on this machine, with nothing set up: a database, secrets, a demo account
    Dev(dev::Options),
    /// Serve, for production: settings come from the environment
    Serve,
    /// Ask a running service whether it is ready; exit 1 if not
    Ready(ready::Options),
    /// Look at everything that the service rests on, and print what to do; exit 1 if something is wrong
    Doctor(doctor::Options),
    /// Bring the database's schema up to date, or print how it stands
    Migrate(migrate::Options),
    /// Accounts: make, list, set origins of public keys
    #[command(subcommand)]
    Account(account::Command),
    /// API keys: make, list, revoke
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// People who own keys: make
    #[command(subcommand)]
    User(user::Command),
    /// Credentials of an account, from a CSV file: all of them or none
    Import(import::Options),
    /// The supplier directory: import, list
    #[command(subcommand)]
    Suppliers(suppliers::Command),
    /// The operator's shared logins: set, remove, list
    #[command(subcommand)]
    DefaultCredentials(default_credentials::Command),
    /// The evidence of what was done: verify, checkpoint
    #[command(subcommand)]
    Audit(audit::Command),
    /// Key-encryption keys and data keys: generate, status, rewrap, rotate
    #[command(subcommand)]
    Keys(keys::Command),
    /// Open everything that is sealed; exit 1 and name the rows if something does not open
    Verify(verify::Options),
    /// The keys that sign OAuth2 tokens: rotate
    #[command(subcommand)]
    SigningKeys(signing_keys::Command),
    /// Print the OpenAPI document of the service
    Openapi(openapi::Options),
    /// Print a script that completes this program's commands in a shell
    Completions(completions::Options),
}

/// The command line, for help, completions and tests.
pub fn command() -> clap::Command {
    help::command()
}

/// Runs the program.
pub fn run() -> ExitCode {
    if !hardening::has_address_space() {
        return ExitCode::FAILURE;
    }
    let cli = match Cli::from_arg_matches(&command().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if let Err(error) = hardening::protect_memory() {
        return fail(&anyhow::Error::new(error).context("the memory of this process cannot be protected"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("the runtime could not be started")),
    };
    let result = runtime.block_on(execute(cli));
    telemetry::finish();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    // Standard error may be closed; there is nobody to tell then.
    let _ = writeln!(io::stderr(), "error: {}", words::chain(error.as_ref()));
    ExitCode::FAILURE
}

async fn execute(cli: Cli) -> anyhow::Result<()> {
    let source = Source::load(cli.env_file.as_deref())?;
    let (filter, format) = match cli.command {
        Command::Serve => ("info", LogFormat::Json),
        _ => ("warn", LogFormat::Text),
    };
    telemetry::init(&Logging::load(&source, filter, format)?);
    // The doctor has lines of its own for them.
    if !matches!(cli.command, Command::Doctor(_)) {
        warn_of_unknown_settings(&source);
    }
    match cli.command {
        Command::Dev(options) => Box::pin(dev::run(options, &source)).await,
        Command::Serve => serve::run(&source).await,
        Command::Migrate(options) => migrate::run(&options, &source).await,
        Command::Ready(options) => ready::run(&options).await,
        Command::Doctor(options) => doctor::run(&options, &source).await,
        Command::Account(command) => account::run(command, &*app(&source).await?).await,
        Command::ApiKey(command) => api_key::run(command, &*app(&source).await?).await,
        Command::User(command) => user::run(command, &*app(&source).await?).await,
        Command::Import(options) => import::run(options, &*app(&source).await?).await,
        Command::SigningKeys(command) => signing_keys::run(&command, &*app(&source).await?).await,
        Command::Suppliers(command) => suppliers::run(command, &*app(&source).await?).await,
        Command::DefaultCredentials(command) => default_credentials::run(command, &*app(&source).await?).await,
        Command::Audit(command) => audit::run(&command, &*app(&source).await?).await,
        Command::Keys(command) => Box::pin(keys::run(command, &source)).await,
        Command::Verify(options) => verify::run(&options, &*app(&source).await?).await,
        Command::Openapi(options) => openapi::run(&options),
        Command::Completions(options) => completions::run(&options),
    }
}

/// A misspelt setting would be left unused without a word.
fn warn_of_unknown_settings(source: &Source) {
    for Renamed { former, name } in source.renamed() {
        tracing::warn!(former, name, "a setting has a new name; the former one goes on working");
    }
    for Unknown { name, closest } in config::unknown(source) {
        tracing::warn!(name, closest, "not a setting, and nothing reads it");
    }
}

/// The application for one command. It has no lease, so it caches nothing; it listens only for the acknowledgements of
/// running instances, for as long as the program runs.
async fn app(source: &Source) -> anyhow::Result<Box<App>> {
    let config = Config::load(source)?;
    // No client waits for a command, so it is more patient than the service.
    let pool = postgres::pool(&config.database, 2).waiting(PATIENCE);
    // Too large to be moved from future to future.
    let app = Box::new(App::new(pool, Clock::system(), config.secrets, config.settings));
    let mut connection = connect(&app).await?;
    require_schema(&mut connection).await?;
    connection.close().await?;
    startup::require_same_secrets(&app).await?;
    tokio::spawn(feed::run(app.cluster.clone(), config.listener_database, Role::Writer));
    // Without it, writes wait for a whole lease of every instance instead.
    let _ = timeout(PATIENCE, app.cluster.connected()).await;
    Ok(app)
}

/// Longest wait for a database that does not even refuse.
const PATIENCE: Duration = Duration::from_secs(10);

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {PATIENCE:?}"))
}

/// A connection for checks. Not through the pool: that tries again for seconds, and then reports only that time is up.
async fn connect(app: &App) -> anyhow::Result<PgConnection> {
    app.cluster.database().follow().await.context("none of the servers of DATABASE_URL takes writes")?;
    let options = app.pool.connect_options();
    let connection = timeout(PATIENCE, options.connect()).await.unwrap_or_else(|_| Err(no_answer().into()));
    connection.context("the database of DATABASE_URL cannot be reached")
}

/// Refuses a database whose schema is older than this version needs.
async fn require_schema(connection: &mut PgConnection) -> anyhow::Result<()> {
    let state = postgres::schema_state(connection).await?;
    if !state.is_sufficient() {
        bail!("the database's schema is older than this version needs: run `credenza migrate`");
    }
    if !rights::are_authenticated(connection).await? {
        bail!(
            "rows of the database that give rights are older than their MACs: run `credenza migrate` with \
             CREDENZA_KEY_PEPPER set"
        );
    }
    Ok(())
}

/// Prints a line on standard output. A reader that went away, such as `head`, is no failure.
fn print_line(line: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a note that is no failure on standard error.
fn note(text: &str) {
    // Nobody may be reading.
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// Prints a step of long work on standard error: standard output may belong to a program.
fn progress(step: &str) {
    // Nobody may be reading; the work goes on.
    let _ = writeln!(io::stderr(), "credenza: {step}");
}

/// Prints a value as JSON.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Reads a secret from standard input: everything up to the end, without one line end.
fn secret_from_stdin(what: &str) -> anyhow::Result<secrecy::SecretString> {
    let mut text = zeroize::Zeroizing::new(String::new());
    io::stdin().read_to_string(&mut text).with_context(|| format!("{what} could not be read from standard input"))?;
    // Some shells put a byte order mark before everything that they pipe.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(text.strip_suffix('\r').unwrap_or(text).into())
}
