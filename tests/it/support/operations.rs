//! Every operation of both listeners: the one list for the tests that must not forget any. A test compares it with the
//! router itself.

use std::collections::BTreeSet;

use axum::http::Method;
use credenza::http::Listener;
use credenza::principal::Scope;
use serde_json::Value;

use super::app::TestApp;
use super::openapi;

/// One operation.
#[derive(Clone)]
pub struct Operation {
    pub method: Method,
    /// Its path as the router has it, whole.
    pub route: &'static str,
    /// The scope that it needs.
    pub needs: Option<Scope>,
}

/// The targets of an operation, with the supplier HIT with its service INV in PROD.
pub struct Target {
    pub subaccount: String,
    pub subaccount_key: String,
    pub key: String,
    pub client: String,
}

impl Target {
    /// Things that nobody has.
    pub fn nothing() -> Self {
        let id = "00000000-0000-7000-8000-000000004711";
        Self { subaccount: "4711".into(), subaccount_key: id.into(), key: id.into(), client: id.into() }
    }
}

impl Operation {
    /// The path that aims at something.
    pub fn path(&self, target: &Target) -> String {
        let id = match self.route {
            route if route.starts_with("/extra/v2/subaccounts") => &target.subaccount,
            route if route.starts_with("/extra/v2/oauth-clients") => &target.client,
            _ => &target.key,
        };
        let path = self.route.replace("{id}", id).replace("{key_id}", &target.subaccount_key);
        let path = path.replace("{product_id}", "1").replace("{issue_id}", "1");
        path.replace("{supplier_code}", "HIT").replace("{service}", "INV").replace("{environment}", "PROD")
    }

    /// Whether it takes a body.
    pub fn has_body(&self) -> bool {
        matches!(self.method, Method::POST | Method::PATCH)
    }
}

/// Every operation, in the order of the router's page.
pub fn all() -> Vec<Operation> {
    use Scope::{
        ApiKeysManage as Keys, AuditRead as Audit, CredentialsRead as Read, CredentialsResolve as Resolve,
        CredentialsWrite as Write, SubaccountsManage as Subaccounts,
    };
    [
        ("GET", "/extra/v2/credentials", Some(Read)),
        ("POST", "/extra/v2/credentials", Some(Write)),
        ("POST", "/extra/v2/credentials/import", Some(Write)),
        ("GET", "/extra/v2/credentials/{supplier_code}", Some(Read)),
        ("DELETE", "/extra/v2/credentials/{supplier_code}", Some(Write)),
        ("GET", "/extra/v2/credentials/{supplier_code}/audit", Some(Read)),
        ("GET", "/extra/v2/credentials/{supplier_code}/health", Some(Read)),
        ("GET", "/extra/v2/credentials/{supplier_code}/resolution", Some(Read)),
        ("POST", "/extra/v2/credentials/{supplier_code}/verify", Some(Write)),
        ("POST", "/extra/v2/credentials/{supplier_code}/services", Some(Write)),
        ("DELETE", "/extra/v2/credentials/{supplier_code}/services/{service}/{environment}", Some(Write)),
        ("GET", "/extra/v2/subaccounts", Some(Subaccounts)),
        ("POST", "/extra/v2/subaccounts", Some(Subaccounts)),
        ("GET", "/extra/v2/subaccounts/{id}", Some(Subaccounts)),
        ("PATCH", "/extra/v2/subaccounts/{id}", Some(Subaccounts)),
        ("DELETE", "/extra/v2/subaccounts/{id}", Some(Subaccounts)),
        ("GET", "/extra/v2/subaccounts/{id}/api-keys", Some(Subaccounts)),
        ("POST", "/extra/v2/subaccounts/{id}/api-keys", Some(Subaccounts)),
        ("DELETE", "/extra/v2/subaccounts/{id}/api-keys/{key_id}", Some(Subaccounts)),
        ("GET", "/extra/v2/api-keys", Some(Keys)),
        ("POST", "/extra/v2/api-keys", Some(Keys)),
        ("DELETE", "/extra/v2/api-keys/{id}", Some(Keys)),
        ("POST", "/extra/v2/api-keys/{id}/rotate", Some(Keys)),
        ("GET", "/extra/v2/oauth-clients", Some(Keys)),
        ("POST", "/extra/v2/oauth-clients", Some(Keys)),
        ("GET", "/extra/v2/oauth-clients/{id}", Some(Keys)),
        ("DELETE", "/extra/v2/oauth-clients/{id}", Some(Keys)),
        ("POST", "/extra/v2/oauth-clients/{id}/rotate", Some(Keys)),
        ("GET", "/extra/v2/audit-events", Some(Audit)),
        ("GET", "/extra/v2/suppliers", None),
        ("GET", "/extra/v2/service-codes", None),
        ("GET", "/extra/v2/services/{supplier_code}", None),
        ("GET", "/service-codes", None),
        ("GET", "/services/{supplier_code}", None),
        ("GET", "/me", None),
        ("POST", "/oauth/token", None),
        ("POST", "/oauth/revoke", None),
        ("POST", "/oauth/introspect", None),
        ("GET", "/.well-known/jwks.json", None),
        ("GET", "/.well-known/oauth-authorization-server", None),
        ("GET", "/healthz", None),
        ("GET", "/readyz", None),
        ("GET", "/metrics", None),
        ("GET", "/openapi.json", None),
        ("GET", "/docs", None),
        ("POST", "/internal/v1/resolve", Some(Resolve)),
        ("POST", "/internal/v1/resolve/batch", Some(Resolve)),
    ]
    .map(|(method, route, needs)| Operation { method: method.parse().unwrap(), route, needs })
    .into_iter()
    .chain(calls())
    .collect()
}

