//! What happens behind the application's back: SQL by a person, and changes by another process.

use credenza::cluster::Owner;
use credenza::principal::Scope;
use credenza::suppliers;
use sqlx::{ConnectOptions, PgConnection};

use super::app::{Caller, TestApp};
use super::cluster::in_tests;

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

    /// Forgets everything cached, for tests that are not about caches.
    pub fn forget(&self) {
        self.app.cluster.generations().bump(&Owner::Everything);
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
