//! The authenticated caller: account, key and rights. Plain data: made by `auth`, read by everything else.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use uuid::Uuid;

use crate::api_key::KeyHash;
use crate::types::{AccountId, ClientAddress};

/// A right that a key can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// See which credentials are configured and explain which would be used.
    CredentialsRead,
    /// Store and delete credentials.
    CredentialsWrite,
    /// Be given a password. No key has it unless it was asked for.
    CredentialsResolve,
    /// Manage sub-accounts.
    SubaccountsManage,
    /// Manage keys and clients.
    ApiKeysManage,
    /// Read the audit events.
    AuditRead,
    /// Call suppliers for what they publish and report.
    SuppliersCall,
    /// Send orders to suppliers. No key has it unless it was asked for.
    OrdersSend,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 8] = [
        Scope::CredentialsRead,
        Scope::CredentialsWrite,
        Scope::CredentialsResolve,
        Scope::SubaccountsManage,
        Scope::ApiKeysManage,
        Scope::AuditRead,
        Scope::SuppliersCall,
        Scope::OrdersSend,
    ];

    /// The scopes of a private key that is made without a list: everything except being given passwords and sending orders.
    pub const DEFAULT: [Scope; 6] = [
        Scope::CredentialsRead,
        Scope::CredentialsWrite,
        Scope::SubaccountsManage,
        Scope::ApiKeysManage,
        Scope::AuditRead,
        Scope::SuppliersCall,
    ];

    /// The scope's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::CredentialsRead => "credentials:read",
            Scope::CredentialsWrite => "credentials:write",
            Scope::CredentialsResolve => "credentials:resolve",
            Scope::SubaccountsManage => "subaccounts:manage",
            Scope::ApiKeysManage => "api-keys:manage",
            Scope::AuditRead => "audit:read",
            Scope::SuppliersCall => "suppliers:call",
            Scope::OrdersSend => "orders:send",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a principal proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A private API key, in its own header or in the reseller's form.
    ApiKey,
    /// A public API key, in a browser.
    PublicKey,
    /// A token of ours.
    OauthClient,
    /// A token of the outside issuer.
    OutsideIssuer,
}

impl AuthMethod {
    /// The name in the answer of `GET /me`.
    pub const fn as_str(self) -> &'static str {
        match self {
            AuthMethod::ApiKey => "api_key",
            AuthMethod::PublicKey => "public_api_key",
            AuthMethod::OauthClient => "oauth2",
            AuthMethod::OutsideIssuer => "oauth2_external",
        }
    }
}

/// The credential that a principal presented, by which its rights can be looked up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// An API key.
    Key(KeyHash),
    /// A token of ours.
    Token {
        /// The `client_id` of the client that it was issued to.
        client: Arc<str>,
        /// Its id.
        jti: Uuid,
        /// When it runs out, in seconds since 1970.
        exp: i64,
    },
    /// A token of the outside issuer.
    OutsideToken {
        /// When it runs out, in seconds since 1970.
        exp: i64,
        /// Its subject and issuer: the owner of what is made with it.
        owner: Arc<str>,
    },
    /// The secret of an OAuth2 client, which serves for one request.
    ClientSecret,
}

/// The limits of a credential, and of everything that is made with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Where it works from; everywhere if empty.
    pub allowed_ips: Vec<IpNet>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Limits {
    /// Returns whether there are none.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether these are the others, or narrower.
    pub fn are_within(&self, others: &Self) -> bool {
        let is_covered = |range: &IpNet| others.allowed_ips.iter().any(|other| other.contains(range));
        let from_there =
            others.allowed_ips.is_empty() || (!self.allowed_ips.is_empty() && self.allowed_ips.iter().all(is_covered));
        let until_then = others.expires_at.is_none_or(|end| self.expires_at.is_some_and(|own| own <= end));
        from_there && until_then
    }

    /// Takes over what is not limited here.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        let allowed_ips = if self.allowed_ips.is_empty() { others.allowed_ips.clone() } else { self.allowed_ips };
        Self { allowed_ips, expires_at: self.expires_at.or(others.expires_at) }
    }
}

/// The authenticated party of a request.
#[derive(Clone, Debug)]
pub struct Principal {
    /// How they proved it.
    pub method: AuthMethod,
    /// The account whose rows the request is about.
    pub account: AccountId,
    /// The account whose key was presented. Differs from `account` only when a parent acts for a sub-account.
    pub acting_account: AccountId,
    /// E-mail of the user who owns the key; the value of `created_by` and `modified_by`.
    pub user_email: String,
    /// The key that was presented, or the client whose token it was.
    pub key_id: Option<Uuid>,
    /// Its rights.
    pub scopes: Vec<Scope>,
    /// An operator's key: may resolve for any account.
    pub is_operator: bool,
    /// The credential that these rights rest on.
    pub grounds: Grounds,
    /// The least that what it makes is limited to.
    pub limits: Limits,
}

impl Principal {
    /// Whether the key carries this right.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// The originator of a change, for `created_by`, `modified_by` and the audit: a principal and the request it came with, or
/// the operator on the command line.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// The caller; `None` for the operator on the command line.
    pub principal: Option<Arc<Principal>>,
    /// The request's id.
    pub request_id: Option<Arc<str>>,
    /// Where the request came from.
    pub client_address: Option<ClientAddress>,
}

impl Actor {
    /// The owner of what is made, if only the outside issuer knows them; otherwise a user of the account owns it.
    pub fn outside_owner(&self) -> Option<&str> {
        match &self.principal.as_ref()?.grounds {
            Grounds::OutsideToken { owner, .. } => Some(owner),
            Grounds::Key(_) | Grounds::Token { .. } | Grounds::ClientSecret => None,
        }
    }

    /// The operator on the command line.
    pub fn operator() -> Self {
        Self::default()
    }

    /// Whether it is the operator: on the command line, or with an operator's key.
    pub fn is_operator(&self) -> bool {
        self.principal.as_ref().is_none_or(|principal| principal.is_operator)
    }

    /// The name for `created_by` and `modified_by`.
    pub fn name(&self) -> &str {
        self.principal.as_ref().map_or("operator", |principal| &principal.user_email)
    }
}
