//! The walls of the database: the row security, triggers and functions that the migrations made, and the state of the
//! server. A database whose walls are down looks as if it worked, and keeps neither tenants apart nor changes announced.
//!
//! The expectation is a list of the catalogue of a database that was just migrated. A test compares it with the migrations.

use std::collections::BTreeMap;
use std::fmt;

use sqlx::PgConnection;

use super::migrate;

/// The catalogue that the migrations make, a line for each subject: `subject = state`.
const EXPECTED: &str = include_str!("expected.txt");

/// The `cluster_name` of servers whose data may be lost: the servers of tests, which run without `fsync`.
const SCRATCH: &str = embedded_postgres::SCRATCH;

/// The state of the catalogue, by subject.
pub type Catalogue = BTreeMap<String, String>;

/// A wall that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A part of the catalogue is not as the migrations made it.
    Differs {
        /// The part.
        subject: String,
        /// Its state; none if it is gone.
        found: Option<String>,
        /// The state that the migrations made.
        expected: String,
    },
    /// The server is a standby.
    Standby,
    /// Sessions of our role begin read-only.
    ReadOnly,
    /// The server does not flush commits to disk.
    NoFsync,
    /// Triggers do not fire in sessions of our role.
    NoTriggers,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs { subject, found: None, .. } => write!(f, "{subject}: is gone"),
            // Hashes tell nobody anything.
            Self::Differs { subject, .. } if subject.starts_with("function ") => {
                write!(f, "{subject}: is another one than the migrations made")
            }
            Self::Differs { subject, found: Some(found), expected } => {
                write!(f, "{subject}: `{found}` instead of `{expected}`")
            }
            Self::Standby => f.write_str("the server is a standby, which takes no writes and may lag behind"),
            Self::ReadOnly => f.write_str("sessions are read-only (default_transaction_read_only)"),
            Self::NoFsync => f.write_str("the server runs with fsync = off: a power cut ruins the data"),
            Self::NoTriggers => f.write_str("triggers do not fire (session_replication_role)"),
        }
    }
}

impl Breach {
    /// Returns the way out.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Differs { .. } => {
                "somebody changed the schema: as its owner undo that (`alter table … enable row level security`, `force row \
                 level security`, `enable trigger`, or the function or policy of the migration), and ask who did it"
            }
            Self::Standby => "let DATABASE_URL lead to the primary, or promote this server",
            Self::ReadOnly => {
                "`alter role … reset default_transaction_read_only`, or the same of the database or the server"
            }
            Self::NoFsync => "set fsync = on in postgresql.conf, and check the data after a crash from before",
            Self::NoTriggers => "`alter role … reset session_replication_role`, or the same of the database",
        }
    }
}

/// Returns whether a commit of our role may be lost by a crash of the server, which a server of tests may.
pub async fn commits_may_be_lost(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select current_setting('synchronous_commit') = 'off' and current_setting('cluster_name') <> $1")
        .bind(SCRATCH)
        .fetch_one(connection)
        .await
}

/// Reads the state of the catalogue.
pub async fn catalogue(connection: &mut PgConnection) -> Result<Catalogue, sqlx::Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(include_str!("catalogue.sql")).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// Lists what is wrong with the schema. It has to be up to date.
pub async fn of_the_schema(connection: &mut PgConnection) -> Result<Vec<Breach>, sqlx::Error> {
    let found = catalogue(&mut *connection).await?;
    // A newer version may have replaced functions and triggers, and the older one has to be able to start.
    let is_newer = migrate::has_unknown(connection).await?;
    Ok(differences(&expected(), &found, is_newer))
}

/// Returns the catalogue that the migrations make.
fn expected() -> Catalogue {
    let lines = EXPECTED.lines().filter_map(|line| line.split_once(" = "));
    lines.map(|(subject, state)| (subject.to_owned(), state.to_owned())).collect()
}

fn differences(expected: &Catalogue, found: &Catalogue, is_newer: bool) -> Vec<Breach> {
    let may_be_replaced = |subject: &str| {
        is_newer && ["function ", "trigger ", "definition "].iter().any(|kind| subject.starts_with(kind))
    };
    let differs = |(subject, state): (&String, &String)| {
        let now = found.get(subject);
        let is_disabled = now.is_some_and(|now| now == "disabled");
        if now == Some(state) || (may_be_replaced(subject) && !is_disabled) {
            return None;
        }
        Some(Breach::Differs { subject: subject.clone(), found: now.cloned(), expected: state.clone() })
    };
    expected.iter().filter_map(differs).collect()
}

/// Lists what is wrong with the server, as a session of the connection's role sees it.
pub async fn of_the_server(connection: &mut PgConnection) -> Result<Vec<Breach>, sqlx::Error> {
    let (standby, read_only, no_fsync, no_triggers): (bool, bool, bool, bool) = sqlx::query_as(
        "select pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean,
             not current_setting('fsync')::boolean and current_setting('cluster_name') <> $1,
             current_setting('session_replication_role') = 'replica'",
    )
    .bind(SCRATCH)
    .fetch_one(connection)
    .await?;
    let state = [
        (standby, Breach::Standby),
        (read_only, Breach::ReadOnly),
        (no_fsync, Breach::NoFsync),
        (no_triggers, Breach::NoTriggers),
    ];
    Ok(state.into_iter().filter(|(is_down, _)| *is_down).map(|(_, breach)| breach).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue_of(lines: &[(&str, &str)]) -> Catalogue {
        lines.iter().map(|(subject, state)| ((*subject).to_owned(), (*state).to_owned())).collect()
    }

    #[test]
    fn an_older_version_tolerates_replaced_functions_and_no_disabled_trigger() {
        let expected =
            catalogue_of(&[("function f()", "1"), ("table t", "row security"), ("trigger r on t", "enabled")]);
        let newer = catalogue_of(&[("function f()", "2"), ("table t", "row security")]);
        assert_eq!(differences(&expected, &newer, true), []);
        assert_eq!(differences(&expected, &newer, false).len(), 2);
        let disabled = catalogue_of(&[("table t", "no row security"), ("trigger r on t", "disabled")]);
        let subjects: Vec<_> = differences(&expected, &disabled, true).iter().map(ToString::to_string).collect();
        assert_eq!(
            subjects,
            ["table t: `no row security` instead of `row security`", "trigger r on t: `disabled` instead of `enabled`"]
        );
    }
}
