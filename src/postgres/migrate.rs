//! The schema: bringing it up to date, granting the application's role what it needs, checking whether it is current.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A migration failed, or the database holds one that differs from ours.
    #[error("a migration could not be applied")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database cannot be reached, or refuses.
    #[error("the database could not be used")]
    Database(#[from] sqlx::Error),
}

/// How the database's schema stands to the one that this version needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SchemaState {
    /// Newest migration that this version knows.
    pub needed: i64,
    /// Newest migration that the database has; `None` if it was never migrated.
    pub applied: Option<i64>,
    /// How many that this version knows the database lacks. Numbers are given out ahead of time, so one that came late may
    /// be lower than one that is there.
    pub missing: usize,
}

impl SchemaState {
    /// Whether this version can work with it. A newer schema is tolerated: migrations only add.
    pub fn is_sufficient(self) -> bool {
        self.missing == 0
    }
}

/// A migration that is about to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// Its description.
    pub description: String,
    /// Which of those that are missing it is, from 1.
    pub place: usize,
    /// How many are missing.
    pub of: usize,
}

/// Applies what is missing. To be run as the role that owns the schema. Migrations of a newer version are left as they are.
pub async fn migrate(options: &PgConnectOptions) -> Result<SchemaState, MigrateError> {
    migrate_in_steps(options, |_| ()).await
}

/// The same, reporting each migration before it is applied.
pub async fn migrate_in_steps(
    options: &PgConnectOptions,
    mut progress: impl FnMut(Step),
) -> Result<SchemaState, MigrateError> {
    let mut connection = options.connect().await?;
    let applied = applied(&mut connection).await?;
    let missing: Vec<_> = MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version)).collect();
    for (index, migration) in missing.iter().enumerate() {
        let (version, description) = (migration.version, migration.description.clone().into_owned());
        progress(Step { version, description, place: index + 1, of: missing.len() });
        run_up_to(&mut connection, version).await?;
    }
    // Also when nothing is missing: what was applied may differ from ours.
    run_up_to(&mut connection, i64::MAX).await?;
    let state = schema_state(&mut connection).await?;
    connection.close().await?;
    Ok(state)
}

async fn run_up_to(connection: &mut PgConnection, version: i64) -> Result<(), MigrateError> {
    let ours = MIGRATOR.iter().filter(|migration| migration.version <= version).cloned().collect();
    Ok(Migrator::with_migrations(ours).set_ignore_missing(true).run(connection).await?)
}

/// Compares the database's schema with the one that this version needs.
pub async fn schema_state(connection: &mut PgConnection) -> Result<SchemaState, MigrateError> {
    let needed = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    let applied = applied(connection).await?;
    let missing = MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version)).count();
    Ok(SchemaState { needed, applied: applied.last().copied(), missing })
}

/// Returns whether the database has migrations that this version does not know: a newer version made them.
pub(super) async fn has_unknown(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let known: Vec<_> = MIGRATOR.iter().map(|migration| migration.version).collect();
    sqlx::query_scalar("select exists (select from _sqlx_migrations where version <> all ($1))")
        .bind(known)
        .fetch_one(connection)
        .await
}

/// The numbers of the migrations that the database has, in order.
async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
    let known: Option<String> =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations')::text").fetch_one(&mut *connection).await?;
    if known.is_none() {
        return Ok(vec![]);
    }
    sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
        .fetch_all(connection)
        .await
}

/// Lets the application's role work with the rows, and with nothing else: it owns no table and cannot change the schema.
/// Makes the role, with the password that the application connects with, if it does not exist yet.
///
/// Does nothing when the schema's owner and the application are one role.
pub async fn grant_application_role(
    options: &PgConnectOptions,
    role: &str,
    password: Option<&str>,
) -> Result<(), MigrateError> {
    let mut connection = options.connect().await?;
    let mut transaction = connection.begin().await?;
    // A DO block takes no parameters; settings of the transaction carry them in, and format('%I') quotes them.
    sqlx::query("select set_config('credenza.role', $1, true), set_config('credenza.password', $2, true)")
        .bind(role)
        .bind(password.unwrap_or_default())
        .execute(&mut *transaction)
        .await?;
    sqlx::raw_sql(include_str!("grant_application_role.sql")).execute(&mut *transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}
