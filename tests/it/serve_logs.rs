//! The log of `credenza serve`: one JSON line on standard error for each request, with who and what, and no secret.

use serde_json::{Value, json};

use crate::support::installation::{Installation, log_lines};
use crate::support::program::{Running, eventually};

#[tokio::test]
async fn each_request_is_one_line_with_its_route_status_id_account_and_key() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let made = ["api-key", "create", "--account", &account, "--json"];
    let made = installation.run(&made).await.json();
    let (key, key_id) = (made["key"].as_str().unwrap(), &made["id"]);
    let service = installation.serve().await;
    let request = |id: &str| service.public.with_header("X-Request-Id", id);

    let body = json!({"supplier_code": "HIT", "production_username": "hunter", "production_password": "hunter2"});
    request("store").with_key(key).post("/extra/v2/credentials", &body).await.expect(201);
    let path = "/extra/v2/credentials/HIT/resolution?service=INV&environment=PROD";
    request("explain").with_key(key).get(path).await.expect(200);
    request("refused").with_key("hunter2").get("/extra/v2/credentials").await.expect(403);
    request("nowhere").get("/hunter2").await.expect(404);
    let own_id = service.public.get("/healthz").await;
    let own_id = own_id.header("x-request-id").unwrap().to_owned();

    let finished = service.program.stop().await;
    assert_eq!(finished.done(), "");
    let lines = log_lines(&finished.stderr);
    let of_requests: Vec<_> = lines.iter().filter(|line| line["message"] == "request").collect();
    assert_eq!(of_requests.len(), 5, "{}", finished.stderr);
    let of = |id: &str| {
        let line = of_requests.iter().find(|line| line["request_id"] == id).unwrap_or_else(|| panic!("no {id}"));
        [&line["method"], &line["route"], &line["status"], &line["account"], &line["key"]].map(Value::clone)
    };
    let account: i64 = account.parse().unwrap();
    let nobody = Value::Null;
    let route = "/extra/v2/credentials";
    assert_eq!(of("store"), [json!("POST"), json!(route), json!(201), json!(account), key_id.clone()]);
    let template = format!("{route}/{{supplier_code}}/resolution");
    assert_eq!(of("explain"), [json!("GET"), json!(template), json!(200), json!(account), key_id.clone()]);
    assert_eq!(of("refused"), [json!("GET"), json!(route), json!(403), nobody.clone(), nobody.clone()]);
    assert_eq!(of("nowhere"), [json!("GET"), json!("-"), json!(404), nobody.clone(), nobody.clone()]);
    assert_eq!(of(&own_id), [json!("GET"), json!("/healthz"), json!(200), nobody.clone(), nobody]);

    for secret in ["hunter", key] {
        assert!(!finished.stderr.contains(secret), "{secret} is in {}", finished.stderr);
    }
}

#[tokio::test]
async fn every_line_is_json_with_a_time_and_a_level_even_when_everything_is_logged() {
    let installation = Installation::new().await.with("CREDENZA_LOG", "trace");
    let service = installation.serve().await;
    eventually("it is ready", async || service.public.is_at_full_speed().await).await;
    let finished = service.program.stop().await;
    let lines = log_lines(&finished.stderr);
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    assert!(lines.iter().any(|line| line["level"] == "DEBUG"), "{}", finished.stderr);
    for name in ["CREDENZA_KEY_ENCRYPTION_KEYS", "CREDENZA_KEY_PEPPER", "CREDENZA_AUDIT_KEY"] {
        let value = installation.setting(name);
        assert!(!finished.stderr.contains(value), "{name} is in the log");
    }
    assert!(!finished.stderr.contains("only-in-tests"), "the database's password is in the log");
}

#[tokio::test]
async fn text_is_for_people() {
    let installation = Installation::new().await.with("CREDENZA_LOG_FORMAT", "text");
    let mut program = Running::start(installation.command(&["serve"]));
    program.says("where it serves", |service| service.stderr().contains("serving").then_some(())).await;
    let finished = program.stop().await;
    let line = finished.stderr.lines().next().unwrap();
    assert!(serde_json::from_str::<Value>(line).is_err() && line.contains(" INFO "), "{line}");
    // Colours are for terminals only.
    assert!(!finished.stderr.contains('\x1b'), "{:?}", finished.stderr);
}
