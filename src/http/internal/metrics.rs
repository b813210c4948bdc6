//! `GET /metrics`, on the internal listener: for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use metrics::{counter, gauge};
use rustix::time::{ClockId, clock_gettime};

use crate::admission::InFlight;
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
    tell_cluster(&app).await;
    tell_admission(&app);
    gauge!("credenza_audit_backlog").set(number(app.recorder.backlog()));
    gauge!("credenza_audit_backlog_limit").set(number(app.settings.audit.backlog));
    gauge!("credenza_audit_oldest_seconds").set(app.recorder.oldest_age().as_secs_f64());
    gauge!("credenza_audit_stopped_accounts").set(number(app.recorder.stopped_accounts()));
    tell_process();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
}

async fn tell_cluster(app: &App) {
    gauge!("credenza_lease_remaining_seconds").set(app.cluster.trust().lease_remaining().as_secs_f64());
    gauge!("credenza_listener_connected").set(f64::from(u8::from(app.cluster.is_connected())));
    app.cluster.tell_cache_sizes().await;
    gauge!("credenza_pool_connections").set(app.pool.size());
    gauge!("credenza_pool_connections_limit").set(app.pool.options().get_max_connections());
    gauge!("credenza_pool_idle_connections").set(number(app.pool.num_idle()));
}

fn tell_admission(app: &App) {
    let admission = &app.admission;
    gauge!("credenza_requests_in_flight_limit").set(number(app.settings.admission.in_flight));
    let in_flight = |listener: &'static str, in_flight: &InFlight| {
        gauge!("credenza_requests_in_flight", "listener" => listener).set(number(in_flight.count()));
    };
    in_flight("public", &admission.in_flight);
    in_flight("internal", &admission.internal_in_flight);
    gauge!("credenza_turns", "kind" => "read").set(number(admission.reads.count()));
    gauge!("credenza_turns", "kind" => "write").set(number(admission.writes.count()));
}

/// Sets the metrics of any process, under the names that Prometheus's own clients use.
fn tell_process() {
    gauge!("credenza_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    let cpu = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
    counter!("credenza_log_lines_dropped_total").absolute(telemetry::dropped_lines());
    counter!("process_cpu_seconds_total").absolute(cpu.as_secs());
    if let Some(bytes) = resident_memory() {
        gauge!("process_resident_memory_bytes").set(bytes);
    }
}

/// In bytes, where the system has `/proc`.
fn resident_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kibibytes) * 1024.0)
}

/// A count for a gauge. None of ours comes near the end of 32 bits.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
