//! Row security: that every table of tenants' rows has it, and that it holds against any statement of the application's
//! role. `walls.rs` shows that it holds for the application as a whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection, query_scalar};

use credenza::calls::health::Login;
use credenza::calls::health::state::Verdict;
use credenza::postgres::bootstrap::APPLICATION;
use credenza::resolver::LoginVersion;
use credenza::resolver::precedence::Level;
use credenza::types::{AccountId, Environment};

use crate::support::app::code;
use crate::support::cluster::{PASSWORD, in_tests, server};
use crate::support::installation::Installation;
use crate::support::{Caller, TestApp};

/// Tables of no tenant.
const OF_NO_TENANT: [(&str, &str); 13] = [
    ("_sqlx_migrations", "which migrations were applied"),
    ("audit_former_writers", "which instances recorded resolves before an upgrade"),
    ("audit_writers", "which instances record resolves"),
    ("authenticated_rights", "that older rows have their MACs"),
    ("data_key_rotations", "what the command line has begun"),
    ("default_credentials", "the operator's own; sealed"),
    ("instances", "who answers from memory"),
    ("key_encryption_keys", "which may wrap, by id"),
    ("membership", "a lock without rows"),
    ("secret_fingerprints", "which secrets this database was used with"),
    ("signing_keys", "the operator's own; the private halves sealed"),
    ("supplier_endpoints", "the operator's own; authenticated"),
    ("suppliers", "the directory, which everybody reads"),
];

/// Keys of tenants' tables that start with another column than the account.
const OTHER_KEYS: [(&str, &str); 4] = [
    ("accounts_parent_fkey", "the table of accounts is small and the same everywhere: a reference table"),
    ("accounts_pkey", "the same"),
    ("login_health_supplier_fkey", "the directory is a reference table"),
    ("supplier_credentials_supplier_fkey", "the directory is a reference table as well"),
];

/// The names of the first column of a query.
async fn names(connection: &mut PgConnection, query: &str) -> Vec<String> {
    query_scalar(in_tests(query.to_owned())).fetch_all(connection).await.unwrap()
}

/// The tables of tenants' rows, each with the column that names the tenant.
async fn tenant_tables(admin: &mut PgConnection) -> BTreeMap<String, &'static str> {
    let tables = "select relname::text from pg_class join pg_attribute on attrelid = pg_class.oid
                  where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and attname = 'account_id'";
    let mut tables: BTreeMap<_, _> =
        names(admin, tables).await.into_iter().map(|table| (table, "account_id")).collect();
    tables.insert("accounts".to_owned(), "id");
    tables
}

#[tokio::test]
async fn every_table_has_the_policy_or_is_named_here_with_the_reason_why_not() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    let tenants = tenant_tables(&mut admin).await;
    let all = "select relname::text from pg_class
               where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace order by relname";
    for table in names(&mut admin, all).await {
        let excepted = OF_NO_TENANT.iter().any(|(name, _)| *name == table);
        assert_ne!(tenants.contains_key(&table), excepted, "{table}: has it an account_id?");
        let security = format!(
            "select relrowsecurity, relforcerowsecurity, polpermissive, polcmd, polroles,
                 pg_get_expr(polqual, polrelid) as using, pg_get_expr(polwithcheck, polrelid) as with_check
             from pg_class left join pg_policy on polrelid = pg_class.oid where pg_class.oid = '{table}'::regclass"
        );
        let using = match table.as_str() {
            "accounts" => "((id = current_tenant()) OR (parent_id = current_tenant()) OR every_tenant())",
            _ => "((account_id = current_tenant()) OR every_tenant())",
        };
        let expected = json!([{
            "relrowsecurity": true, "relforcerowsecurity": true, "polpermissive": true,
            // For every command, of every role; and what may be seen is what may be written.
            "polcmd": "*", "polroles": ["0"], "using": using, "with_check": null,
        }]);
        if !excepted {
            assert_eq!(Value::Array(app.rows(&security).await), expected, "{table}: see protect_tenant_rows()");
        }
    }
}

#[tokio::test]
async fn every_key_of_a_tenants_table_starts_with_the_account() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    let tables = tenant_tables(&mut admin).await;
    let keys = app
        .rows(
            "select conname, conrelid::regclass::text as table, contype, attname from pg_constraint
             join pg_attribute on attrelid = conrelid and attnum = conkey[1]
             where contype in ('p', 'f') and connamespace = 'public'::regnamespace order by conname",
        )
        .await;
    let of_tenants = keys.iter().filter(|key| tables.contains_key(key["table"].as_str().unwrap()));
    let others = of_tenants.filter(|key| key["attname"] != "account_id").map(|key| key["conname"].as_str().unwrap());
    assert_eq!(others.collect::<Vec<_>>(), OTHER_KEYS.map(|(name, _)| name));
    // A table without a primary key could not be distributed at all.
    for table in tables.keys() {
        assert!(keys.iter().any(|key| key["table"] == table.as_str() && key["contype"] == "p"), "{table}");
    }
}

