//! `credenza account` and `credenza api-key`: what they print, what `--json` holds, and what they refuse.

use serde_json::json;

use crate::support::installation::Installation;

#[tokio::test]
async fn accounts_are_made_and_listed() {
    let installation = Installation::new().await;
    let id = installation.account("Ärzte & Co.").await;
    let create = ["account", "create", "--name", "B", "--owner", "b@example.com", "--plan", "enterprise", "--json"];
    let made = installation.run(&[&create[..], &["--subaccounts"]].concat()).await.json();

    let list = installation.run(&["account", "list"]).await;
    let expected = format!("{id}\tstandard\tactive\tÄrzte & Co.\n{}\tenterprise\tactive\tB", made["id"]);
    assert_eq!(list.done(), expected);
    let list = installation.run(&["account", "list", "--json"]).await.json();
    let named: Vec<_> = list.as_array().unwrap().iter().map(|row| [&row["id"], &row["name"], &row["plan"]]).collect();
    assert_eq!(
        json!(named),
        json!([[id.parse::<i64>().unwrap(), "Ärzte & Co.", "standard"], [made["id"], "B", "enterprise"]])
    );
}

#[tokio::test]
async fn an_account_that_cannot_be_is_refused() {
    let installation = Installation::new().await;
    let make = ["account", "create", "--owner", "a@example.com", "--name"];
    let run = async |more: &[&str]| installation.run(&[&make[..], more].concat()).await;
    run(&[""]).await.refused(2, "'--name <NAME>': must not be empty");
    run(&["A", "--subaccounts"]).await.refused(1, "error: --subaccounts needs --plan enterprise");
    run(&["A", "--plan", "gold"]).await.refused(2, "[possible values: standard, enterprise]");
    let nobody = ["account", "create", "--name", "A", "--owner", "nobody"];
    installation.run(&nobody).await.refused(2, "'--owner <EMAIL>': must be an e-mail address");
    assert_eq!(installation.run(&["account", "list", "--json"]).await.json(), json!([]));
}

#[tokio::test]
async fn keys_are_made_listed_without_their_secret_and_revoked_once() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let private = installation.key(&account, &["--name", "backend"]).await;
    let public = installation.key(&account, &["--public"]).await;
    let operator = installation.key(&account, &["--operator"]).await;
    let reader = installation.key(&account, &["--scopes", "credentials:read,audit:read"]).await;
    assert!(private.starts_with("czs_") && public.starts_with("czp_"), "{private} {public}");

    let list = installation.run(&["api-key", "list", "--account", &account, "--json"]).await;
    assert!([&private, &public, &operator, &reader].iter().all(|key| !list.stdout.contains(key.as_str())));
    let rows = list.json();
    assert_eq!(rows[0]["masked"], format!("czs_…{}", &private[private.len() - 4..]));
    assert_eq!((&rows[0]["name"], &rows[0]["created_by"]), (&json!("backend"), &json!("owner@example.com")));
    assert!(!rows[0]["scopes"].as_array().unwrap().contains(&json!("credentials:resolve")), "{}", rows[0]);
    assert_eq!((&rows[1]["public"], &rows[1]["scopes"]), (&json!(true), &json!([])));
    assert_eq!((&rows[2]["operator"], &rows[2]["scopes"]), (&json!(true), &json!(["credentials:resolve"])));
    assert_eq!((&rows[3]["operator"], &rows[3]["scopes"]), (&json!(false), &json!(["credentials:read", "audit:read"])));

    let id = rows[0]["id"].as_str().unwrap();
    let revoke = ["api-key", "revoke", "--account", &account, id];
    assert_eq!(installation.run(&revoke).await.done(), "revoked");
    let again = installation.run(&revoke).await;
    again.refused(1, "error: API key not found");
    let list = installation.run(&["api-key", "list", "--account", &account]).await;
    let states: Vec<_> = list.done().lines().map(|line| line.split('\t').nth(2).unwrap()).collect();
    assert_eq!(states, ["revoked", "active", "active", "active"]);
}

#[tokio::test]
async fn the_seventh_key_is_refused_until_one_is_revoked() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    for _ in 0..6 {
        installation.key(&account, &[]).await;
    }
    let seventh = ["api-key", "create", "--account", &account, "--public"];
    installation.run(&seventh).await.refused(1, "error: An account can have at most 6 active API keys");
    let list = installation.run(&["api-key", "list", "--account", &account, "--json"]).await.json();
    assert_eq!(list.as_array().unwrap().len(), 6);
    let id = list[0]["id"].as_str().unwrap();
    installation.run(&["api-key", "revoke", "--account", &account, id]).await.done();
    installation.run(&seventh).await.done();
}

#[tokio::test]
async fn a_key_that_cannot_be_is_refused() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let create = ["api-key", "create", "--account", &account];
    let run = async |more: &[&str]| installation.run(&[&create[..], more].concat()).await;
    run(&["--scopes", "everything"]).await.refused(2, "must be one of credentials:read, ");
    run(&["--user", "nobody@example.com"]).await.refused(1, "error: User not found");
    run(&["--public", "--operator"]).await.refused(2, "cannot be used with");
    let ranges: Vec<_> = (0..101).flat_map(|index| ["--allowed-ip".to_owned(), format!("10.0.{index}.0/24")]).collect();
    let ranges: Vec<_> = create.into_iter().chain(ranges.iter().map(String::as_str)).collect();
    installation.run(&ranges).await.refused(1, "error: a key has at most 100 ranges of addresses");
    let wrong = [&create[..], &["--allowed-ip", "10.0.0.0/8", "--allowed-ip", "10.0.0.0/33"]].concat();
    installation.run(&wrong).await.refused(1, "error: range 2 of addresses must be an address or a range");
    installation.run(&["api-key", "create", "--account", "99"]).await.refused(1, "error: Account not found");
    installation.run(&["api-key", "create", "--account", "0"]).await.refused(1, "error: Account not found");
    installation.run(&["api-key", "revoke", "--account", &account, "no-id"]).await.refused(2, "invalid value");
}

#[tokio::test]
async fn the_operators_commands_are_recorded() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    installation.key(&account, &[]).await;
    let mut connection = sqlx::ConnectOptions::connect(&installation.database.admin).await.unwrap();
    let actions: Vec<String> = sqlx::query_scalar(
        "select action from audit_events where account_id = $1 and key_id is null order by sequence",
    )
    .bind(account.parse::<i64>().unwrap())
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(actions, ["account.created", "user.created", "api_key.created"]);
}
