//! Two transactions that meet in the database, in an order that the test chooses.

use std::pin::pin;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::app::TestApp;
use super::cluster::in_tests;
use super::program::PATIENCE;

/// A transaction of a person with psql, begun and not ended.
pub struct Meanwhile {
    connection: PgConnection,
}

impl TestApp {
    /// Begins a transaction and runs statements in it.
    pub async fn meanwhile(&self, statements: &str) -> Meanwhile {
        let mut connection = self.admin().await;
        sqlx::raw_sql(in_tests(format!("begin; {statements}"))).execute(&mut connection).await.unwrap();
        Meanwhile { connection }
    }

    /// Whether somebody waits for a lock in the database.
    pub async fn somebody_waits_for_a_lock(&self) -> bool {
        let waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        !self.rows(waiting).await.is_empty()
    }
}

impl Meanwhile {
    /// Commits when the other one has come to the point where it waits; answers what came of the other one.
    pub async fn commit_when_it_waits<T>(self, app: &TestApp, other: impl Future<Output = T>) -> T {
        self.commit_when_it_waits_and(app, other, async || ()).await
    }

    /// The same, after something else has happened while it waits.
    pub async fn commit_when_it_waits_and<T>(
        mut self,
        app: &TestApp,
        other: impl Future<Output = T>,
        first: impl AsyncFnOnce(),
    ) -> T {
        let mut other = pin!(other);
        let deadline = Instant::now() + PATIENCE;
        while !app.somebody_waits_for_a_lock().await {
            assert!(Instant::now() < deadline, "nobody waits");
            // The other one goes on between two looks.
            tokio::select! {
                _ = &mut other => panic!("it did not wait"),
                () = sleep(std::time::Duration::from_millis(1)) => {}
            }
        }
        first().await;
        sqlx::raw_sql("commit").execute(&mut self.connection).await.unwrap();
        other.await
    }
}
