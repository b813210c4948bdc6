//! The database: its version, our role, the schema, its clock, and whether notifications arrive.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use super::finding::Finding;
use crate::app::App;
use crate::cluster::{self, FeedFault};
use crate::error;
use crate::postgres::walls::{self, Breach};
use crate::postgres::{self, OLDEST_SERVER, Servers};

/// Tokens and expiry dates bear this much.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(5);

pub(super) fn unreachable(error: &anyhow::Error) -> Finding {
    let advice = if has_no_room(error) {
        "give it room: `alter role … connection limit`, max_connections of the server, or fewer of ours \
         (CREDENZA_DATABASE_CONNECTIONS, and three for each instance besides)"
    } else if error::chain(error.as_ref()).contains("startup parameter") {
        "set ignore_startup_parameters = extra_float_digits,options in the pooler"
    } else {
        "is Postgres running, are host, role and password in DATABASE_URL right, and does pg_hba.conf let the role in?"
    };
    Finding::wrong("database", error::chain(error.as_ref()), advice)
}

/// Returns whether the server, the database or the role has as many connections as it may have (SQLSTATE 53300).
fn has_no_room(error: &anyhow::Error) -> bool {
    let database = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    database.is_some_and(|error| error.code().as_deref() == Some("53300"))
}

pub(super) async fn server(connection: &mut PgConnection) -> Finding {
    const CHECK: &str = "server";
    let breaches = match walls::of_the_server(connection).await {
        Ok(breaches) => breaches,
        Err(error) => return Finding::failed(CHECK, &error),
    };
    if !breaches.is_empty() {
        return down(CHECK, &breaches);
    }
    match walls::commits_may_be_lost(connection).await {
        Ok(false) => Finding::ok(CHECK, "takes writes, and commits reach the disk"),
        Ok(true) => Finding::warning(
            CHECK,
            "synchronous_commit is off: a crash of the server takes back the last acknowledged writes, revocations too",
            "`alter role … reset synchronous_commit`, or the same of the database or the server",
        ),
        Err(error) => Finding::failed(CHECK, &error),
    }
}

pub(super) async fn walls(connection: &mut PgConnection) -> Finding {
    const CHECK: &str = "walls";
    match walls::of_the_schema(connection).await {
        Ok(breaches) if breaches.is_empty() => {
            Finding::ok(CHECK, "row security, triggers and functions are those of the migrations")
        }
        Ok(breaches) => down(CHECK, &breaches),
        Err(error) => Finding::failed(CHECK, &error),
    }
}

/// Reports every breach, with the remedy of the first.
fn down(check: &'static str, breaches: &[Breach]) -> Finding {
    let found: Vec<_> = breaches.iter().map(ToString::to_string).collect();
    Finding::wrong(check, found.join("; "), breaches.first().map_or("", Breach::advice))
}

pub(super) async fn version(connection: &mut PgConnection) -> Finding {
    match postgres::server(connection).await {
        Ok(server) if server.major >= OLDEST_SERVER => Finding::ok("database", format!("Postgres {}", server.version)),
        Ok(server) => {
            let advice = format!("use version {OLDEST_SERVER} or later");
            Finding::wrong("database", format!("Postgres {} is too old", server.version), advice)
        }
        Err(error) => Finding::failed("database", &error),
    }
}

pub(super) async fn role(connection: &mut PgConnection, name: &str) -> Finding {
    let of_its_own = "let DATABASE_URL name a role of its own, which `credenza migrate` makes if it does not exist, and \
                      CREDENZA_MIGRATION_DATABASE_URL the owner";
    match postgres::unbound(connection).await {
        Ok(None) => {}
        Ok(Some(why)) => {
            let found = format!("`{name}` {why}, so the database would not keep tenants apart");
            return Finding::wrong("role", found, of_its_own);
        }
        Err(error) => return Finding::failed("role", &error),
    }
    match postgres::unreadable_table(connection).await {
        Ok(None) => Finding::ok("role", format!("`{name}` owns nothing, and row security holds for it")),
        Ok(Some(table)) => {
            let found = format!("`{name}` may not read the table `{table}`");
            Finding::wrong("role", found, "run `credenza migrate`, which grants it what it needs")
        }
        Err(error) => Finding::failed("role", &error),
    }
}

