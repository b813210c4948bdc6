//! Traces: the span of each request, with what it waits for inside, to an OTLP endpoint over HTTP. No span holds what a
//! request brought or was given: templates, ids and numbers only.

use std::sync::OnceLock;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Span, debug_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// Spans for traces have this target. Their level keeps them out of the logs.
const TARGET: &str = "credenza::traces";

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The exporter of spans to an endpoint; none if it cannot be made, which is printed on standard error, because nothing is logged
/// yet.
pub(super) fn layer<S>(endpoint: &Url) -> Option<impl Layer<S> + use<S>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let url = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_endpoint(url).with_protocol(Protocol::HttpBinary).build();
    let exporter = exporter.map_err(|error| eprintln!("warning: no traces are sent: {error}")).ok()?;
    let resource = Resource::builder().with_service_name("credenza").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let tracer = PROVIDER.get_or_init(|| provider).tracer("credenza");
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
    Some(layer.with_filter(Targets::new().with_target(TARGET, LevelFilter::DEBUG)))
}

/// The headers of the W3C's trace context.
const HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// Their values, as the propagator reads them.
struct Carrier<'a>([Option<&'a str>; 2]);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        HEADERS.iter().zip(self.0).find_map(|(name, value)| if *name == key { value } else { None })
    }

    fn keys(&self) -> Vec<&str> {
        HEADERS.to_vec()
    }
}

/// The span of a request, named and described by OpenTelemetry's conventions for HTTP servers.
pub(super) fn request_span<'a>(method: &str, route: &str, header: impl Fn(&str) -> Option<&'a str>) -> Span {
    let span = debug_span!(
        target: TARGET,
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        credenza.request_id = tracing::field::Empty,
        credenza.account = tracing::field::Empty,
        credenza.key = tracing::field::Empty,
    );
    if !span.is_disabled() {
        // What is no trace context (W3C Trace Context, section 2) begins a trace of its own.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Carrier(HEADERS.map(header))));
    }
    span
}

/// Sends what is not sent yet.
pub(super) fn finish() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown()
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "the last traces could not be sent");
    }
}
