//! `credenza migrate`.

use anyhow::Context;
use percent_encoding::percent_decode_str;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use url::Url;

use crate::config::{self, Source};
use crate::postgres;
use crate::rights;

#[derive(clap::Args)]
pub(super) struct Options {
    /// Only print which migration the database has and which one this version needs; exit 1 if it is older
    #[arg(long)]
    status: bool,
    /// Print JSON
    #[arg(long, requires = "status")]
    json: bool,
}

pub(super) async fn run(options: &Options, source: &Source) -> anyhow::Result<()> {
    let servers = config::database(source, "CREDENZA_MIGRATION_DATABASE_URL")?;
    servers.follow().await.context("none of the servers of CREDENZA_MIGRATION_DATABASE_URL takes writes")?;
    let owner = servers.current();
    if options.status {
        let mut connection = sqlx::ConnectOptions::connect(owner).await.context("the database cannot be reached")?;
        let state = postgres::schema_state(&mut connection).await?;
        if options.json {
            super::print_json(&state)?;
        } else {
            let applied = state.applied.map_or("none".to_owned(), |version| version.to_string());
            super::print_line(&format!("database: migration {applied}; this version needs: {}", state.needed))?;
        }
        anyhow::ensure!(state.is_sufficient(), "the database is older than this version needs: run `credenza migrate`");
        return Ok(());
    }
    let application = config::database(source, "DATABASE_URL")?;
    let tell = |step: postgres::Step| {
        let postgres::Step { version, description, place, of } = step;
        super::progress(&format!("migration {version} ({place} of {of}): {description}"));
    };
    let state = postgres::migrate_in_steps(owner, tell).await?;
    authenticate_older(owner, source).await?;
    let password = source.get("DATABASE_URL").and_then(password);
    postgres::grant_application_role(owner, application.username(), password.as_deref()).await?;
    super::print_line(&format!(
        "the schema is at migration {}; role {} may work with it",
        state.applied.unwrap_or_default(),
        application.username()
    ))
}

/// Authenticates the rows that give rights and are older than their MACs: once, and only if there are any.
async fn authenticate_older(owner: &PgConnectOptions, source: &Source) -> anyhow::Result<()> {
    let mut connection = owner.connect().await.context("the database cannot be reached")?;
    let done = rights::are_authenticated(&mut connection).await?;
    connection.close().await?;
    if done {
        return Ok(());
    }
    let pepper = config::pepper(source).context("the rows that give rights are to be authenticated")?;
    let count = rights::authenticate_older(owner, &pepper).await?;
    super::print_line(&format!("{count} rows that give rights are authenticated from now on"))
}

/// The password in a URL.
fn password(url: &str) -> Option<String> {
    // The hosts do not matter, of which there may be several.
    let (user, _) = url.rsplit_once('@')?;
    let url = Url::parse(&format!("{user}@host")).ok()?;
    Some(percent_decode_str(url.password()?).decode_utf8().ok()?.into_owned())
}