pub(super) async fn statements(database: &PgConnectOptions) -> Finding {
    match postgres::mixes_up_statements(database).await {
        Ok(false) => Finding::ok("statements", "no pooler mixes up prepared statements".to_owned()),
        Ok(true) => Finding::wrong(
            "statements",
            "DATABASE_URL leads through a pooler that mixes up the prepared statements of its clients".to_owned(),
            "use PgBouncer 1.21 or later with max_prepared_statements = 200, or pooling by session",
        ),
        Err(error) => Finding::failed("statements", &error),
    }
}

pub(super) async fn migrations(connection: &mut PgConnection) -> Finding {
    let state = match postgres::schema_state(connection).await {
        Ok(state) => state,
        Err(error) => return Finding::failed("migrations", &error),
    };
    let applied = state.applied.map_or("none".to_owned(), |version| version.to_string());
    let found = format!("the database has {applied}, this version needs {}; missing: {}", state.needed, state.missing);
    if state.is_sufficient() {
        Finding::ok("migrations", found)
    } else {
        Finding::wrong("migrations", found, "run `credenza migrate`")
    }
}

pub(super) async fn clock(connection: &mut PgConnection, app: &App) -> Finding {
    let before = app.clock.now();
    let server = match postgres::server(connection).await {
        Ok(server) => server,
        Err(error) => return Finding::failed("clock", &error),
    };
    let after = app.clock.now();
    let apart = apart(before, server.now, after);
    let milliseconds = apart.num_milliseconds();
    if apart <= CLOCK_TOLERANCE {
        return Finding::ok("clock", format!("{milliseconds} ms apart from the database's"));
    }
    let found = format!("{milliseconds} ms apart from the database's: tokens and expiry dates go wrong");
    Finding::wrong("clock", found, "let NTP set the clocks of both machines")
}

/// How far another clock is from ours at least, that was read at some moment between two of ours.
fn apart(before: DateTime<Utc>, other: DateTime<Utc>, after: DateTime<Utc>) -> TimeDelta {
    (before - other).max(other - after).max(TimeDelta::zero())
}

pub(super) async fn listener(app: &App, listener: &Servers) -> Finding {
    let error = match cluster::try_feed(&app.pool, listener).await {
        Ok(took) => return Finding::ok("listener", format!("a change was heard after {} ms", took.as_millis())),
        Err(error) => error,
    };
    let advice = match error {
        FeedFault::NotReceived => {
            "LISTEN belongs to a session: let CREDENZA_LISTENER_DATABASE_URL lead to the same database directly, not \
             through a pooler in transaction mode"
        }
        FeedFault::Listener(_) | FeedFault::Silent => {
            "let CREDENZA_LISTENER_DATABASE_URL lead to the same database directly, not through a pooler"
        }
        FeedFault::Sender(_) => "look at the database's log",
    };
    Finding::wrong("listener", format!("changes are not heard: {}", error::chain(&error)), advice)
}

pub(super) async fn instances(app: &App) -> Finding {
    let instances = match cluster::instances(&app.pool).await {
        Ok(instances) => instances,
        Err(error) => return Finding::failed("instances", &error),
    };
    let seconds = |milliseconds: i64| Duration::from_millis(milliseconds.max(0).cast_unsigned()).as_secs_f64();
    let told = |instance: &cluster::Instance| {
        format!("`{}` (renewed its lease {:.1} s ago)", instance.name, seconds(instance.renewed_ms_ago))
    };
    let found = format!("{}: {}", instances.len(), instances.iter().map(told).collect::<Vec<_>>().join(", "));
    let late = instances.iter().filter(|instance| instance.renewed_ms_ago > 2 * instance.lease_ms).count();
    match (instances.len(), late) {
        (0, _) => Finding::ok("instances", "none is running"),
        (_, 0) => Finding::ok("instances", found),
        _ => {
            let advice = format!("{late} stopped renewing; the next instance that runs removes what is left of them");
            Finding::warning("instances", found, advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_differ_by_the_part_that_the_round_trip_does_not_explain() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!(apart(at(10), at(11), at(12)), TimeDelta::zero());
        assert_eq!(apart(at(10), at(4), at(12)), TimeDelta::seconds(6));
        assert_eq!(apart(at(10), at(19), at(12)), TimeDelta::seconds(7));
    }
}
