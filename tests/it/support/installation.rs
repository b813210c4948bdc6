//! An installation for production: a database, its settings in the environment, and the program on them.

use std::path::Path;

use credenza::postgres::bootstrap::{APPLICATION, OWNER};
use embedded_postgres::Embedded;
use serde_json::{Value, json};
use tokio::process::Command;

use super::cluster::{self, Database, PASSWORD, server};
use super::program::{Finished, Running, credenza, run};
use super::response::Answer;
use super::wire::Endpoint;

/// A database and the settings for it.
pub struct Installation {
    pub database: Database,
    pub settings: Vec<(&'static str, String)>,
}

impl Installation {
    /// With the schema in place.
    pub async fn new() -> Self {
        Self::on(server().await, cluster::database().await)
    }

    /// With a database that has nothing in it.
    pub async fn unmigrated() -> Self {
        Self::on(server().await, cluster::empty_database().await)
    }

    /// The database as it was when it was copied, under the same settings.
    pub async fn restored(&self, backup: &Database) -> Self {
        let fresh = Self::on(server().await, cluster::backup(backup).await);
        let mut restored = self.with("DATABASE_URL", fresh.setting("DATABASE_URL"));
        restored.database = fresh.database;
        restored
    }

    /// On a database of a server.
    pub fn on(server: &Embedded, database: Database) -> Self {
        let url = |role| server.url(role, PASSWORD, database.admin.get_database().unwrap());
        let settings = vec![
            ("DATABASE_URL", url(APPLICATION)),
            ("CREDENZA_MIGRATION_DATABASE_URL", url(OWNER)),
            ("CREDENZA_KEY_ENCRYPTION_KEYS", "test:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=".to_owned()),
            ("CREDENZA_KEY_PEPPER", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=".to_owned()),
            ("CREDENZA_AUDIT_KEY", "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=".to_owned()),
            ("CREDENZA_LISTEN", "127.0.0.1:0".to_owned()),
            ("CREDENZA_INTERNAL_LISTEN", "127.0.0.1:0".to_owned()),
            // There is no load balancer that would have to notice.
            ("CREDENZA_SHUTDOWN_GRACE", "0s".to_owned()),
        ];
        Self { database, settings }
    }

    /// The same with another value for a setting.
    #[must_use]
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut settings = self.without(name).settings;
        settings.push((name, value.to_owned()));
        Self { database: self.database.clone(), settings }
    }

    /// The same without a setting.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let settings = self.settings.iter().filter(|(other, _)| *other != name).cloned().collect();
        Self { database: self.database.clone(), settings }
    }

    pub fn setting(&self, name: &str) -> &str {
        &self.settings.iter().find(|(other, _)| *other == name).unwrap().1
    }

    /// The settings as the text of an env file.
    pub fn env_file(&self) -> String {
        self.settings.iter().fold(String::new(), |text, (name, value)| text + name + "=" + value + "\n")
    }

    /// A command with these settings in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = credenza(arguments);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with(arguments, "").await
    }

    /// Runs a command to its end, with something on standard input.
    pub async fn run_with(&self, arguments: &[&str], input: &str) -> Finished {
        run(self.command(arguments), input).await
    }

    /// Makes an account and gives its id, in the form of an argument.
    pub async fn account(&self, name: &str) -> String {
        self.run(&["account", "create", "--name", name, "--owner", "owner@example.com"]).await.done().to_owned()
    }

    /// Makes a key with further options.
    pub async fn key(&self, account: &str, options: &[&str]) -> String {
        let arguments = [&["api-key", "create", "--account", account], options].concat();
        self.run(&arguments).await.done().to_owned()
    }

    pub async fn serve(&self) -> Service {
        Service::start(self.command(&["serve"])).await
    }
}

/// A `credenza serve` that listens.
pub struct Service {
    pub program: Running,
    pub public: Endpoint,
    pub internal: Endpoint,
}

impl Service {
    pub async fn start(command: Command) -> Self {
        let mut program = Running::start(command);
        let line = program.says("where it serves", |service| {
            log_lines(&service.stderr()).into_iter().find(|line| line["message"] == "serving")
        });
        let line = line.await;
        let endpoint = |name: &str| Endpoint::new(&format!("http://{}", line[name].as_str().unwrap()));
        Self { public: endpoint("public"), internal: endpoint("internal"), program }
    }

    /// Asks for the pair of a call, with a key that may.
    pub async fn resolve(&self, key: &str, account: &str, supplier: &str) -> Answer {
        let account: i64 = account.parse().unwrap();
        let body =
            json!({"account_id": account, "supplier_code": supplier, "service": "Product", "environment": "PROD"});
        self.internal.with_key(key).post("/internal/v1/resolve", &body).await
    }
}

/// The complete lines of a log, which have to be JSON.
pub fn log_lines(stderr: &str) -> Vec<Value> {
    let (complete, _) = stderr.rsplit_once('\n').unwrap_or_default();
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    complete.lines().map(parse).collect()
}

/// A file with this text, in a folder of this run's own.
pub fn file(name: &str, text: &str) -> String {
    let path = cluster::scratch_folder("file").join(name);
    std::fs::write(&path, text).unwrap();
    let path: &Path = &path;
    path.to_str().unwrap().to_owned()
}
