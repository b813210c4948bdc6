//! What happens behind the application's back: SQL by a person, and changes by another process.

use credenza::cluster::Owner;
use credenza::principal::Scope;
use credenza::suppliers;
use credenza::types::AccountId;
use sqlx::{ConnectOptions, PgConnection};

use super::app::TestApp;
use super::caller::Caller;
use super::cluster::in_tests;

/// Tables whose rows are cached, parents first.
pub const CACHED: [&str; 8] = [
    "accounts",
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

    /// Keeps a copy of every row that the service caches ...
    pub async fn save_rows(&self) {
        self.sql(&CACHED.map(|table| format!("create table saved_{table} as table {table};")).concat()).await;
    }

    /// ... and puts the rows back as they were.
    pub async fn restore_rows(&self) {
        let back = CACHED.map(|table| format!("insert into {table} table saved_{table};")).concat();
        self.sql(&format!("begin; truncate {} cascade; {back} commit", CACHED.join(", "))).await;
    }

    /// Waits until the change feed has heard everything that was committed so far, so that what a test sees next is not
    /// owed to a message of its preparations. Messages come in the order of their commits.
    pub async fn feed_has_caught_up(&self) {
        let trust = self.app.cluster.trust();
        let nobody = Owner::Account(AccountId(-1));
        let generation = || trust.begin(&nobody).map(|reading| reading.generation);
        let before = generation();
        self.sql("select pg_notify('credenza_changes', 'account -1')").await;
        while generation() == before {
            tokio::task::yield_now().await;
        }
    }

    /// Forgets everything cached, for tests that are not about caches.
    pub fn forget(&self) {
        self.app.cluster.trust().bump(&Owner::Everything);
    }

    /// Puts a supplier into the directory, or changes it. `excluded` is a list separated by blanks.
    pub async fn supplier(&self, code: &str, name: &str, excluded: &str) {
        let file = format!("supplier_code,supplier_name,excluded_services\n{code},{name},{excluded}\n");
        suppliers::import::import(&self.app, file.as_bytes()).await.unwrap();
    }

    /// A new account whose key may do everything with credentials, resolve them as well.
    pub async fn account_that_resolves(&self, email: &str) -> Caller<'_> {
        let scopes = [Scope::CredentialsRead, Scope::CredentialsWrite, Scope::CredentialsResolve];
        self.account(email).await.with_scopes(&scopes).await
    }
}
