//! `GET /metrics`, on the internal listener: for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::app::App;
use crate::telemetry;

/// Read the metrics, in the form of Prometheus
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_metrics",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain")),
)]
pub async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let metrics = telemetry::metrics();
    // What is a state and not an event is looked up when somebody asks.
    metrics::gauge!("credenza_lease_remaining_seconds").set(app.cluster.trust().lease_remaining().as_secs_f64());
    metrics::gauge!("credenza_listener_connected").set(f64::from(u8::from(app.cluster.is_connected())));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
}
