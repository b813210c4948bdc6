//! Parents and their sub-accounts, made the way that a parent makes them.

use credenza::api_key::Kind;
use credenza::principal::Scope;
use credenza::types::AccountId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::app::TestApp;
use super::caller::Caller;

pub const SUBACCOUNTS: &str = "/extra/v2/subaccounts";

impl TestApp {
    /// A caller with a new sub-account of a parent's, and a private key of the usual scopes.
    pub async fn subaccount<'a>(&'a self, parent: &Caller<'a>, customer: &str) -> Caller<'a> {
        let body = json!({"name": format!("Client {customer}"), "external_customer_id": customer});
        let made = parent.post(SUBACCOUNTS, body).await.expect(201);
        let account = AccountId(made["id"].as_i64().unwrap());
        let key = self.key(account, Kind::Private, &Scope::DEFAULT, false).await;
        parent.with_key(&key).about(account)
    }

    /// Takes an account out of service, as the operator does.
    pub async fn deactivate(&self, account: AccountId) {
        self.sql_authenticated(&format!("update accounts set is_active = false where id = {account}")).await;
        self.feed_has_caught_up().await;
    }
}

impl<'a> Caller<'a> {
    /// The same caller, acting for another account.
    pub fn acting_for(&self, account: AccountId) -> Caller<'a> {
        self.with_header("x-account-id", &account.to_string())
    }

    /// Makes a key over REST: its id, and the key.
    pub async fn make_key(&self, path: &str, body: Value) -> (Uuid, String) {
        let made = self.post(path, body).await.expect(201);
        (made["id"].as_str().unwrap().parse().unwrap(), made["key"].as_str().unwrap().to_owned())
    }
}
