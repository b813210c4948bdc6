//! The reads, and the values of registers that an answer shows.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::history::Register;
use super::instance::Instance;
use super::linearizable::Value;
use crate::support::response::Answer;
use crate::support::wire::Endpoint;

/// The supplier of the tenants' own credentials.
pub const OWN: &str = "HIT";
/// The supplier whose shared login is set and removed.
pub const SHARED: &str = "SanMar";
/// The supplier whose policy changes.
pub const POLICY: &str = "POLICY";
pub const ENVIRONMENTS: [&str; 2] = ["PROD", "STAGING"];
/// Has service credentials now and then.
const OVERRIDDEN: &str = "Product";
/// Never has any.
const PLAIN: &str = "MED";

/// The caller and the account of a question.
pub struct Names {
    /// Sub-accounts whose credentials change.
    pub tenants: Vec<Tenant>,
    /// A sub-account that is switched off and on, and a key of its own.
    pub subaccount: i64,
    pub subaccount_key: String,
    /// Of the parent of them all.
    pub parent: Parent,
}

/// A sub-account, and a key of its own.
pub struct Tenant {
    pub account: i64,
    pub key: String,
}

/// An account that has sub-accounts.
#[derive(Clone)]
pub struct Parent {
    pub account: i64,
    /// For writing.
    pub key: String,
    /// Resolves for everybody.
    pub operator: String,
}

/// Something to read.
#[derive(Clone, Debug)]
pub enum Question {
    /// The pair of a tenant's call to the supplier of its own credentials.
    Call { tenant: usize, overridden: bool, environment: &'static str },
    /// The pair of a call under the shared login.
    Shared,
    /// The same where the supplier's policy decides.
    Policy,
    /// Whether the sub-account is active, by its own key or by resolving for it.
    Status { by_key: bool },
    /// Whether a key, or a token, works.
    Secret { register: Register, secret: Arc<str> },
}

/// The meaning of an answer.
pub enum Learned {
    /// The values of the registers.
    Values(Vec<(Register, Value)>),
    /// Nothing: the service could not answer.
    Unavailable,
    /// No state of the registers explains this answer.
    Strange,
}

impl Question {
    /// Those whose answer shows a register other than a secret's.
    pub fn about(register: Register) -> Vec<Question> {
        match register {
            Register::Base(tenant, environment) => {
                [false, true].map(|overridden| Question::Call { tenant, overridden, environment }).into()
            }
            Register::Service(tenant, environment) => vec![Question::Call { tenant, overridden: true, environment }],
            Register::Shared => vec![Question::Shared],
            Register::Policy => vec![Question::Policy],
            Register::Status => [false, true].map(|by_key| Question::Status { by_key }).into(),
            Register::Key(_) | Register::Token(_) => vec![],
        }
    }

    /// The request: where, how, and with what.
    pub fn request(&self, instance: &Instance, names: &Names) -> (Endpoint, &'static str, &'static str, Option<Json>) {
        let resolve = |account: i64, supplier: &str, service: &str, environment: &str| {
            let body = json!({"account_id": account, "supplier_code": supplier, "service": service,
                              "environment": environment});
            (instance.internal().with_key(&names.parent.operator), "POST", "/internal/v1/resolve", Some(body))
        };
        match self {
            Question::Call { tenant, overridden, environment } => {
                resolve(names.tenants[*tenant].account, OWN, if *overridden { OVERRIDDEN } else { PLAIN }, environment)
            }
            Question::Shared => resolve(names.parent.account, SHARED, PLAIN, "PROD"),
            Question::Policy => resolve(names.parent.account, POLICY, PLAIN, "PROD"),
            Question::Status { by_key: false } => resolve(names.subaccount, OWN, PLAIN, "PROD"),
            Question::Status { by_key: true } => {
                (instance.public().with_key(&names.subaccount_key), "GET", "/me", None)
            }
            Question::Secret { register: Register::Token(_), secret } => {
                (instance.public().with_header("Authorization", &format!("Bearer {secret}")), "GET", "/me", None)
            }
            Question::Secret { secret, .. } => (instance.public().with_key(secret), "GET", "/me", None),
        }
    }

    pub fn understand(&self, answer: &Answer) -> Learned {
        if answer.status.is_server_error() {
            return Learned::Unavailable;
        }
        let body = answer.json();
        let works = answer.status == StatusCode::OK;
        let detail = body["detail"].as_str().unwrap_or_default();
        let nobody_has_any = detail.contains("requires your own credentials");
        let one = |register, value| Some(vec![(register, value)]);
        let values = match self {
            Question::Call { tenant, overridden, environment } => {
                let (base, service) = (Register::Base(*tenant, environment), Register::Service(*tenant, environment));
                let number = body["password"].as_str().and_then(|password| password.parse().ok());
                match (body["source"].as_str(), number) {
                    (Some("service"), Some(number)) if *overridden => one(service, number),
                    (Some("account"), Some(number)) if *overridden => Some(vec![(service, 0), (base, number)]),
                    (Some("account"), Some(number)) => one(base, number),
                    (None, _) if nobody_has_any && *overridden => Some(vec![(service, 0), (base, 0)]),
                    (None, _) if nobody_has_any => one(base, 0),
                    _ => None,
                }
            }
            Question::Shared => match body["password"].as_str().map(str::parse) {
                Some(Ok(number)) => one(Register::Shared, number),
                None if nobody_has_any => one(Register::Shared, 0),
                _ => None,
            },
            Question::Policy if works || nobody_has_any => one(Register::Policy, works.into()),
            Question::Status { .. } if works || nobody_has_any => one(Register::Status, 1),
            Question::Status { .. } if detail == "Account is inactive" => one(Register::Status, 0),
            Question::Secret { register, .. } if works => one(*register, 1),
            Question::Secret { register, .. } if detail == "Invalid API key" || detail == "Invalid access token" => {
                one(*register, 0)
            }
            _ => None,
        };
        values.map_or(Learned::Strange, Learned::Values)
    }
}
