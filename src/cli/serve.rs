//! `credenza serve`.

use std::sync::Arc;

use anyhow::{Context, bail};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::signal::unix::{SignalKind, signal};

use super::signals::Signals;
use crate::app::App;
use crate::calls;
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::http::server::{Certificates, Listeners};
use crate::postgres;
use crate::telemetry;

pub(super) async fn run(source: &Source) -> anyhow::Result<()> {
    let config = Config::load(source)?;
    let pool = postgres::pool(&config.database, config.database_connections);
    let app = Arc::new(App::new(pool, Clock::system(), config.secrets, config.settings));
    let mut connection = super::connect(&app).await?;
    require_own_statements(config.database.current()).await?;
    super::require_schema(&mut connection).await?;
    require_row_security(&mut connection, config.database.username()).await?;
    super::startup::require_walls(&mut connection).await?;
    connection.close().await?;
    super::startup::require_same_secrets(&app).await?;
    super::startup::require_a_key_that_opens(&app).await?;
    calls::standard::standard().context("the tables of the standard do not fit together")?;
    app.calls.prepare().context("the connections to suppliers cannot be set up")?;
    let certificates = Certificates::load(config.tls, config.internal_tls).context("TLS cannot be set up")?;
    let listeners = Listeners::bind(config.listen, config.internal_listen).await?.with_tls(certificates.clone());
    let (public, internal) = listeners.addresses()?;
    // Before anybody can know that we serve: a signal that comes at once is a wish to stop in good order, too.
    let signals = Signals::listen()?;
    reload_at_hangup(certificates)?;
    tracing::info!(%public, %internal, "serving");
    let metrics = tokio::spawn(telemetry::keep_metrics());
    let background = tokio::spawn(Arc::clone(&app).run_in_background(config.listener_database));
    let in_good_order = async {
        listeners.serve(Arc::clone(&app), config.shutdown, signals.first()).await;
        background.abort();
        metrics.abort();
        app.close().await;
    };
    tokio::select! {
        () = in_good_order => {}
        () = signals.second() => tracing::warn!("told a second time to stop: what is under way is cut off"),
    }
    Ok(())
}

/// At SIGHUP reads the certificates again, until the process ends. Without certificates there is nothing to read, and it
/// lives on all the same.
fn reload_at_hangup(certificates: Certificates) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            certificates.reload();
        }
    });
    Ok(())
}

/// Refuses a pooler that lets one client run the statement of another.
async fn require_own_statements(database: &PgConnectOptions) -> anyhow::Result<()> {
    if postgres::mixes_up_statements(database).await? {
        bail!(
            "DATABASE_URL leads through a pooler that mixes up the prepared statements of its clients: use PgBouncer 1.21 or \
             later with max_prepared_statements = 200, or pooling by session"
        );
    }
    Ok(())
}

/// Refuses a role that row security does not hold for: one forgotten filter would then show every tenant's rows.
async fn require_row_security(connection: &mut PgConnection, role: &str) -> anyhow::Result<()> {
    if let Some(why) = postgres::unbound(connection).await? {
        bail!(
            "the role `{role}` of DATABASE_URL {why}, so the database would not keep tenants apart: let DATABASE_URL name \
             a role of its own, which `credenza migrate` makes if it does not exist, and \
             CREDENZA_MIGRATION_DATABASE_URL the owner"
        );
    }
    Ok(())
}
