//! SQL as the superuser, past the application, and changes made by another process.

use credenza::app::App;
use credenza::audit::checkpoint::{self, Checkpoint};
use credenza::audit::verify::verify;
use credenza::cluster::Owner;
use credenza::credentials::{self, BaseUpdate, Conditions};
use credenza::postgres::Tenant;
use credenza::principal::{Actor, Scope};
use credenza::types::AccountId;
use credenza::work::Work;
use sqlx::{ConnectOptions, PgConnection};

use super::app::TestApp;
use super::caller::Caller;
use super::cluster::in_tests;
use super::program::a_moment;

/// Tables whose rows are cached, parents first.
pub const CACHED: [&str; 9] = [
    "accounts",
    "credential_manifests",
    "users",
    "api_keys",
    "suppliers",
    "data_keys",
    "supplier_credentials",
    "service_credentials",
    "default_credentials",
];

impl TestApp {
    /// A connection of the superuser.
    pub async fn admin(&self) -> PgConnection {
        self.database.admin.connect().await.unwrap()
    }

    /// Runs statements as the superuser, as a person with psql would.
    pub async fn sql(&self, statements: &str) {
        let result = sqlx::raw_sql(in_tests(statements.to_owned())).execute(&mut self.admin().await).await;
        result.unwrap_or_else(|error| panic!("{error}: {statements}"));
    }

    /// Runs statements as the superuser, and authenticates what they have made of rows that give rights, as the application does
    /// when it changes them.
    pub async fn sql_authenticated(&self, statements: &str) {
        let mut admin = self.admin().await;
        sqlx::raw_sql("begin").execute(&mut admin).await.unwrap();
        let result = sqlx::raw_sql(in_tests(statements.to_owned())).execute(&mut admin).await;
        result.unwrap_or_else(|error| panic!("{error}: {statements}"));
        credenza::rights::authenticate_every_row(&mut admin, &self.app.pepper).await.unwrap();
        sqlx::raw_sql("commit").execute(&mut admin).await.unwrap();
    }

    /// Keeps a copy of every row that the service caches ...
    pub async fn save_rows(&self) {
        self.sql(&CACHED.map(|table| format!("create table saved_{table} as table {table};")).concat()).await;
    }

    /// ... and puts the rows back as they were.
    pub async fn restore_rows(&self) {
        let back = CACHED.map(|table| format!("insert into {table} table saved_{table};")).concat();
        self.sql(&format!("begin; truncate {} cascade; {back} commit", CACHED.join(", "))).await;
    }

    /// Waits until the change feed has received everything that was committed so far, so that what a test sees next is not
    /// owed to a message of its preparations. Messages come in the order of their commits.
    pub async fn feed_has_caught_up(&self) {
        let trust = self.app.cluster.trust();
        let nobody = Owner::Account(AccountId(-1));
        let generation = || trust.begin(&nobody).map(|reading| reading.generation);
        let before = generation();
        self.sql("select pg_notify('credenza_changes', 'account -1')").await;
        while generation() == before {
            a_moment().await;
        }
    }

    /// Forgets everything cached, for tests that are not about caches.
    pub fn forget(&self) {
        self.app.cluster.trust().bump(&Owner::Everything);
    }

    /// Puts a supplier into the directory, or changes it. `excluded` is a list separated by blanks.
    pub async fn supplier(&self, code: &str, name: &str, excluded: &str) {
        let file = format!("supplier_code,supplier_name,excluded_services\n{code},{name},{excluded}\n");
        super::operator::import_directory(&self.app, &file).await.unwrap();
    }

    /// A new account whose key may do everything with credentials, resolve them as well.
    pub async fn account_that_resolves(&self, email: &str) -> Caller<'_> {
        let scopes = [Scope::CredentialsRead, Scope::CredentialsWrite, Scope::CredentialsResolve];
        self.account(email).await.with_scopes(&scopes).await
    }
}

impl TestApp {
    /// Waits until every resolve so far is on record.
    pub async fn resolves_are_written(&self) {
        super::program::eventually("the resolves are written", async || self.app.recorder.backlog() == 0).await;
    }

    /// The records of resolves, in a few words each: account, outcome, level, supplier, service, environment.
    pub async fn recorded_resolves(&self) -> Vec<String> {
        self.resolves_are_written().await;
        let select = "select account_id, outcome, source, supplier_code, service, environment from audit_events
            where action = 'credentials.resolved' order by account_id, sequence";
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let describe = |event: &serde_json::Value| {
            ["account_id", "outcome", "source", "supplier_code", "service", "environment"]
                .map(|column| text(&event[column]))
                .join(" ")
        };
        self.rows(select).await.iter().map(describe).collect()
    }
}

impl TestApp {
    /// The findings of verification, in a few words each: account, first and last record, kind of damage.
    pub async fn audit_faults(&self) -> Vec<String> {
        self.audit_faults_against(&[]).await
    }

    /// The same against checkpoints.
    pub async fn audit_faults_against(&self, checkpoints: &[Checkpoint]) -> Vec<String> {
        let report = verify(&self.app.pool, &self.app.audit_key, None, checkpoints, |_| ()).await.unwrap();
        let faults = report.faults.iter();
        faults
            .map(|fault| format!("{} {}-{} {}", fault.account_id, fault.first, fault.last, fault.damage.as_str()))
            .collect()
    }

    /// The signed heads of all chains.
    pub async fn checkpoints(&self) -> Vec<Checkpoint> {
        let mut checkpoints = Vec::new();
        let mut transaction = self.app.read(Tenant::Every).await.unwrap();
        let now = self.app.clock.now();
        checkpoint::take(&mut transaction, &self.app.audit_key, None, now, |checkpoint| {
            checkpoints.push(checkpoint.clone());
        })
        .await
        .unwrap();
        checkpoints
    }
}

/// Stores base credentials as another process does.
pub async fn store_base(app: &App, account: AccountId, update: BaseUpdate) {
    let sealer = app.vault.sealer(account, app.clock.now()).await.unwrap();
    let (operator, whatever) = (Actor::operator(), Conditions::default());
    let mut work = Work::begin(app, &operator, account).await.unwrap();
    credentials::upsert_base(&mut work, update, Some(&sealer), &whatever).await.unwrap();
    work.commit(None).await.unwrap();
}
