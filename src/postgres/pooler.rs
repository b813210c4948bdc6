//! Recognises a pooler that gives the prepared statements of one client to another.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio::time::timeout;

use super::limits::with_limits;

/// Longest time for all of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many clients at once prepare a statement each under the same name.
const CLIENTS: i32 = 4;
/// So often each asks for its own.
const ROUNDS: usize = 4;

/// Returns whether the way to the database mixes up prepared statements: a pooler in transaction mode that does not know them
/// lets a client run the statement that another one prepared under the same name, or none.
///
/// # Errors
/// If the database cannot be reached.
pub async fn mixes_up_statements(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    // A pooler without a free server for each of the clients cannot be told apart.
    timeout(PATIENCE, try_it(options)).await.unwrap_or(Ok(false))
}

async fn try_it(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let options = with_limits(options);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push((number, options.connect().await?));
    }
    let mut mixes_up = false;
    for _ in 0..ROUNDS {
        // Each has a server of the pooler's in turn, and in the next round perhaps another one's.
        for (number, client) in &mut clients {
            mixes_up |= !answers_as_prepared(client, *number).await?;
        }
        // All of them at once, each holding a server of its own, so that they change places.
        let mut held = Vec::new();
        for (_, client) in &mut clients {
            held.push(client.begin().await?);
        }
        drop(held);
    }
    for (_, client) in clients {
        let _ = client.close().await;
    }
    Ok(mixes_up)
}

/// Runs a statement that is prepared under the same name on every connection, and that answers with the client's own number.
async fn answers_as_prepared(client: &mut PgConnection, number: i32) -> Result<bool, sqlx::Error> {
    let statement = match number {
        0 => "select 0 as mine, $1::integer as given",
        1 => "select 1 as mine, $1::integer as given",
        2 => "select 2 as mine, $1::integer as given",
        _ => "select 3 as mine, $1::integer as given",
    };
    match sqlx::query(statement).bind(number).fetch_one(client).await {
        Ok(row) => Ok(row.try_get::<i32, _>("mine")? == number && row.try_get::<i32, _>("given")? == number),
        // 26000: there is no such statement; 42P05: there is one already.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("26000" | "42P05" | "08P01")) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
