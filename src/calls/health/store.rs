//! The table `login_health`.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{FromRow, PgConnection, PgPool, Postgres, Row};

use super::state::State;
use super::{Login, Verdicts, after};
use crate::resolver::LoginVersion;
use crate::resolver::precedence::Level;
use crate::types::{AccountId, Environment, Service, SupplierCode};

/// How long the state of a version stays that nobody may use any more.
const KEPT: TimeDelta = TimeDelta::days(30);

struct Known {
    login: Login,
    state: State,
}

impl FromRow<'_, PgRow> for Known {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let level: &str = row.try_get("level")?;
        let version: &[u8] = row.try_get("version")?;
        let level = Level::ALL.into_iter().find(|known| known.as_str() == level).ok_or_else(|| unknown("level"))?;
        let number = |column| row.try_get::<Option<i32>, _>(column);
        Ok(Self {
            login: Login {
                account: row.try_get("account_id")?,
                supplier: SupplierCode::try_from(row.try_get::<String, _>("supplier_code")?)
                    .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                level,
                service: Service::parse(row.try_get("service")?),
                environment: row.try_get("environment")?,
                version: LoginVersion(version.try_into().map_err(|_| unknown("version"))?),
            },
            state: State {
                since: row.try_get("since")?,
                last_accepted_at: row.try_get("last_accepted_at")?,
                last_refused_at: row.try_get("last_refused_at")?,
                refused_code: number("refused_code")?.and_then(|code| u16::try_from(code).ok()),
                refusals_in_a_row: u32::try_from(row.try_get::<i32, _>("refusals_in_a_row")?).unwrap_or_default(),
            },
        })
    }
}

fn unknown(column: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("unknown {column} of a login's health").into())
}

/// The states of an account's logins for a supplier.
pub(super) async fn of(
    pool: &PgPool,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Vec<(Login, State)>, sqlx::Error> {
    let known: Vec<Known> = sqlx::query_as(
        "select account_id, supplier_code, level, service, environment, version, since, last_accepted_at,
             last_refused_at, refused_code, refusals_in_a_row
         from login_health_of($1, $2)",
    )
    .bind(account)
    .bind(supplier.as_str())
    .fetch_all(pool)
    .await?;
    Ok(known.into_iter().map(|Known { login, state }| (login, state)).collect())
}

/// When a call of each service of a supplier was accepted last, by any account.
pub(super) async fn last_accepted_calls(
    pool: &PgPool,
    supplier: &SupplierCode,
) -> Result<Vec<(Service, Environment, DateTime<Utc>)>, sqlx::Error> {
    sqlx::query_as("select service, environment, at from last_accepted_calls($1)")
        .bind(supplier.as_str())
        .fetch_all(pool)
        .await
}

/// Writes verdicts.
pub(super) async fn write(connection: &mut PgConnection, batch: &HashMap<Login, Verdicts>) -> Result<(), sqlx::Error> {
    // In one order on every instance, so that none waits for another in a circle.
    let mut logins: Vec<_> = batch.iter().collect();
    logins.sort_by_key(|(login, _)| (login.account, login.supplier.as_str().to_owned(), login.version.0));
    for (login, verdicts) in logins {
        let stored = lock(connection, login).await?;
        let is_new = stored.is_none();
        let Some(state) = after(stored, verdicts) else { continue };
        if is_new && !insert(connection, login, &state).await? {
            // Another instance was first, and its verdicts count as well. Or the account or the supplier is gone.
            let stored = lock(connection, login).await?;
            if let Some(state) = stored.and_then(|stored| after(Some(stored), verdicts)) {
                update(connection, login, &state).await?;
            }
        } else if !is_new {
            update(connection, login, &state).await?;
        }
    }
    Ok(())
}

async fn lock(connection: &mut PgConnection, login: &Login) -> Result<Option<State>, sqlx::Error> {
    let known: Option<Known> = sqlx::query_as(
        "select account_id, supplier_code, level, service, environment, version, since, last_accepted_at,
             last_refused_at, refused_code, refusals_in_a_row
         from login_health
         where account_id = $1 and supplier_code = $2 and level = $3 and service = $4 and environment = $5
             and version = $6
         for no key update",
    )
    .bind(login.account)
    .bind(login.supplier.as_str())
    .bind(login.level.as_str())
    .bind(login.service.map_or("", Service::as_str))
    .bind(login.environment.as_str())
    .bind(login.version.0.as_slice())
    .fetch_optional(connection)
    .await?;
    Ok(known.map(|known| known.state))
}

/// Makes the row of a login; returns whether that was possible.
async fn insert(connection: &mut PgConnection, login: &Login, state: &State) -> Result<bool, sqlx::Error> {
    let made = bind(
        sqlx::query(
            "insert into login_health (account_id, supplier_code, level, service, environment, version, since,
                 last_accepted_at, last_refused_at, refused_code, refusals_in_a_row)
             select a.id, s.code, $3, $4, $5, $6, $7, $8, $9, $10, $11
             from accounts a, suppliers s where a.id = $1 and s.code = $2
             on conflict on constraint login_health_pkey do nothing",
        ),
        login,
        state,
    )
    .execute(connection)
    .await?;
    Ok(made.rows_affected() > 0)
}

async fn update(connection: &mut PgConnection, login: &Login, state: &State) -> Result<(), sqlx::Error> {
    bind(
        sqlx::query(
            "update login_health
             set since = $7, last_accepted_at = $8, last_refused_at = $9, refused_code = $10, refusals_in_a_row = $11
             where account_id = $1 and supplier_code = $2 and level = $3 and service = $4 and environment = $5
                 and version = $6",
        ),
        login,
        state,
    )
    .execute(connection)
    .await?;
    Ok(())
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

fn bind<'q>(query: Statement<'q>, login: &'q Login, state: &State) -> Statement<'q> {
    query
        .bind(login.account)
        .bind(login.supplier.as_str())
        .bind(login.level.as_str())
        .bind(login.service.map_or("", Service::as_str))
        .bind(login.environment.as_str())
        .bind(login.version.0.as_slice())
        .bind(state.since)
        .bind(state.last_accepted_at)
        .bind(state.last_refused_at)
        .bind(state.refused_code.map(i32::from))
        .bind(i32::try_from(state.refusals_in_a_row).unwrap_or(i32::MAX))
}

/// Removes states that nobody has asked about for long.
pub(super) async fn remove_old(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query("delete from login_health where greatest(last_accepted_at, last_refused_at) < $1")
        .bind(now - KEPT)
        .execute(connection)
        .await?;
    Ok(())
}

/// Counts logins by supplier and state.
pub(super) async fn count(connection: &mut PgConnection) -> Result<Vec<(String, &'static str, i64)>, sqlx::Error> {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "select supplier_code, count(*) filter (where refusals_in_a_row = 0),
             count(*) filter (where refusals_in_a_row between 1 and 2),
             count(*) filter (where refusals_in_a_row > 2)
         from login_health group by supplier_code",
    )
    .fetch_all(connection)
    .await?;
    let states = |(supplier, accepted, refused, suspended): (String, i64, i64, i64)| {
        [("accepted", accepted), ("refused", refused), ("suspended", suspended)]
            .map(|(state, count)| (supplier.clone(), state, count))
    };
    Ok(rows.into_iter().flat_map(states).collect())
}