/// The calls to suppliers, which are those of the standard's tables.
fn calls() -> Vec<Operation> {
    let standard = credenza::calls::standard::standard().unwrap();
    let described = standard.routes().iter().flat_map(|route| {
        let paths = route.paths().iter().filter(|path| !path.alias);
        let (method, needs) =
            if route.is_order() { (Method::POST, Scope::OrdersSend) } else { (Method::GET, Scope::SuppliersCall) };
        paths.map(move |path| Operation { method: method.clone(), route: &path.template, needs: Some(needs) })
    });
    described.collect()
}

/// Compares the list with the router: its paths and scopes with the documents that the routers make of themselves, its
/// methods with those of the router.
pub async fn compare_with_the_router(app: &TestApp) {
    let operations = all();
    let listed: BTreeSet<_> = operations
        .iter()
        .map(|one| (one.route.to_owned(), one.method.to_string(), one.needs.map(Scope::as_str).map(str::to_owned)))
        .collect();
    assert_eq!(listed, documented(), "support/operations.rs and the routers have the same operations");
    for operation in &operations {
        // The router tells a method that nobody has which ones there are.
        let path = operation.path(&Target::nothing());
        let answer = app.nobody().send("BREW".parse().unwrap(), &path, None).await;
        let allowed = answer.header("allow").unwrap().split(',').filter(|method| *method != "HEAD");
        let listed = operations.iter().filter(|other| other.route == operation.route);
        let listed: BTreeSet<_> = listed.map(|other| other.method.as_str()).collect();
        assert_eq!(listed, allowed.collect(), "{path}");
    }
}

/// Path, method and scope of every operation of both documents.
fn documented() -> BTreeSet<(String, String, Option<String>)> {
    let documents = [openapi::document(Listener::Public), openapi::document(Listener::Internal)];
    let operations = documents.iter().flat_map(openapi::operations);
    operations
        .map(|(path, method, operation)| {
            let scope = operation.pointer("/security/0/api_key/0").and_then(Value::as_str).map(str::to_owned);
            (path.to_owned(), method.to_uppercase(), scope)
        })
        .collect()
}
