//! Answers `/healthz` and `/readyz`, on both listeners, without authentication.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use metrics::gauge;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::edge::context::{NoFault, RequestContext};
use crate::http::listener::Listener;
use crate::postgres::{self, SchemaState};

/// Longest wait for the database. A load balancer asks often and does not wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// Age up to which a check is not made again.
const AGE: Duration = Duration::from_secs(1);
/// The same while the change feed or the lease is lost: long enough for those who waited for one check together.
const AGE_IN_TROUBLE: Duration = Duration::from_millis(20);

/// The dependencies of the service, each with "ok" or what is wrong.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "database": "ok", "schema": "ok", "listener": "ok", "lease": "ok" }))]
pub struct Readiness {
    /// Only if something is not in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'static str>,
    database: &'static str,
    schema: &'static str,
    listener: &'static str,
    lease: &'static str,
    /// Parts that are not in order and without which every answer is right all the same, only slower.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_service: Option<&'static str>,
}

/// The process lives.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "status": "ok" }))]
pub struct Health {
    status: &'static str,
}

/// Tell whether the process lives
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_health",
    responses((status = 200, description = "It lives", body = Health)),
)]
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Tell whether requests can be served
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_readiness",
    responses(
        (status = 200, description = "They can; `degraded` names what is missing to full speed", body = Readiness),
        (status = 503, description = "They cannot, or the service is stopping; the answer says which part is not in order", body = Readiness),
    ),
)]
pub async fn readyz(State(app): State<Arc<App>>, Extension(context): Extension<Arc<RequestContext>>) -> Response {
    let (schema, key_service) = tokio::join!(schema(&app), key_service(&app, context.listener));
    let mut readiness = Readiness {
        detail: None,
        database: match schema {
            Ok(_) => "ok",
            Err(()) if app.cluster.database().refuses_server() => "in recovery or read-only",
            Err(()) => "not reachable",
        },
        schema: match schema {
            Ok(state) if state.is_sufficient() => "ok",
            Ok(_) => "older than this version needs: run `credenza migrate`",
            Err(()) => "unknown",
        },
        listener: if app.cluster.is_connected() { "ok" } else { "not connected: changes are not heard" },
        lease: if app.cluster.trust().has_lease() { "ok" } else { "none: nothing is answered from memory" },
        degraded: Vec::new(),
        // Told, and no reason to be taken out of service: what was unwrapped before goes on working.
        key_service: key_service.map(|answers| if answers { "ok" } else { "not reachable" }),
    };
    // Without lease or listener every answer comes from the database, and is right. All instances lose them at once when
    // a standby stalls; a balancer that took them out of service then would have none left.
    let ready = readiness.database == "ok" && readiness.schema == "ok";
    let parts = [("listener", readiness.listener), ("lease", readiness.lease)];
    readiness.degraded = parts.into_iter().filter(|(_, state)| *state != "ok").map(|(part, _)| part).collect();
    // Everything may be in order, and yet nobody should send more.
    let stopping = app.stopping.has_begun();
    readiness.detail = match (ready, stopping) {
        (_, true) => Some("Stopping"),
        (false, false) => Some("Not ready"),
        (true, false) => None,
    };
    note(&app, ready, &readiness);
    if ready && !stopping {
        return Json(readiness).into_response();
    }
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(readiness)).into_response();
    response.extensions_mut().insert(NoFault);
    response
}

/// Asks the database for its schema. Once a second at most while all is well, however many ask here; one by one otherwise.
async fn schema(app: &App) -> Result<SchemaState, ()> {
    let check = async {
        let mut connection = app.pool.acquire().await.map_err(|_| ())?;
        postgres::schema_state(&mut connection).await.map_err(|_| ())
    };
    let is_well = app.cluster.is_connected() && app.cluster.trust().has_lease();
    let check = Box::pin(async { timeout(PATIENCE, check).await.unwrap_or(Err(())) });
    app.checks.schema.get(if is_well { AGE } else { AGE_IN_TROUBLE }, check).await
}

/// Asks the key service whether it answers, at most once a second and for the internal listener only: its work may cost
/// money, and anybody can ask on the public one.
async fn key_service(app: &App, listener: Listener) -> Option<bool> {
    if listener == Listener::Public {
        return None;
    }
    let check = timeout(PATIENCE, app.vault.key_service_answers());
    app.checks.key_service.get(AGE, async { check.await.unwrap_or(Some(false)) }).await
}

/// Logs a change. Load balancers ask every few seconds, and one line each time would hide what else is in the log.
fn note(app: &App, ready: bool, readiness: &Readiness) {
    gauge!("credenza_ready").set(if ready { 1.0 } else { 0.0 });
    if app.was_ready.swap(ready, Ordering::Relaxed) == ready {
        return;
    }
    let Readiness { database, schema, listener, lease, .. } = readiness;
    if ready {
        tracing::info!("ready again");
    } else {
        tracing::warn!(database, schema, listener, lease, "not ready");
    }
}
