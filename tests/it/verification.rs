//! `credenza verify`: quiet about what is right, and by name about what is not. For each change of the rows by hand.

use credenza::rotation::{self, Fault};
use credenza::types::{Environment, Service};
use serde_json::json;

use crate::support::TestApp;
use crate::support::installation::Installation;
use crate::support::operator;

async fn populated() -> TestApp {
    let app = TestApp::start().await;
    for email in ["a@one.example", "b@two.example"] {
        let caller = app.account(email).await;
        for supplier in ["HIT", "PCNA"] {
            let base = json!({"supplier_code": supplier, "staging_username": "same", "staging_password": "same",
                              "production_username": "same", "production_password": "same"});
            caller.post("/extra/v2/credentials", base).await.expect(201);
            let own = json!({"service": "INV", "environment": "PROD", "username": "same", "password": "same"});
            caller.post(&format!("/extra/v2/credentials/{supplier}/services"), own).await.expect(201);
        }
    }
    for supplier in ["HIT", "PCNA"] {
        app.set_default(supplier, Environment::Production, &Service::ALL, ("same", "same")).await;
    }
    operator::rotate_signing_key(&app.app).await.unwrap();
    app
}

async fn faults(app: &TestApp) -> Vec<Fault> {
    rotation::verify(&app.app, |_| ()).await.unwrap().faults
}

#[tokio::test]
async fn every_value_and_every_data_key_is_counted_and_opens() {
    let app = populated().await;
    let verified = rotation::verify(&app.app, |_| ()).await.unwrap();
    // Two accounts, two suppliers: two base pairs and a password each; two default pairs; a signing key.
    assert_eq!((verified.values, verified.data_keys), (2 * 2 * (4 + 1) + 2 * 2 + 1, 3));
    assert_eq!(verified.faults, []);
}

/// Changes by hand to the rows of two accounts: the statement, the number of faults, and parts of some of them.
fn acts(first: i64, second: i64) -> Vec<(String, usize, Vec<&'static str>)> {
    let swap = |column: &str| {
        format!(
            "update supplier_credentials c set {column} = o.{column} from supplier_credentials o
             where c.account_id = {first} and o.account_id = {first} and c.supplier_code <> o.supplier_code"
        )
    };
    vec![
        (
            swap("production_password"),
            2,
            vec!["(account F, HIT) production_password", "(account F, PCNA) production_password"],
        ),
        (swap("staging_username"), 2, vec!["(account F, HIT) staging_username", "(account F, PCNA) staging_username"]),
        (
            format!(
                "update supplier_credentials set staging_password = production_password
                     where account_id = {first} and supplier_code = 'HIT'"
            ),
            1,
            vec!["(account F, HIT) staging_password"],
        ),
        (
            format!(
                "update service_credentials set username = 'another' where account_id = {second} and supplier_code = 'HIT'"
            ),
            1,
            vec!["service_credentials (account S, HIT, INV, PROD) password"],
        ),
        (
            format!(
                "update service_credentials set password = set_byte(password, 25, get_byte(password, 25) # 1)
                     where account_id = {second} and supplier_code = 'PCNA'"
            ),
            1,
            vec!["service_credentials (account S, PCNA, INV, PROD) password"],
        ),
        (
            "update default_credentials c set password = o.password from default_credentials o
             where c.supplier_code <> o.supplier_code"
                .to_owned(),
            2,
            vec![
                "default_credentials (account 0, HIT, PROD) password",
                "default_credentials (account 0, PCNA, PROD) password",
            ],
        ),
        (
            "update signing_keys set private_key = substring(private_key for 20)".to_owned(),
            1,
            vec![") private_key: the sealed form is malformed"],
        ),
        (
            "alter table supplier_credentials drop constraint supplier_credentials_staging_whole;
             update supplier_credentials set staging_username = null where supplier_code = 'HIT'"
                .to_owned(),
            2,
            vec![
                "(account F, HIT) staging_username: the sealed form",
                "(account S, HIT) staging_username: the sealed form",
            ],
        ),
        (
            format!("delete from data_keys where account_id = {second}"),
            // Two rows with two pairs and two passwords lose their data key together; of a pair, the first column is named.
            6,
            vec!["(account S, HIT) staging_username: the data key of generation 1 is missing"],
        ),
        (
            format!("update data_keys set kek_id = 'lost' where account_id = {second}"),
            7,
            vec!["data_keys (account S, 1) wrapped: the key-encryption key of a data key is not in the keyring"],
        ),
        (
            format!(
                "update data_keys set wrapped = (select wrapped from data_keys where account_id = {first})
                     where account_id = {second}"
            ),
            7,
            vec!["data_keys (account S, 1) wrapped: the seal does not match"],
        ),
    ]
}

