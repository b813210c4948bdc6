//! The search of `secrets_nowhere.rs` in what comes out of the real programs at their most talkative: every operation of
//! both listeners, every command, `serve` and `dev`. A new operation or command without a case fails here.

use std::collections::BTreeSet;

use axum::http::Method;
use credenza::principal::Scope;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, query_scalar};

use crate::secrets_nowhere::{Secrets, found};
use crate::support::cluster::{PASSWORD, in_tests};
use crate::support::dev::{Dev, Folder};
use crate::support::installation::{Installation, Service};
use crate::support::operations::{self, Operation, Target};
use crate::support::program::{credenza, run};

const BASE_USER: &str = "Zq8-the-Base-User-Zq8";
const BASE_PASSWORD: &str = "Zq8-the-Base-Password-Zq8";
const OWN_PASSWORD: &str = "Zq8-the-Service-Password-Zq8";
const SHARED_PASSWORD: &str = "Zq8-the-Shared-Password-Zq8";
const USERS_PASSWORD: &str = "Zq8-the-Users-Password-Zq8";
const REFUSED: &str = "Zq8-Refused-Text-Zq8";

/// A file that can be imported.
fn import_file() -> String {
    format!(
        "supplier_code,staging_username,staging_password,production_username,production_password\n\
         HIT,{BASE_USER},{BASE_PASSWORD},,\nPCNA,,,{BASE_USER},{BASE_PASSWORD}\n"
    )
}

/// The answers, and the secrets that they are there to show.
struct Said {
    asked: String,
    text: String,
    by_design: Vec<String>,
}

/// Somebody who may do everything, and what they have.
struct Session<'a> {
    service: &'a Service,
    account: i64,
    key: String,
    said: Vec<Said>,
}

