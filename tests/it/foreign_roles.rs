//! A role of the database that may only connect gets nothing, holds up nobody, and is believed nothing.

use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

use crate::support::cluster::in_tests;
use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;

/// An installation that was migrated as operators do it, and a role of somebody else's.
async fn with_reporter() -> (Installation, PgConnection, String) {
    let installation = Installation::new().await;
    installation.run(&["migrate"]).await.done();
    let database = installation.database.admin.get_database().unwrap().to_owned();
    let reporter = format!("reporter_{database}");
    let mut admin = installation.database.admin.connect().await.unwrap();
    sqlx::raw_sql(in_tests(format!("create role {reporter} login password 'r'"))).execute(&mut admin).await.unwrap();
    let (_, rest) = installation.setting("DATABASE_URL").split_once('@').unwrap();
    let url = format!("postgres://{reporter}:r@{rest}");
    (installation, admin, url)
}

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    url.parse::<sqlx::postgres::PgConnectOptions>().unwrap().connect().await
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().unwrap().code().unwrap().into_owned()
}

fn counter(page: &str, metric: &str) -> f64 {
    let of_line = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    page.lines().filter(|line| line.starts_with(metric)).map(of_line).sum()
}

async fn is_ready(service: &Service) {
    eventually("it is ready", async || service.public.is_at_full_speed().await).await;
}

#[tokio::test]
async fn nobody_may_connect_or_call_a_function_who_was_not_given_the_right() {
    let (installation, mut admin, url) = with_reporter().await;
    assert_eq!(code(&connect(&url).await.unwrap_err()), "42501");
    let database = installation.database.admin.get_database().unwrap();
    let role = format!("reporter_{database}");
    sqlx::raw_sql(in_tests(format!("grant connect on database {database} to {role}")))
        .execute(&mut admin)
        .await
        .unwrap();
    let open: Vec<String> = sqlx::query_scalar(
        "select proname::text from pg_proc
         where pronamespace = 'public'::regnamespace and has_function_privilege('public', oid, 'execute')",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(open, [""; 0]);
    let mut reporter = connect(&url).await.unwrap();
    for statement in [
        "lock table membership in exclusive mode",
        "lock table membership in share mode",
        "select join_instances(gen_random_uuid(), 'x', 1000)",
        "select remove_instance(gen_random_uuid())",
        "select announce_change('everything')",
        "select * from instances",
    ] {
        let error = sqlx::raw_sql(in_tests(statement.to_owned())).execute(&mut reporter).await.unwrap_err();
        assert!(["42501", "25P01"].contains(&code(&error).as_str()), "{statement}: {error}");
    }
    reporter.close().await.unwrap();
    let error = sqlx::raw_sql("insert into instances (id, name, lease_ms) values (gen_random_uuid(), 'x', 5001)")
        .execute(&mut admin)
        .await
        .unwrap_err();
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("instances_lease_range"));
}

#[tokio::test]
async fn locks_and_messages_of_a_stranger_change_nothing() {
    let (installation, mut admin, url) = with_reporter().await;
    let database = installation.database.admin.get_database().unwrap();
    let role = format!("reporter_{database}");
    sqlx::raw_sql(in_tests(format!("grant connect on database {database} to {role}")))
        .execute(&mut admin)
        .await
        .unwrap();
    let account = installation.account("A").await;
    let scopes = "credentials:read,credentials:write,credentials:resolve";
    let key = installation.key(&account, &["--scopes", scopes]).await;
    let service = installation.serve().await;
    is_ready(&service).await;
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    let write = async || service.public.with_key(&key).post("/extra/v2/credentials", &body).await;
    write().await.expect(201);

    // The lock that all writes once took, and whatever else can be guessed.
    let mut reporter = connect(&url).await.unwrap();
    sqlx::raw_sql("select pg_advisory_lock(7310034283826791525)").execute(&mut reporter).await.unwrap();
    // A write that waited for it would be refused after ten seconds.
    write().await.expect(201);

    service.resolve(&key, &account, "HIT").await.expect(200);
    let instance: Uuid = sqlx::query_scalar("select id from instances").fetch_one(&mut admin).await.unwrap();
    let page = || async { service.internal.get("/metrics").await.body };
    let before = counter(&page().await, "credenza_cache_bypasses_total");
    let hold = format!("hold {} {}\neverything", Uuid::new_v4(), Uuid::new_v4());
    let forged =
        [hold, format!("gone {instance}"), format!("renewed {instance} 1000000"), format!("done {}", Uuid::nil())];
    for channel in ["credenza_changes", "credenza_members"] {
        for message in &forged {
            for text in [message.clone(), format!("{:032x} {message}", 7)] {
                let notify = sqlx::query("select pg_notify($1, $2)").bind(channel).bind(text);
                notify.execute(&mut reporter).await.unwrap();
            }
        }
    }
    // All of these were heard by then: what is not even of the form of a message voids the caches, as from a newer version.
    eventually("they are heard", async || {
        counter(&page().await, "credenza_changes_heard_total{kind=\"foreign\"}") >= 12.0
    })
    .await;
    for _ in 0..10 {
        service.resolve(&key, &account, "HIT").await.expect(200);
    }
    let after = counter(&page().await, "credenza_cache_bypasses_total");
    assert!(after - before < 1.0, "{before} {after}");
    service.program.stop().await.done();
}
