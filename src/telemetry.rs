//! Logs: to standard error, JSON or text. No log line ever holds a password, a key or a key's hash; the types see to that.
//! Metrics: in the form that Prometheus reads. Traces: to an OTLP endpoint, in builds with the feature `otel`.

mod json;
mod queue;
#[cfg(feature = "otel")]
mod traces;

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, Logging};

/// Starts metrics and logging, once per process. A panic is logged only by its place: its message may hold anything.
pub fn init(logging: &Logging) {
    metrics();
    let format = match logging.format {
        LogFormat::Json => {
            tracing_subscriber::fmt::layer().event_format(json::Json).with_writer(queue::to_stderr().clone()).boxed()
        }
        LogFormat::Text => {
            // Colours are for a terminal; in a file they are noise.
            tracing_subscriber::fmt::layer()
                .with_ansi(std::io::stderr().is_terminal())
                .with_writer(queue::to_stderr().clone())
                .boxed()
        }
    };
    let registry = tracing_subscriber::registry().with(format.with_filter(logging.filter.clone()));
    #[cfg(feature = "otel")]
    let registry = registry.with(logging.traces.as_ref().and_then(traces::layer));
    registry.init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

/// The span of a request, part of the caller's trace if its headers name one. It is none in builds without the feature
/// `otel`, and costs nothing where traces go nowhere.
#[cfg(feature = "otel")]
pub fn request_span<'a>(method: &str, route: &str, header: impl Fn(&str) -> Option<&'a str>) -> tracing::Span {
    traces::request_span(method, route, header)
}

/// The span of a request: none.
#[cfg(not(feature = "otel"))]
pub fn request_span<'a>(_method: &str, _route: &str, _header: impl Fn(&str) -> Option<&'a str>) -> tracing::Span {
    tracing::Span::none()
}

/// Writes and sends the rest, at the end of the program.
pub fn finish() {
    queue::flush();
    #[cfg(feature = "otel")]
    traces::finish();
}

/// Returns how many log lines were dropped, because nobody read standard error in time.
pub fn dropped_lines() -> u64 {
    queue::dropped()
}

/// Upper bounds of histograms of seconds: from what memory takes to what a lease takes.
const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// How often histograms take up what was recorded, also if nobody asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of this process. The first call makes them; what was recorded before is not in them.
pub fn metrics() -> &'static PrometheusHandle {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS);
        // It fails only without bounds.
        let recorder = builder.unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("metrics are recorded elsewhere");
        }
        for (name, about) in METRICS {
            // What a name means is told whatever kind of metric it is.
            metrics::describe_counter!(*name, *about);
        }
        handle
    })
}

/// Every metric: its name and its meaning. Operators find them in `docs/OPERATIONS.md`, in the dashboard and in the alerts.
pub const METRICS: &[(&str, &str)] = &[
    ("credenza_acknowledgement_wait_seconds", "How long writes waited for other instances"),
    ("credenza_audit_backlog", "Events of resolves that wait to be written"),
    ("credenza_audit_backlog_limit", "Most events of resolves that may wait; with so many no password leaves"),
    ("credenza_audit_oldest_seconds", "How long the oldest event has waited; with two seconds no password leaves"),
    (
        "credenza_audit_stopped_accounts",
        "Accounts whose resolves are refused because their audit chains cannot be extended",
    ),
    ("credenza_build_info", "1, with the version of the program"),
    ("credenza_cache_bypasses_total", "Readings that a cache could not be asked for, by cache"),
    ("credenza_cache_drops_total", "How often everything cached became void, by reason"),
    ("credenza_cache_entries", "Entries in memory, by cache"),
    ("credenza_cache_hits_total", "Readings answered from memory, by cache"),
    ("credenza_cache_loads_total", "Loads from the database, by cache"),
    ("credenza_cache_weight_bytes", "Memory of the entries, by cache"),
    ("credenza_call_wait_seconds", "How long calls to suppliers waited for a place, by supplier"),
    ("credenza_calls_in_flight", "Calls to suppliers under way, by supplier"),
    ("credenza_calls_rejected_total", "Calls that were not made because others were under way, by supplier and reason"),
    ("credenza_changes_heard_total", "Messages of the change feed, by kind"),
    ("credenza_connections_refused_total", "Connections that ended at once because their address had too many"),
    ("credenza_lease_remaining_seconds", "How long this instance may answer from memory if nothing more is heard"),
    ("credenza_login_verdicts_total", "Answers of suppliers that accepted or refused a login, by supplier and state"),
    ("credenza_logins", "Logins that suppliers accept, refuse, or that are suspended, by supplier and state"),
    ("credenza_listener_connected", "1 if the change feed is connected"),
    ("credenza_log_lines_dropped_total", "Log lines that nobody read in time"),
    ("credenza_pool_connections", "Connections to the database"),
    ("credenza_pool_connections_limit", "Most connections to the database"),
    ("credenza_pool_idle_connections", "Connections to the database that nobody uses now"),
    ("credenza_ready", "1 if the last that asked for readiness was told that requests can be served"),
    ("credenza_rejections_total", "Requests that got nothing, by reason"),
    ("credenza_request_seconds", "How long requests took, by listener, route and method"),
    ("credenza_requests_in_flight", "Requests under way, by listener"),
    ("credenza_requests_in_flight_limit", "Most requests under way on a listener"),
    ("credenza_requests_total", "Requests answered, by listener, route, method and class of status"),
    ("credenza_resolutions_total", "Resolutions, by the level that the pair came from"),
    ("credenza_stale_answers_total", "Readings answered without a lease"),
    ("credenza_supplier_call_seconds", "How long calls to suppliers took, by service"),
    ("credenza_supplier_calls_total", "Calls to suppliers, by supplier, service and outcome"),
    ("credenza_turns", "Requests of accounts at work or waiting for their turn, by kind"),
    ("process_cpu_seconds_total", "Processor time of the process, user and system"),
    ("process_resident_memory_bytes", "Memory of the process"),
];

/// Keeps the metrics small, until the task is dropped.
pub async fn keep_metrics() {
    let metrics = metrics();
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}