impl Session<'_> {
    /// Sends a request, which has to succeed, and notes the answer.
    async fn send(&mut self, method: &Method, path: &str, body: Option<Value>) -> Value {
        let is_internal = path.starts_with("/internal") || path == "/metrics";
        let listener = if is_internal { &self.service.internal } else { &self.service.public };
        // What is presented as a client is not presented as a key.
        let listener = if path.starts_with("/oauth/") { listener.clone() } else { listener.with_key(&self.key) };
        let answer = match &body {
            Some(Value::String(file)) => listener.post_csv(path, file).await,
            body => listener.send(method.as_str(), path, body.as_ref()).await.unwrap(),
        };
        assert!(answer.status.is_success(), "{method} {path} {answer:?}");
        let json = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
        let mut by_design: Vec<String> = Vec::new();
        if *method == Method::POST {
            let shown = ["key", "client_secret", "access_token"];
            by_design.extend(shown.iter().filter_map(|name| json[*name].as_str().map(str::to_owned)));
        }
        if path.starts_with("/internal") {
            by_design.extend([BASE_USER, BASE_PASSWORD, OWN_PASSWORD].map(str::to_owned));
        }
        if path.contains("/resolution") {
            by_design.push(BASE_USER.to_owned());
        }
        let text = format!("{:?} {}", answer.headers, answer.body);
        self.said.push(Said { asked: format!("{method} {path}"), text, by_design });
        json
    }

    async fn post(&mut self, path: &str, body: Value) -> Value {
        self.send(&Method::POST, path, Some(body)).await
    }

    /// One of everything that operations name.
    async fn target(&mut self, customer: &str) -> Target {
        let body = json!({"name": customer, "external_customer_id": customer});
        let subaccount = self.post("/extra/v2/subaccounts", body).await["id"].to_string();
        let id = |made: Value| made["id"].as_str().unwrap().to_owned();
        Target {
            subaccount_key: id(self.post(&format!("/extra/v2/subaccounts/{subaccount}/api-keys"), json!({})).await),
            key: id(self.post("/extra/v2/api-keys", json!({})).await),
            client: id(self.post("/extra/v2/oauth-clients", json!({"name": customer})).await),
            subaccount,
        }
    }

    /// A body with which an operation succeeds.
    fn body(&self, operation: &Operation, client: &Value, token: &Value) -> Option<Value> {
        let presented = |more: Value| {
            let mut body = json!({"client_id": client["client_id"], "client_secret": client["client_secret"]});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let call = json!({"account_id": self.account, "supplier_code": "HIT", "service": "PPC", "environment": "PROD"});
        Some(match (operation.method.as_str(), operation.route) {
            ("GET" | "DELETE", _) => return None,
            (_, "/extra/v2/credentials") => {
                json!({"supplier_code": "HIT", "production_username": BASE_USER, "production_password": BASE_PASSWORD})
            }
            // A file is a text.
            (_, "/extra/v2/credentials/import") => json!(import_file()),
            (_, "/extra/v2/credentials/{supplier_code}/services") => {
                json!({"service": "INV", "environment": "PROD", "username": "in-clear", "password": OWN_PASSWORD})
            }
            ("POST", "/extra/v2/subaccounts") => json!({"name": "third", "external_customer_id": "third"}),
            ("PATCH", "/extra/v2/subaccounts/{id}") | ("POST", "/extra/v2/oauth-clients") => json!({"name": "named"}),
            (
                _,
                "/extra/v2/subaccounts/{id}/api-keys"
                | "/extra/v2/api-keys"
                | "/extra/v2/api-keys/{id}/rotate"
                | "/extra/v2/oauth-clients/{id}/rotate",
            ) => json!({}),
            (_, "/oauth/token") => presented(json!({"grant_type": "client_credentials"})),
            (_, "/oauth/revoke" | "/oauth/introspect") => presented(json!({"token": token})),
            (_, "/internal/v1/resolve") => call,
            (_, "/internal/v1/resolve/batch") => json!([call]),
            new => panic!("{new:?} needs its case here"),
        })
    }

    /// Every operation succeeds once, what deletes at the end.
    async fn through_every_operation(&mut self) {
        let (kept, doomed) = (self.target("first").await, self.target("second").await);
        let client = self.post("/extra/v2/oauth-clients", json!({"name": "tokens"})).await;
        let ask = json!({
            "grant_type": "client_credentials",
            "client_id": client["client_id"], "client_secret": client["client_secret"],
        });
        let token = self.post("/oauth/token", ask).await["access_token"].clone();
        // Calls need a supplier, and are in `calls_failures.rs`.
        let calls = |operation: &Operation| operation.route.starts_with("/v") || operation.route.ends_with("/verify");
        let ours = operations::all().into_iter().filter(|operation| !calls(operation));
        let (mut deleting, others): (Vec<_>, Vec<_>) = ours.partition(|operation| operation.method == Method::DELETE);
        for operation in &others {
            let body = self.body(operation, &client, &token);
            self.send(&operation.method, &operation.path(&kept), body).await;
        }
        // The longest paths first: what is in something goes before it.
        deleting.sort_by_key(|operation| std::cmp::Reverse(operation.route.len()));
        for operation in &deleting {
            self.send(&operation.method, &operation.path(&doomed), None).await;
        }
    }

    /// Every operation is refused, with a text in every place that the caller chooses.
    async fn refused_everywhere(&mut self) {
        for operation in operations::all() {
            let path = format!("{}?{REFUSED}={REFUSED}", operation.path(&Target::nothing()));
            let is_internal = path.starts_with("/internal") || operation.route == "/metrics";
            let listener = if is_internal { &self.service.internal } else { &self.service.public };
            for listener in [
                listener.with_key(&self.key),
                listener.with_key(REFUSED),
                listener.with_header("Authorization", &format!("Bearer {REFUSED}")),
                listener.with_header("Authorization", REFUSED).with_header("X-Account-Id", REFUSED),
            ] {
                let body = operation.has_body().then(|| json!({REFUSED: REFUSED, "password": [REFUSED]}));
                let answer = if operation.route.ends_with("/import") {
                    listener.post_csv(operation.route, &format!("{}{REFUSED},\"{REFUSED}\"\n", import_file())).await
                } else {
                    listener.send(operation.method.as_str(), &path, body.as_ref()).await.unwrap()
                };
                let text = format!("{:?} {}", answer.headers, answer.body);
                self.said.push(Said { asked: format!("{} {path}", operation.method), text, by_design: vec![] });
            }
        }
    }
}

