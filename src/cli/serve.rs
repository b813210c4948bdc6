//! `credenza serve`.

use std::sync::Arc;

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, setrlimit};
use sqlx::{Connection, PgConnection};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::http::server::Listeners;
use crate::postgres;
use crate::telemetry;

pub(super) async fn run(source: &Source) -> anyhow::Result<()> {
    // A core file would hold passwords.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .context("core dumps cannot be forbidden")?;
    let config = Config::load(source)?;
    let pool = postgres::pool(&config.database, config.database_connections);
    let app = Arc::new(App::new(pool, Clock::system(), config.secrets, config.settings));
    let mut connection = super::connect(&app).await?;
    super::require_schema(&mut connection).await?;
    require_row_security(&mut connection, config.database.get_username()).await?;
    connection.close().await?;
    let listeners = Listeners::bind(config.listen, config.internal_listen).await?;
    let (public, internal) = listeners.addresses()?;
    // Before anybody can know that we serve: a signal that comes at once is a wish to stop in good order, too.
    let stop = stop_signal()?;
    tracing::info!(%public, %internal, "serving");
    let metrics = tokio::spawn(telemetry::keep_metrics());
    let background = tokio::spawn(Arc::clone(&app).run_in_background(config.listener_database));
    listeners.serve(Arc::clone(&app), stop).await;
    background.abort();
    metrics.abort();
    app.close().await;
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

/// Completes at the first SIGINT or SIGTERM. To be made before the work begins, so that none is missed.
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