#[tokio::test]
async fn the_applications_role_owns_nothing_and_is_in_no_other_role() {
    let app = TestApp::start().await;
    let owned = format!(
        "select relname from pg_class where relowner = '{APPLICATION}'::regrole
         union all select proname from pg_proc where proowner = '{APPLICATION}'::regrole
         union all select nspname from pg_namespace where nspowner = '{APPLICATION}'::regrole
         union all select datname from pg_database where datdba = '{APPLICATION}'::regrole
         union all select roleid::regrole::name from pg_auth_members where member = '{APPLICATION}'::regrole"
    );
    assert_eq!(app.rows(&owned).await, Vec::<Value>::new());
    let attributes = format!("select rolsuper, rolbypassrls from pg_roles where rolname = '{APPLICATION}'");
    assert_eq!(app.rows(&attributes).await, [json!({"rolsuper": false, "rolbypassrls": false})]);
}

/// Something of the account's in every table of tenants' rows.
async fn fill(app: &TestApp, caller: &Caller<'_>) {
    let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    caller.with_header("idempotency-key", "k").post("/extra/v2/credentials", base).await.expect(201);
    let own = json!({"service": "INV", "environment": "PROD", "username": "u", "password": "p"});
    caller.post("/extra/v2/credentials/HIT/services", own).await.expect(201);
    let client = caller.client().await;
    let token = app.token(&client).await;
    app.revoke_token(&client, &token).await;
    app.app.last_use.write(&app.app.pool).await;
    let login = Login {
        account: caller.account,
        supplier: code("HIT"),
        level: Level::Account,
        service: None,
        environment: Environment::Production,
        version: LoginVersion([7; 16]),
    };
    app.app.health.note(login, Verdict::Accepted);
    app.app.health.write().await.unwrap();
}

/// Begins a transaction of the application's role on the rows of an account.
async fn begin(connection: &mut PgConnection, tenant: AccountId) {
    let begin = format!("begin; set local credenza.account_id = '{tenant}'");
    sqlx::raw_sql(in_tests(begin)).execute(connection).await.unwrap();
}

/// How many rows a statement meets, or the state it ends with; nothing of it stays.
async fn tried(connection: &mut PgConnection, statement: &str) -> Result<u64, String> {
    sqlx::raw_sql("savepoint before").execute(&mut *connection).await.unwrap();
    let result = sqlx::raw_sql(in_tests(statement.to_owned())).execute(&mut *connection).await;
    sqlx::raw_sql("rollback to before").execute(connection).await.unwrap();
    result.map(|done| done.rows_affected()).map_err(|error| error.as_database_error().unwrap().code().unwrap().into())
}

#[tokio::test]
async fn no_statement_of_one_tenant_sees_or_changes_a_row_of_another() {
    let app = TestApp::start().await;
    let (mine, theirs) = (app.account("a@platform.example").await, app.account("b@platform.example").await);
    for caller in [&mine, &theirs] {
        fill(&app, caller).await;
    }
    let (mine, theirs) = (mine.account, theirs.account);
    let tables = tenant_tables(&mut app.admin().await).await;
    let mut connection = app.database.application.connect().await.unwrap();
    for (table, column) in &tables {
        let stored = app.rows(&format!("select * from {table} where {column} = {theirs}")).await;
        assert!(!stored.is_empty(), "{table}: fill() needs a case for it");
        let count = format!("select * from {table}");
        // No tenant, no rows.
        assert_eq!(sqlx::raw_sql(in_tests(count.clone())).execute(&mut connection).await.unwrap().rows_affected(), 0);

        begin(&mut connection, mine).await;
        let own = tried(&mut connection, &count).await.unwrap();
        assert_eq!(
            own,
            app.rows(&format!("select * from {table} where {column} = {mine}")).await.len() as u64,
            "{table}"
        );
        assert!(own > 0, "{table}");
        for statement in [
            format!("select * from {table} where {column} = {theirs}"),
            format!("select * from {table} where {column} = {theirs} for update"),
            format!("update {table} set {column} = {column} where {column} = {theirs}"),
            format!("update {table} set {column} = {mine} where {column} = {theirs}"),
            format!("delete from {table} where {column} = {theirs}"),
        ] {
            let met = tried(&mut connection, &statement).await;
            // Records cannot be changed at all, and heads not deleted.
            let is_evidence = table == "audit_events" || table == "audit_heads" && statement.starts_with("delete");
            let refused = is_evidence && met == Err("42501".to_owned());
            assert!(met == Ok(0) || refused, "{statement}: {met:?}");
        }
        let copy = stored[0].to_string().replace('\'', "''");
        for statement in [
            format!("insert into {table} select * from jsonb_populate_record(null::{table}, '{copy}')"),
            format!("update {table} set {column} = {theirs}"),
        ] {
            assert_eq!(tried(&mut connection, &statement).await, Err("42501".to_owned()), "{statement}");
        }
        sqlx::raw_sql("rollback").execute(&mut connection).await.unwrap();
        assert_eq!(app.rows(&format!("select * from {table} where {column} = {theirs}")).await, stored);
    }
}