/// Every table of the database as text.
async fn tables(installation: &Installation) -> String {
    let mut admin = installation.database.admin.connect().await.unwrap();
    let names = "select format('%I.%I', schemaname, tablename) from pg_tables
                 where schemaname not in ('pg_catalog', 'information_schema')";
    let names: Vec<String> = query_scalar(names).fetch_all(&mut admin).await.unwrap();
    assert!(names.len() > 10, "{names:?}");
    let mut dump = String::new();
    for name in names {
        let rows: Vec<String> =
            query_scalar(in_tests(format!("select t::text from {name} t"))).fetch_all(&mut admin).await.unwrap();
        dump += &rows.join("\n");
    }
    dump
}

/// The installation's own secrets and these texts.
fn secrets(installation: &Installation, texts: &[&str]) -> Secrets {
    let mut secrets: Secrets = texts.iter().map(|text| ((*text).to_owned(), (*text).into())).collect();
    for name in ["CREDENZA_KEY_ENCRYPTION_KEYS", "CREDENZA_KEY_PEPPER", "CREDENZA_AUDIT_KEY"] {
        let value = installation.setting(name);
        secrets.insert(name.to_owned(), value.split_once(':').map_or(value, |(_, key)| key).into());
    }
    secrets.insert("the database's password".to_owned(), PASSWORD.into());
    secrets
}

/// An account that may have sub-accounts, and a key of every scope.
async fn account_and_key(installation: &Installation) -> (i64, String) {
    let create = ["account", "create", "--name", "A", "--owner", "owner@example.com", "--plan", "enterprise"];
    let account = installation.run(&[&create[..], &["--subaccounts"]].concat()).await.done().to_owned();
    let scopes = Scope::ALL.map(Scope::as_str).join(",");
    (account.parse().unwrap(), installation.key(&account, &["--scopes", &scopes]).await)
}

#[tokio::test]
async fn no_answer_log_or_table_of_a_real_service_contains_a_secret() {
    let installation = Installation::new().await.with("CREDENZA_LOG", "trace");
    let (account, key) = account_and_key(&installation).await;
    let service = installation.serve().await;
    let mut session = Session { service: &service, account, key: key.clone(), said: vec![] };
    session.post("/extra/v2/credentials", json!({"supplier_code": "HIT"})).await;
    session.through_every_operation().await;
    session.refused_everywhere().await;
    let said = session.said;
    let metrics = service.internal.get("/metrics").await.body;

    let shown: BTreeSet<String> = said.iter().flat_map(|said| said.by_design.clone()).collect();
    let mut texts: Vec<&str> = shown.iter().map(String::as_str).collect();
    texts.extend([BASE_USER, BASE_PASSWORD, OWN_PASSWORD, REFUSED, &key]);
    assert!(texts.len() > 12, "keys, secrets and tokens were shown: {texts:?}");
    let secrets = secrets(&installation, &texts);
    for Said { asked, text, by_design } in &said {
        let told = found(&secrets, text);
        let by_design: BTreeSet<&str> = by_design.iter().map(String::as_str).collect();
        let told: Vec<_> = told.into_iter().filter(|name| !by_design.contains(name)).collect();
        assert_eq!(told, [""; 0], "{asked}: {text}");
    }
    assert!(said.iter().any(|said| said.text.contains(BASE_PASSWORD)), "the search finds what is there by design");
    assert!(metrics.lines().count() > 10, "{metrics}");
    assert_eq!(found(&secrets, &metrics), [""; 0], "in the metrics");
    assert_eq!(found(&secrets, &tables(&installation).await), [""; 0], "in the tables");
    let finished = service.program.stop().await;
    assert_eq!(finished.done(), "");
    assert!(finished.stderr.lines().count() > said.len(), "the log is whole");
    assert_eq!(found(&secrets, &finished.stderr), [""; 0], "in the log");
}

