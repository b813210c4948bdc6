//! How callers present themselves, and what an operation asks of them.

use serde_json::{Map, Value, json};

use crate::http::family::Family;
use crate::http::listener::Listener;
use crate::principal::Scope;

/// How an operation is protected. Its annotation names the first scheme; every other way to present oneself goes along.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// By a private key or a token.
    Private,
    /// By a public key as well.
    PublicToo,
    /// By the client of OAuth2 itself.
    Client,
    /// Not at all.
    Open,
}

impl Protection {
    /// Reads the annotation of an operation.
    pub(super) fn of(operation: &Value) -> Self {
        let first = &operation["security"][0];
        match ["oauth2", "public_api_key", "client_basic"].map(|scheme| first.get(scheme).is_some()) {
            [true, ..] => Protection::Private,
            [_, true, _] => Protection::PublicToo,
            [_, _, true] => Protection::Client,
            _ => Protection::Open,
        }
    }

    /// Every way to present oneself to a listener, each with the scopes that the annotation names.
    pub(super) fn requirements(self, operation: &Value, family: Family, listener: Listener) -> Value {
        let named = operation["security"].as_array().into_iter().flatten().find_map(|scheme| scheme.get("oauth2"));
        let scopes = named.cloned().unwrap_or(json!([]));
        let schemes: &[&str] = match (self, family, listener) {
            (Protection::Open, ..) => &[],
            // The client may stand in the body.
            (Protection::Client, ..) => return json!([{ "client_basic": [] }, {}]),
            (Protection::Private, Family::Calls, _) => &["api_key", "oauth2", "outside_issuer"],
            (Protection::PublicToo, Family::Calls, _) => &["api_key", "public_api_key", "oauth2", "outside_issuer"],
            (_, Family::Native | Family::OAuth, Listener::Internal) => &["api_key", "access_token", "reseller"],
            (Protection::Private, Family::Native | Family::OAuth, _) => {
                &["api_key", "oauth2", "outside_issuer", "reseller"]
            }
            (Protection::PublicToo, Family::Native | Family::OAuth, _) => {
                &["api_key", "public_api_key", "oauth2", "outside_issuer", "reseller"]
            }
        };
        schemes.iter().map(|scheme| json!({ *scheme: scopes })).collect()
    }
}

/// Every scheme of a listener.
pub(super) fn schemes(listener: Listener) -> Value {
    let private = "A private key, `czs_…`, for servers.";
    let reseller = json!({
        "type": "http", "scheme": "basic",
        "description": "The id of a private key as user name and the key as password. The word `Basic` may be missing.",
    });
    match listener {
        Listener::Public => json!({
            "api_key": {
                "type": "apiKey", "in": "header", "name": "X-API-Key",
                "description": format!("{private} For the directory also a public one."),
            },
            "oauth2": {
                "type": "oauth2",
                "description": "A token from `POST /oauth/token`, as `Authorization: Bearer …`.",
                "flows": { "clientCredentials": {
                    "tokenUrl": "/oauth/token",
                    "scopes": scopes().map(|(scope, meaning)| (scope.to_owned(), json!(meaning))).collect::<Map<_, _>>(),
                } },
            },
            "outside_issuer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A token of the outside issuer that the operator configured, if there is one.",
            },
            "reseller": reseller,
            "public_api_key": {
                "type": "apiKey", "in": "query", "name": "pub_api_key",
                "description": "A public key, `czp_…`, for browsers on the account's allowed origins.",
            },
            "client_basic": {
                "type": "http", "scheme": "basic",
                "description": "`client_id` and `client_secret`, each form-encoded (RFC 6749 §2.3.1). \
                                Both may stand in the body instead.",
            },
        }),
        // Tokens are issued by the other listener, whose address this document cannot know.
        Listener::Internal => json!({
            "api_key": {
                "type": "apiKey", "in": "header", "name": "X-API-Key",
                "description": private,
            },
            "access_token": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A token, which the public listener issues at `POST /oauth/token`, or the outside issuer that \
                                the operator configured, if there is one.",
            },
            "reseller": reseller,
        }),
    }
}

/// Every scope and what it is for.
pub(super) fn scopes() -> impl Iterator<Item = (&'static str, &'static str)> {
    Scope::ALL.into_iter().map(|scope| (scope.as_str(), meaning(scope)))
}

fn meaning(scope: Scope) -> &'static str {
    match scope {
        Scope::CredentialsRead => "See which credentials are configured, and explain which would be used.",
        Scope::CredentialsWrite => "Store and delete credentials.",
        Scope::CredentialsResolve => "Be given passwords. Nobody has it who was not given it by name.",
        Scope::SubaccountsManage => "Manage sub-accounts.",
        Scope::ApiKeysManage => "Manage keys and clients.",
        Scope::AuditRead => "Read the audit events.",
        Scope::SuppliersCall => "Call suppliers, by the routes that only read.",
        Scope::OrdersSend => "Send orders to suppliers. Nobody has it who was not given it by name.",
    }
}
