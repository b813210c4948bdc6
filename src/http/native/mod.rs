//! The native API, `/extra/v2` and `/me`.

pub mod api_keys;
pub mod audit_events;
pub mod credentials;
pub mod directory;
pub mod import;
pub mod listing;
pub mod login_health;
pub mod me;
pub mod oauth_clients;
pub mod resolution;
mod rotation;
mod scopes;
pub mod services;
pub mod subaccount_api_keys;
pub mod subaccounts;
mod supplier_path;
mod vendor_directory;
mod verified;

use utoipa_axum::routes;

use super::openapi::operations::{Operations, Tag, below, with_body_limit};
use crate::credentials::import::MOST_BYTES;

/// The parts of the document.
pub(super) const TAGS: &[Tag] = &[
    Tag {
        prefix: "/extra/v2/credentials",
        name: "Credentials",
        about: "Supplier credentials of the account: stored, listed, explained.",
    },
    Tag {
        prefix: "/extra/v2/subaccounts",
        name: "Sub-accounts",
        about: "For an account of the plan `enterprise` with sub-accounts enabled.",
    },
    Tag {
        prefix: "/extra/v2/api-keys",
        name: "API keys",
        about: "Keys of the account. A key is shown once, in the answer that made it.",
    },
    Tag {
        prefix: "/extra/v2/oauth-clients",
        name: "OAuth2 clients",
        about: "Clients of the account, for tokens in place of keys.",
    },
    Tag {
        prefix: "/extra/v2/audit-events",
        name: "Audit",
        about: "Events of the account: changes and resolves, each with its caller.",
    },
    Tag {
        prefix: "/extra/v2/",
        name: "Directory",
        about: "Suppliers and service codes. Browsers may read them with a public key.",
    },
    Tag {
        prefix: "/service",
        name: "Directory",
        about: "Suppliers and service codes. Browsers may read them with a public key.",
    },
    Tag { prefix: "/me/", name: "Caller", about: "The authenticated caller." },
];

/// The operations of the family. The layer is for those that browsers may use as well.
pub(super) fn operations(browsers: impl FnOnce(Operations) -> Operations) -> Operations {
    let credentials = below(
        "/extra/v2/credentials",
        [
            ("", routes!(credentials::list, credentials::upsert)),
            ("/import", with_body_limit(routes!(import::import), MOST_BYTES)),
            ("/{supplier_code}", routes!(credentials::find, credentials::delete)),
            ("/{supplier_code}/audit", routes!(credentials::audit_trail)),
            ("/{supplier_code}/health", routes!(login_health::health)),
            ("/{supplier_code}/resolution", routes!(resolution::explain)),
            ("/{supplier_code}/verify", routes!(login_health::verify)),
            ("/{supplier_code}/services", routes!(services::upsert)),
            ("/{supplier_code}/services/{service}/{environment}", routes!(services::delete)),
        ],
    );
    let subaccounts = below(
        "/extra/v2/subaccounts",
        [
            ("", routes!(subaccounts::list, subaccounts::create)),
            ("/{id}", routes!(subaccounts::find, subaccounts::update, subaccounts::deactivate)),
            ("/{id}/api-keys", routes!(subaccount_api_keys::list, subaccount_api_keys::create)),
            ("/{id}/api-keys/{key_id}", routes!(subaccount_api_keys::revoke)),
        ],
    );
    let api_keys = below(
        "/extra/v2/api-keys",
        [
            ("", routes!(api_keys::list, api_keys::create)),
            ("/{id}", routes!(api_keys::revoke)),
            ("/{id}/rotate", routes!(api_keys::rotate)),
        ],
    );
    let oauth_clients = below(
        "/extra/v2/oauth-clients",
        [
            ("", routes!(oauth_clients::list, oauth_clients::create)),
            ("/{id}", routes!(oauth_clients::find, oauth_clients::revoke)),
            ("/{id}/rotate", routes!(oauth_clients::rotate)),
        ],
    );
    let audit_events = below("/extra/v2/audit-events", [("", routes!(audit_events::list))]);
    let directory = below(
        "/extra/v2",
        [
            ("/suppliers", routes!(directory::suppliers)),
            ("/service-codes", routes!(directory::service_codes)),
            ("/services/{supplier_code}", routes!(directory::services)),
        ],
    );
    let vendor = below(
        "",
        [
            ("/service-codes", routes!(vendor_directory::service_codes)),
            ("/services/{supplier_code}", routes!(vendor_directory::services)),
        ],
    );
    let me = below("/me", [("", routes!(me::me))]);
    credentials
        .merge(subaccounts)
        .merge(api_keys)
        .merge(oauth_clients)
        .merge(audit_events)
        .merge(browsers(directory))
        .merge(vendor)
        .merge(me)
}