/// Arguments and standard input of every command but those that serve.
fn commands<'a>(account: &'a str, key_id: &'a str, directory: &'a str, file: &'a str) -> Vec<(Vec<&'a str>, &'a str)> {
    let place = ["--supplier", "HIT", "--environment", "PROD"];
    let set = [&["default-credentials", "set"][..], &place, &["--username", BASE_USER, "--password-stdin"]].concat();
    vec![
        (vec!["account", "list"], ""),
        (vec!["account", "origins", "--account", account, "https://shop.example"], ""),
        (vec!["api-key", "list", "--account", account, "--json"], ""),
        (vec!["user", "create", "--account", account, "--email", "b@example.com", "--password-stdin"], USERS_PASSWORD),
        (vec!["suppliers", "import", directory], ""),
        (vec!["suppliers", "list"], ""),
        (vec!["import", "--account", account, "-", "--json"], file),
        (set, SHARED_PASSWORD),
        (vec!["default-credentials", "list", "--json"], ""),
        ([&["default-credentials", "remove"][..], &place].concat(), ""),
        (vec!["signing-keys", "rotate"], ""),
        (vec!["api-key", "revoke", "--account", account, key_id], ""),
        (vec!["migrate"], ""),
        (vec!["openapi"], ""),
        (vec!["keys", "generate"], ""),
        (vec!["doctor"], ""),
        (vec!["completions", "bash"], ""),
        (vec!["keys", "status", "--json"], ""),
        (vec!["keys", "rotate-data"], ""),
        (vec!["keys", "rewrap"], ""),
        (vec!["audit", "checkpoint"], ""),
        (vec!["audit", "verify"], ""),
        (vec!["verify"], ""),
        (vec!["account", "purge", account, "--yes"], ""),
    ]
}

#[tokio::test]
async fn no_command_prints_a_secret_that_it_was_given() {
    let installation = Installation::new().await.with("CREDENZA_LOG", "trace");
    let account = installation.account("A").await;
    let made = installation.run(&["api-key", "create", "--account", &account, "--json"]).await;
    assert_eq!(found(&secrets(&installation, &[]), &format!("{made:?}")), [""; 0]);
    let (key, key_id) =
        (made.json()["key"].as_str().unwrap().to_owned(), made.json()["id"].as_str().unwrap().to_owned());
    let texts = [BASE_USER, BASE_PASSWORD, SHARED_PASSWORD, USERS_PASSWORD, &key];
    let secrets = secrets(&installation, &texts);
    let directory = crate::support::installation::file("directory", "supplier_code,supplier_name\nHIT,Hit\n");
    let file = import_file();
    let commands = commands(&account, &key_id, &directory, &file);
    for (arguments, input) in &commands {
        let finished = installation.run_with(arguments, input).await;
        finished.done();
        assert_eq!(found(&secrets, &format!("{finished:?}")), [""; 0], "{arguments:?}");
    }
    assert_eq!(found(&secrets, &tables(&installation).await), [""; 0], "in the tables");

    let help = run(credenza(["--help"]), "").await;
    // Commands stand in groups, between the usage and the options.
    let listed = help.done().split_once("Run:\n").unwrap().1.split_once("Options:\n").unwrap().0;
    let names: Vec<_> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let covered: BTreeSet<_> = commands.iter().map(|(arguments, _)| arguments[0]).collect();
    // The other test and the next one run these; `ready` only asks.
    let elsewhere = ["serve", "dev", "ready", "help"];
    let missing: Vec<_> =
        names.into_iter().filter(|name| !covered.contains(name) && !elsewhere.contains(name)).collect();
    assert_eq!(missing, [""; 0], "commands without a case here");
}

#[tokio::test]
async fn a_development_installation_logs_no_secret() {
    let folder = Folder::existing().await;
    let mut command = folder.command();
    command.arg("--json").env("CREDENZA_LOG", "trace");
    let dev = Dev::start(command).await;
    dev.store("HIT", BASE_USER, BASE_PASSWORD).await.expect(201);
    assert_eq!(dev.resolve("HIT").await.expect(200)["password"], BASE_PASSWORD);
    let made: Value = serde_json::from_str(&std::fs::read_to_string(folder.path("secrets.json")).unwrap()).unwrap();
    let mut secrets = Secrets::new();
    for (name, value) in made.as_object().unwrap() {
        let value = value.as_str().unwrap();
        secrets.insert(name.clone(), value.split_once(':').map_or(value, |(_, key)| key).into());
    }
    for name in ["api_key", "resolver_key", "public_key"] {
        secrets.insert(name.to_owned(), dev.text(name).into());
    }
    for text in [BASE_USER, BASE_PASSWORD] {
        secrets.insert(text.to_owned(), text.into());
    }
    let finished = dev.stop().await;
    finished.done();
    assert!(finished.stderr.len() > 1000, "the log is whole: {}", finished.stderr);
    assert_eq!(found(&secrets, &finished.stderr), [""; 0], "in the log");
}