#[tokio::test]
async fn a_parent_sees_the_entries_of_its_sub_accounts_and_nothing_else_of_them() {
    let app = TestApp::start().await;
    let parent = app.account("parent@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await;
    fill(&app, &child).await;
    let mut connection = app.database.application.connect().await.unwrap();
    for table in tenant_tables(&mut app.admin().await).await.keys() {
        begin(&mut connection, parent.account).await;
        let of_child = match table.as_str() {
            "accounts" => format!("select * from accounts where id = {}", child.account),
            table => format!("select * from {table} where account_id = {}", child.account),
        };
        let expected = u64::from(table == "accounts");
        assert_eq!(tried(&mut connection, &of_child).await, Ok(expected), "{table}");
        sqlx::raw_sql("rollback").execute(&mut connection).await.unwrap();
    }
    begin(&mut connection, child.account).await;
    assert_eq!(tried(&mut connection, "select * from accounts").await, Ok(1));
}

#[tokio::test]
async fn a_hot_read_leaves_the_tenant_as_it_was() {
    let app = TestApp::start().await;
    let other = AccountId(4_711);
    let mut connection = app.database.application.connect().await.unwrap();
    let settings = "select coalesce(current_setting('credenza.account_id', true), '') || '/'
                        || coalesce(current_setting('credenza.every_account', true), '')";
    for read in [
        "account_status(1)",
        "account_bundle(1, 'HIT')",
        "account_bundle_and_manifest(1, 'HIT')",
        "configured_credentials(1, null)",
        "data_key(1, 1)",
        "is_token_revoked(1, gen_random_uuid())",
        "api_key_by_hash('')",
        "oauth_client_by_client_id('')",
        "is_allowed_origin('')",
        "plan_of_parent()",
        "why_rights_ended(1, 1, null, null, null, '{}', now())",
        "claim_idempotency_key(1, '', 1, now())",
        "why_rights_ended(1, 1, null, null, null, '{}', now())",
        "login_health_of(1, 'HIT')",
        "last_accepted_calls('HIT')",
        "keep_outcome(0, sha256(''), sha256(''), 201::smallint, null, '{}', now())",
    ] {
        let read = format!("select * from {read}");
        sqlx::raw_sql(in_tests(read.clone())).execute(&mut connection).await.unwrap();
        assert_eq!(query_scalar::<_, String>(settings).fetch_one(&mut connection).await.unwrap(), "/");
        begin(&mut connection, other).await;
        sqlx::raw_sql(in_tests(read)).execute(&mut connection).await.unwrap();
        let after: String = query_scalar(settings).fetch_one(&mut connection).await.unwrap();
        assert_eq!(after, format!("{other}/"));
        sqlx::raw_sql("rollback").execute(&mut connection).await.unwrap();
    }
    let ours = "select proname::text from pg_proc where pronamespace = 'public'::regnamespace and prosrc ~ 'set_config'
         and prosrc ~ 'credenza.(account_id|every_account)'";
    assert_eq!(names(&mut connection, ours).await.len(), 15, "a new one needs its case here");
}

#[tokio::test]
async fn an_operation_on_every_tenant_walks_along_the_index() {
    let app = TestApp::start().await;
    app.sql_authenticated(
        "insert into accounts (id, name, created_at, modified_on)
         select number, 'A', now(), now() from generate_series(1, 1000) number;
         insert into data_keys (account_id, generation, kek_id, wrapped, created_at)
         select account, generation, 'k', sha256('x'), now()
         from generate_series(1, 20) generation, generate_series(1, 1000) account;
         analyze data_keys",
    )
    .await;
    let mut connection = app.database.application.connect().await.unwrap();
    sqlx::raw_sql("begin; set local credenza.every_account = 'on'").execute(&mut connection).await.unwrap();
    let page = "explain select account_id, generation, kek_id, wrapped from data_keys
                where (account_id, generation) > (1, 1) order by account_id, generation limit 1000";
    let plan = names(&mut connection, page).await.join("\n");
    assert!(plan.contains("Index Scan using data_keys_pkey") && !plan.contains("Sort"), "{plan}");
}

#[tokio::test]
async fn serve_refuses_a_role_that_row_security_does_not_hold_for() {
    let installation = Installation::new().await;
    let mut admin = installation.database.admin.connect().await.unwrap();
    let bypassing = format!("bypassing_{}", std::process::id());
    let role =
        format!("create role {bypassing} login bypassrls password '{PASSWORD}'; grant {APPLICATION} to {bypassing}");
    sqlx::raw_sql(in_tests(role)).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();

    let database = installation.database.admin.get_database().unwrap();
    let server = server().await;
    for (url, why) in [
        (installation.setting("CREDENZA_MIGRATION_DATABASE_URL").to_owned(), "owns the table `_sqlx_migrations`"),
        (server.admin_url(database), "is a superuser"),
        (server.url(&bypassing, PASSWORD, database), "has BYPASSRLS"),
    ] {
        let refused = installation.with("DATABASE_URL", &url).run(&["serve"]).await;
        refused.refused(1, &format!("of DATABASE_URL {why}, so the database would not keep tenants apart"));
        refused.refused(1, "CREDENZA_MIGRATION_DATABASE_URL");
    }
}
