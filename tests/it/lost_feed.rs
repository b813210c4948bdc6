//! When the connection of the change feed is lost, changes of others would go unheard. So nothing is answered from memory
//! until it listens again, and nothing from before the loss after that.

use std::time::Instant;

use sqlx::Row;

use crate::support::TestApp;
use crate::support::cluster::in_tests;
use crate::support::fixtures::{SOON, furnished, seen, soon_sees};
use crate::support::program::a_moment;

#[tokio::test]
async fn while_the_feed_is_lost_nothing_is_answered_from_memory() {
    let app = TestApp::start().await;
    let caller = furnished(&app).await;
    let mut admin = app.admin().await;
    assert_eq!(seen(&caller).await, "own base shared");

    // The pool opens all the connections it may have. Then the feed's connection ends, and nobody can make a new one.
    let mut pool = Vec::new();
    for _ in 0..app.app.pool.options().get_max_connections() {
        pool.push(app.app.pool.acquire().await.unwrap());
    }
    drop(pool);
    let name: String = sqlx::query("select current_database()").fetch_one(&mut admin).await.unwrap().get(0);
    sqlx::raw_sql(in_tests(format!("revoke connect on database {name} from public, credenza")))
        .execute(&mut admin)
        .await
        .unwrap();
    let ended = sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'credenza-feed'",
    );
    assert_eq!(ended.fetch_all(&mut admin).await.unwrap().len(), 1, "the feed has one connection");
    let trust = app.app.cluster.trust();
    let start = Instant::now();
    while trust.has_lease() {
        assert!(start.elapsed() < SOON, "the feed does not notice that its connection ended");
        a_moment().await;
    }
    for (act, expected) in [
        ("delete from service_credentials", "base base shared"),
        ("delete from supplier_credentials", "shared shared shared"),
        ("update default_credentials set services = '{MED}'", "403 403 shared"),
    ] {
        app.sql_authenticated(act).await;
        assert_eq!(seen(&caller).await, expected, "{act}");
    }
    assert!(!trust.has_lease());

    sqlx::raw_sql(in_tests(format!("grant connect on database {name} to public"))).execute(&mut admin).await.unwrap();
    let start = Instant::now();
    while !trust.has_lease() {
        assert!(start.elapsed() < SOON, "the feed does not come back");
        a_moment().await;
    }
    // What was cached before the loss is not dug out again, and what changes now is heard again.
    assert_eq!(seen(&caller).await, "403 403 shared");
    app.sql_authenticated("update default_credentials set services = '{INV}'").await;
    soon_sees(&caller, "shared 403 403", "the feed is back").await;
}
