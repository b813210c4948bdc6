//! The command line. Exit codes: 0 done, 1 the work failed or a fault was found, 2 wrong usage.

// Help texts are read on a terminal, where backticks are noise.
#![allow(clippy::doc_markdown)]

mod account;
mod api_key;
mod arguments;
mod default_credentials;
mod dev;
mod keys;
mod migrate;
mod openapi;
mod ready;
mod serve;
mod signing_keys;
mod suppliers;
mod user;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use serde::Serialize;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::timeout;

use crate::app::App;
use crate::clock::Clock;
use crate::cluster::{Role, feed};
use crate::config::{Config, LogFormat, Logging, Source};
use crate::error;
use crate::postgres;
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
    /// Start everything on this machine, with nothing set up: a database of its own, secrets, a demo account
    Dev(dev::Options),
    /// Serve, for production: settings come from the environment
    Serve,
    /// Bring the database's schema up to date
    Migrate(migrate::Options),
    /// Ask a running service whether it is ready; exit 1 if not
    Ready(ready::Options),
    /// Accounts
    #[command(subcommand)]
    Account(account::Command),
    /// API keys
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// People who own keys
    #[command(subcommand)]
    User(user::Command),
    /// The keys that sign OAuth2 tokens
    #[command(subcommand)]
    SigningKeys(signing_keys::Command),
    /// The supplier directory
    #[command(subcommand)]
    Suppliers(suppliers::Command),
    /// The operator's shared logins
    #[command(subcommand)]
    DefaultCredentials(default_credentials::Command),
    /// Key-encryption keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print the OpenAPI document of the service
    Openapi(openapi::Options),
}

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
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
    let _ = writeln!(io::stderr(), "error: {}", error::chain(error.as_ref()));
    ExitCode::FAILURE
}

async fn execute(cli: Cli) -> anyhow::Result<()> {
    let source = Source::load(cli.env_file.as_deref())?;
    let (filter, format) = match cli.command {
        Command::Serve => ("info", LogFormat::Json),
        _ => ("warn", LogFormat::Text),
    };
    telemetry::init(&Logging::load(&source, filter, format)?);
    match cli.command {
        Command::Dev(options) => dev::run(options, &source).await,
        Command::Serve => serve::run(&source).await,
        Command::Migrate(options) => migrate::run(&options, &source).await,
        Command::Ready(options) => ready::run(&options).await,
        Command::Account(command) => account::run(command, &app(&source).await?).await,
        Command::ApiKey(command) => api_key::run(command, &app(&source).await?).await,
        Command::User(command) => user::run(command, &app(&source).await?).await,
        Command::SigningKeys(command) => signing_keys::run(&command, &app(&source).await?).await,
        Command::Suppliers(command) => suppliers::run(command, &app(&source).await?).await,
        Command::DefaultCredentials(command) => default_credentials::run(command, &app(&source).await?).await,
        Command::Keys(command) => keys::run(&command),
        Command::Openapi(options) => openapi::run(&options),
    }
}

/// The application for one command. It has no lease, so it caches nothing; it listens only for the acknowledgements of
/// running instances, for as long as the program runs.
async fn app(source: &Source) -> anyhow::Result<App> {
    let config = Config::load(source)?;
    let pool = postgres::pool(&config.database, 2);
    let app = App::new(pool, Clock::system(), config.secrets, config.settings);
    let mut connection = connect(&app).await?;
    require_schema(&mut connection).await?;
    connection.close().await?;
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

/// A connection for checks. Not through the pool: that tries again for seconds, and then says no more than that time is up.
async fn connect(app: &App) -> anyhow::Result<PgConnection> {
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
    Ok(())
}

/// Prints a line on standard output. A reader that went away, such as `head`, is no failure.
fn print_line(line: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Tells something on standard error that is no failure.
fn note(text: &str) {
    // Nobody may be reading.
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// Prints a value as JSON.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Reads a secret from standard input: everything up to the end, without one line end.
fn secret_from_stdin() -> anyhow::Result<secrecy::SecretString> {
    let mut text = zeroize::Zeroizing::new(String::new());
    io::stdin().read_to_string(&mut text).context("the password could not be read from standard input")?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).into())
}
