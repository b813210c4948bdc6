//! The metrics of a running service: they count what happened, and the dashboard, the alerts and the manual know exactly
//! those that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use credenza::telemetry::METRICS;
use serde_json::{Value, json};

use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;

/// Metrics that a service counts only when something is wrong, or when there are several.
const RARE: [&str; 10] = [
    "credenza_acknowledgement_wait_seconds",
    "credenza_cache_drops_total",
    "credenza_call_wait_seconds",
    "credenza_calls_in_flight",
    "credenza_calls_rejected_total",
    "credenza_login_verdicts_total",
    "credenza_logins",
    "credenza_supplier_call_seconds",
    "credenza_supplier_calls_total",
    "credenza_stale_answers_total",
];

/// A page of metrics.
struct Page(String);

impl Page {
    async fn of(service: &Service) -> Self {
        Self(service.internal.get("/metrics").await.body)
    }

    /// The value of a line, 0 if there is none.
    fn value(&self, metric: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The metrics of the page, by their names.
    fn names(&self) -> BTreeSet<&str> {
        self.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
    }
}

async fn ready(service: &Service) {
    eventually("the service is ready", async || service.public.is_at_full_speed().await).await;
}

/// A service that has had a request of every kind.
async fn used_service() -> (Service, String) {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let scopes = "credentials:read,credentials:write,credentials:resolve";
    let key = installation.key(&account, &["--scopes", scopes]).await;
    let service = installation.serve().await;
    ready(&service).await;
    let public = service.public.with_key(&key);
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "Sentinel-9f3Z"});
    public.post("/extra/v2/credentials", &body).await.expect(201);
    public.get("/extra/v2/credentials").await.expect(200);
    public.get("/extra/v2/credentials/PCNA").await.expect(404);
    public.get("/extra/v2/api-keys").await.expect(403);
    service.public.with_key("czs_noise").get("/extra/v2/credentials").await.expect(403);
    service.public.get("/Sentinel-9f3Z").await.expect(404);
    for _ in 0..3 {
        service.resolve(&key, &account, "HIT").await.expect(200);
    }
    service.resolve(&key, &account, "PCNA").await.expect(403);
    (service, key)
}

#[tokio::test]
async fn requests_resolutions_caches_and_rejections_are_counted() {
    let (service, key) = used_service().await;
    let page = Page::of(&service).await;
    let requests = |listener: &str, method: &str, route: &str, status: &str| {
        let labels = format!(r#"listener="{listener}",route="{route}",method="{method}",status="{status}""#);
        page.value(&format!("credenza_requests_total{{{labels}}}"))
    };
    assert!((requests("public", "POST", "/extra/v2/credentials", "2xx") - 1.0).abs() < 0.1, "{}", page.0);
    assert!((requests("public", "GET", "/extra/v2/credentials", "2xx") - 1.0).abs() < 0.1);
    assert!((requests("public", "GET", "/extra/v2/credentials", "4xx") - 1.0).abs() < 0.1);
    assert!((requests("public", "GET", "/extra/v2/credentials/{supplier_code}", "4xx") - 1.0).abs() < 0.1);
    assert!((requests("public", "-", "-", "4xx") - 1.0).abs() < 0.1);
    assert!((requests("internal", "POST", "/internal/v1/resolve", "2xx") - 3.0).abs() < 0.1);
    let seconds = r#"listener="internal",route="/internal/v1/resolve",method="POST""#;
    assert!((page.value(&format!("credenza_request_seconds_count{{{seconds}}}")) - 4.0).abs() < 0.1);

    let resolutions = |source: &str| page.value(&format!(r#"credenza_resolutions_total{{source="{source}"}}"#));
    assert!((resolutions("account") - 3.0).abs() < 0.1, "{}", page.0);
    assert!((resolutions("none") - 1.0).abs() < 0.1);
    assert!((resolutions("service") + resolutions("failed") + resolutions("refused")).abs() < 0.1);

    let rejected = |reason: &str| page.value(&format!(r#"credenza_rejections_total{{reason="{reason}"}}"#));
    assert!((rejected("scope") - 1.0).abs() < 0.1, "{}", page.0);
    assert!((rejected("bad key") - 1.0).abs() < 0.1);

    let cache = |what: &str| page.value(&format!(r#"credenza_cache_{what}{{cache="credentials"}}"#));
    let asked = cache("hits_total") + cache("loads_total") + cache("bypasses_total");
    assert!(cache("hits_total") >= 1.0 && cache("loads_total") >= 1.0 && (asked - 4.0).abs() < 0.1, "{}", page.0);
    assert!(cache("entries") >= 1.0 && cache("weight_bytes") > 100.0, "{}", page.0);
    assert!((page.value("credenza_audit_backlog_limit") - 65_536.0).abs() < 0.1);
    assert!((page.value("credenza_pool_connections_limit") - 16.0).abs() < 0.1);
    assert!(page.value("credenza_pool_connections") >= 1.0);
    assert!(page.value("process_resident_memory_bytes") > 1_000_000.0 || !Path::new("/proc").exists());
    // The request for the page itself counts as none in flight.
    assert!(page.value(r#"credenza_requests_in_flight{listener="internal"}"#).abs() < 0.1);

    // Nothing of a request is a label, but for what the router knows.
    for secret in ["Sentinel", "PCNA", "HIT", &key, &key[4..12]] {
        assert!(!page.0.contains(secret), "{secret}");
    }
    service.program.stop().await.done();
}

#[tokio::test]
async fn the_table_of_metrics_is_the_page_and_the_manual_has_all_of_it() {
    let (service, _) = used_service().await;
    let page = Page::of(&service).await;
    let listed: BTreeSet<_> = METRICS.iter().map(|(name, _)| *name).collect();
    let shown = page.names();
    assert_eq!(shown.difference(&listed).collect::<Vec<_>>(), Vec::<&&str>::new(), "what is not in the table");
    let missing: Vec<_> = listed.difference(&shown).filter(|name| !RARE.contains(name)).collect();
    assert_eq!(missing, Vec::<&&str>::new(), "what is not on the page");
    for (name, about) in METRICS.iter().filter(|(name, _)| shown.contains(name)) {
        assert!(page.0.contains(&format!("# HELP {name} {about}\n")), "{name}");
    }
    let manual = read("docs/OPERATIONS.md");
    for name in listed {
        let told = manual.contains(&format!("`{name}`")) || manual.contains(&format!("`{name}{{"));
        assert!(told, "docs/OPERATIONS.md is silent about {name}");
    }
    service.program.stop().await.done();
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_there_are() {
    let listed: BTreeSet<_> = METRICS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let (dashboard, alerts) = (read("ops/grafana-dashboard.json"), read("ops/alerts.yml"));
    for text in [&dashboard, &alerts] {
        let asked = metrics_in(text);
        assert_eq!(asked.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new());
    }
    // What is measured is shown.
    let shown = metrics_in(&dashboard);
    assert_eq!(listed.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new());

    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(panel["title"].is_string() && panel["description"].is_string(), "{panel}");
    }
    // Each alert has a sentence for whoever is woken by it.
    let rules = alerts.split("- alert: ").skip(1).collect::<Vec<_>>();
    assert!(rules.len() >= 8, "{}", rules.len());
    for rule in rules {
        for part in ["expr: ", "for: ", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{part} of {rule}");
        }
    }
}

/// The metrics that a text names, without what Prometheus adds to the names of histograms.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("credenza_") || word.starts_with("process_"));
    let parts = ["_bucket", "_sum", "_count"];
    ours.map(|word| parts.iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word).to_owned()).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