#[tokio::test]
async fn each_act_by_hand_is_named_and_nothing_else() {
    let app = populated().await;
    let first = app.rows("select min(account_id) as id from supplier_credentials").await[0]["id"].as_i64().unwrap();
    let second = first + 1;
    let tables = ["data_keys", "supplier_credentials", "service_credentials", "default_credentials", "signing_keys"];
    for table in tables {
        app.sql(&format!("create table saved_{table} as table {table}")).await;
    }
    for (act, number, expected) in acts(first, second) {
        app.sql(&act).await;
        let found: Vec<_> = faults(&app).await.iter().map(ToString::to_string).collect();
        for part in &expected {
            let part = part
                .replace("account F", &format!("account {first}"))
                .replace("account S", &format!("account {second}"));
            assert!(found.iter().any(|fault| fault.contains(&part)), "`{part}` is missing after `{act}`: {found:#?}");
        }
        assert_eq!(found.len(), number, "{act}: {found:#?}");
        let back = tables.map(|table| format!("insert into {table} table saved_{table};")).concat();
        app.sql(&format!("truncate {} cascade; {back}", tables.join(", "))).await;
        assert_eq!(faults(&app).await, []);
    }
}

#[tokio::test]
async fn the_command_counts_and_names_and_sets_its_exit_code() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let set = [
        "default-credentials",
        "set",
        "--supplier",
        "HIT",
        "--environment",
        "PROD",
        "--username",
        "shared",
        "--password-stdin",
    ];
    let made = installation.run_with(&set, "sentinel-password").await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let sound = installation.run(&["verify"]).await;
    let (values, chains) = sound.done().split_once('\n').unwrap();
    assert_eq!(values, "1 data keys, 2 sealed values, 0 faults");
    assert!(chains.starts_with("3 records in 2 chains: no damage"), "{chains}");
    let whole = installation.run(&["verify", "--json"]).await.json();
    assert_eq!((&whole["data_keys"], &whole["values"], &whole["faults"]), (&json!(1), &json!(2), &json!([])));
    assert_eq!((&whole["audit"]["records"], &whole["audit"]["faults"]), (&json!(3), &json!([])));

    let mut admin = sqlx::ConnectOptions::connect(&installation.database.admin).await.unwrap();
    sqlx::raw_sql("update default_credentials set password = username").execute(&mut admin).await.unwrap();
    let found = installation.run(&["verify"]).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    let line =
        "fault: default_credentials (account 0, HIT, PROD) password: the seal does not match the value or its place";
    assert!(found.stdout.starts_with(&format!("{line}\n1 data keys, 2 sealed values, 1 faults\n")), "{found:?}");
    assert!(found.stderr.ends_with("error: what is stored is not what was sealed\n"), "{found:?}");
    let found = installation.run(&["verify", "--json"]).await;
    assert_eq!(found.code, Some(1));
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found["faults"][0]["key"], json!(["HIT", "PROD"]));
    drop(account);
}

#[tokio::test]
async fn it_works_while_rows_come_change_and_go() {
    let app = populated().await;
    let caller = app.account("busy@platform.example").await;
    let busy = async {
        for round in 0..40 {
            let base =
                json!({"supplier_code": "HIT", "production_username": "u", "production_password": format!("p{round}")});
            caller.post("/extra/v2/credentials", base).await.expect(201);
            let gone = app.account("gone@platform.example").await;
            let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
            gone.post("/extra/v2/credentials", base).await.expect(201);
            operator::purge(&app.app, gone.account).await.unwrap();
        }
    };
    let looking = async {
        for _ in 0..40 {
            assert_eq!(faults(&app).await, []);
        }
    };
    tokio::join!(busy, looking);
}

#[tokio::test]
async fn a_new_seal_never_replaces_a_newer_write() {
    use credenza::credentials::{BasePairs, ServicePasswords};
    use credenza::vault::{Resealed, Sealed, SealedRow, SealedTable, Span};

    /// The first row as it is, to be stored with the seals that it has.
    async fn read(app: &TestApp, table: &impl SealedTable) -> Resealed {
        let (first, last) = (credenza::types::AccountId(0), credenza::types::AccountId(i64::MAX));
        let span = Span { first, last, after: None };
        let row: SealedRow = table.page(&mut app.admin().await, &span, 1).await.unwrap().remove(0);
        let sealed = row.sealed.iter().map(|bytes| Sealed::parse(bytes.clone()).unwrap()).collect();
        Resealed { row, sealed }
    }
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    let write = async |password: &str| {
        let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": password});
        caller.post("/extra/v2/credentials", base).await.expect(201);
        let own = json!({"service": "INV", "environment": "PROD", "username": "u", "password": password});
        caller.post("/extra/v2/credentials/HIT/services", own).await.expect(201);
    };
    write("old").await;
    let (base, own) = (BasePairs(Environment::Production), ServicePasswords);
    let (base_row, own_row) = (read(&app, &base).await, read(&app, &own).await);
    assert_eq!(base.replace(&mut app.admin().await, std::slice::from_ref(&base_row)).await.unwrap(), 1);
    assert_eq!(own.replace(&mut app.admin().await, std::slice::from_ref(&own_row)).await.unwrap(), 1);
    write("new").await;
    assert_eq!(base.replace(&mut app.admin().await, &[base_row]).await.unwrap(), 0);
    assert_eq!(own.replace(&mut app.admin().await, &[own_row]).await.unwrap(), 0);
    for service in ["Product", "INV"] {
        assert_eq!(caller.resolve("HIT", service, "PROD").await.expect(200)["password"], "new");
    }
}
