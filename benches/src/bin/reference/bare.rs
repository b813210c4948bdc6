//! The floor of what needs the database: one prepared statement through a pool as the service has it, and nothing around it;
//! with its duties (`duties.rs`) it is logged and recorded, and a write is a transaction that others are told of.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use credenza_benches::world::World;
use serde::{Deserialize, Serialize};
use sqlx::{PgExecutor, PgPool};

use crate::duties::Duties;

struct Bare {
    pool: PgPool,
    /// The accounts of the keys, as they are presented.
    accounts: HashMap<String, i64>,
    duties: Option<Arc<Duties>>,
}

#[derive(Deserialize)]
struct Call {
    account_id: i64,
    supplier_code: String,
    service: String,
    environment: String,
}

#[derive(Serialize)]
struct Found {
    source: &'static str,
    username: String,
    password: String,
    supplier_code: String,
    service: String,
    environment: String,
}

#[derive(Deserialize)]
struct Update {
    supplier_code: String,
    production_username: String,
    production_password: String,
}

#[derive(Serialize)]
struct Stored {
    supplier_code: String,
    has_production_credentials: bool,
}

pub(crate) fn router(world: &World, pool: PgPool, duties: Option<Arc<Duties>>) -> Router {
    let accounts = world.tenants.iter().map(|tenant| (tenant.key.clone(), tenant.account)).collect();
    Router::new()
        .route("/internal/v1/resolve", post(select))
        .route("/extra/v2/credentials", post(upsert))
        .with_state(Arc::new(Bare { pool, accounts, duties }))
}

async fn select(State(bare): State<Arc<Bare>>, Json(call): Json<Call>) -> Result<Json<Found>, StatusCode> {
    let begun = bare.duties.as_ref().map(|_| Duties::request());
    let row: (Vec<u8>, Vec<u8>) = sqlx::query_as(
        "select production_username, production_password from bare_credentials
         where account_id = $1 and supplier_code = $2",
    )
    .bind(call.account_id)
    .bind(&call.supplier_code)
    .fetch_one(&bare.pool)
    .await
    .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let text = |bytes| String::from_utf8(bytes).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR);
    if let (Some(duties), Some(begun)) = (&bare.duties, &begun) {
        duties.record(call.account_id, &call.supplier_code);
        Duties::log(begun, "POST", "/internal/v1/resolve", call.account_id);
    }
    Ok(Json(Found {
        source: "account",
        username: text(row.0)?,
        password: text(row.1)?,
        supplier_code: call.supplier_code,
        service: call.service,
        environment: call.environment,
    }))
}

async fn upsert(
    State(bare): State<Arc<Bare>>,
    headers: HeaderMap,
    Json(update): Json<Update>,
) -> Result<(StatusCode, Json<Stored>), StatusCode> {
    let begun = bare.duties.as_ref().map(|_| Duties::request());
    let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).ok_or(StatusCode::UNAUTHORIZED)?;
    let account = *bare.accounts.get(key).ok_or(StatusCode::UNAUTHORIZED)?;
    let stored = match &bare.duties {
        None => store(&bare.pool, account, &update).await,
        Some(duties) => store_and_record(&bare.pool, duties, account, &update).await,
    };
    stored.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    if let Some(begun) = &begun {
        Duties::log(begun, "POST", "/extra/v2/credentials", account);
    }
    Ok((StatusCode::CREATED, Json(Stored { supplier_code: update.supplier_code, has_production_credentials: true })))
}

async fn store_and_record(pool: &PgPool, duties: &Duties, account: i64, update: &Update) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    store(&mut *transaction, account, update).await?;
    duties.record_write(&mut transaction, account, &update.supplier_code).await?;
    transaction.commit().await
}

async fn store(executor: impl PgExecutor<'_>, account: i64, update: &Update) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into bare_credentials (account_id, supplier_code, production_username, production_password,
             created_at, created_by, modified_on, modified_by)
         values ($1, $2, $3, $4, now(), 'owner@example.com', now(), 'owner@example.com')
         on conflict (account_id, supplier_code) do update
         set production_username = excluded.production_username, production_password = excluded.production_password,
             modified_on = excluded.modified_on, modified_by = excluded.modified_by",
    )
    .bind(account)
    .bind(&update.supplier_code)
    .bind(update.production_username.as_bytes())
    .bind(update.production_password.as_bytes())
    .execute(executor)
    .await?;
    Ok(())
}
