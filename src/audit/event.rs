//! Lists the events that are recorded.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::outcome::Outcome;
use crate::types::{AccountId, Environment, Service, SupplierCode};

/// An action. Its name on record is stable, because events are read long after they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each has the meaning of its name on record")]
pub enum Action {
    CredentialsCreated,
    CredentialsUpdated,
    CredentialsDeleted,
    ServiceCredentialsCreated,
    ServiceCredentialsUpdated,
    ServiceCredentialsDeleted,
    DefaultCredentialsSet,
    DefaultCredentialsRemoved,
    SupplierCreated,
    SupplierUpdated,
    SupplierEndpointSet,
    SupplierEndpointRemoved,
    SupplierCalled,
    AccountCreated,
    AccountUpdated,
    AccountActivated,
    AccountDeactivated,
    AllowedOriginsSet,
    UserCreated,
    ApiKeyCreated,
    ApiKeyRotated,
    ApiKeyRevoked,
    OauthClientCreated,
    OauthClientRotated,
    OauthClientRevoked,
    OauthTokenRevoked,
    SigningKeyRotated,
    DataKeysRewrapped,
    DataKeysRotated,
    AccountPurged,
    CredentialsResolved,
    ResolvesBegun,
    ResolvesEnded,
    ResolvesGap,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 34] = [
        Action::CredentialsCreated,
        Action::CredentialsUpdated,
        Action::CredentialsDeleted,
        Action::ServiceCredentialsCreated,
        Action::ServiceCredentialsUpdated,
        Action::ServiceCredentialsDeleted,
        Action::DefaultCredentialsSet,
        Action::DefaultCredentialsRemoved,
        Action::SupplierCreated,
        Action::SupplierUpdated,
        Action::SupplierEndpointSet,
        Action::SupplierEndpointRemoved,
        Action::SupplierCalled,
        Action::AccountCreated,
        Action::AccountUpdated,
        Action::AccountActivated,
        Action::AccountDeactivated,
        Action::AllowedOriginsSet,
        Action::UserCreated,
        Action::ApiKeyCreated,
        Action::ApiKeyRotated,
        Action::ApiKeyRevoked,
        Action::OauthClientCreated,
        Action::OauthClientRotated,
        Action::OauthClientRevoked,
        Action::OauthTokenRevoked,
        Action::SigningKeyRotated,
        Action::DataKeysRewrapped,
        Action::DataKeysRotated,
        Action::AccountPurged,
        Action::CredentialsResolved,
        Action::ResolvesBegun,
        Action::ResolvesEnded,
        Action::ResolvesGap,
    ];

    /// Returns the name on record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::CredentialsCreated => "credentials.created",
            Action::CredentialsUpdated => "credentials.updated",
            Action::CredentialsDeleted => "credentials.deleted",
            Action::ServiceCredentialsCreated => "service_credentials.created",
            Action::ServiceCredentialsUpdated => "service_credentials.updated",
            Action::ServiceCredentialsDeleted => "service_credentials.deleted",
            Action::DefaultCredentialsSet => "default_credentials.set",
            Action::DefaultCredentialsRemoved => "default_credentials.removed",
            Action::SupplierCreated => "supplier.created",
            Action::SupplierUpdated => "supplier.updated",
            Action::SupplierEndpointSet => "supplier_endpoint.set",
            Action::SupplierEndpointRemoved => "supplier_endpoint.removed",
            Action::SupplierCalled => "supplier.called",
            Action::AccountCreated => "account.created",
            Action::AccountUpdated => "account.updated",
            Action::AccountActivated => "account.activated",
            Action::AccountDeactivated => "account.deactivated",
            Action::AllowedOriginsSet => "account.allowed_origins_set",
            Action::UserCreated => "user.created",
            Action::ApiKeyCreated => "api_key.created",
            Action::ApiKeyRotated => "api_key.rotated",
            Action::ApiKeyRevoked => "api_key.revoked",
            Action::OauthClientCreated => "oauth_client.created",
            Action::OauthClientRotated => "oauth_client.rotated",
            Action::OauthClientRevoked => "oauth_client.revoked",
            Action::OauthTokenRevoked => "oauth_token.revoked",
            Action::SigningKeyRotated => "signing_key.rotated",
            Action::DataKeysRewrapped => "data_keys.rewrapped",
            Action::DataKeysRotated => "data_keys.rotated",
            Action::AccountPurged => "account.purged",
            Action::CredentialsResolved => "credentials.resolved",
            Action::ResolvesBegun => "resolves.begun",
            Action::ResolvesEnded => "resolves.ended",
            Action::ResolvesGap => "resolves.gap",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// One change of one row, or one resolve.
#[derive(Clone, Debug)]
pub struct Event {
    /// The action.
    pub action: Action,
    /// The supplier that it is about.
    pub supplier: Option<SupplierCode>,
    /// The service that it is about.
    pub service: Option<Service>,
    /// The environment that it is about.
    pub environment: Option<Environment>,
    /// The key, client, user or instance that it is about.
    pub subject: Option<Uuid>,
    /// The outcome. A change that is not done is not recorded.
    pub outcome: Outcome,
    /// Of a resolve: the level that answered.
    pub source: Option<&'static str>,
    /// Of a refused resolve: the account that was asked for, if the event is not in its chain.
    pub asked_account: Option<AccountId>,
    /// Of a gap: everything until then is on record.
    pub since: Option<DateTime<Utc>>,
    /// Of a call to a supplier, and of the resolve for it: the operation, such as `INV/2.0.0/getInventoryLevels`.
    pub operation: Option<Arc<str>>,
    /// Of a call to a supplier: how long it took, in milliseconds.
    pub took_ms: Option<i64>,
}

impl Event {
    /// Makes the event of a change that concerns no supplier.
    pub fn new(action: Action) -> Self {
        Self {
            action,
            supplier: None,
            service: None,
            environment: None,
            subject: None,
            outcome: Outcome::Done,
            source: None,
            asked_account: None,
            since: None,
            operation: None,
            took_ms: None,
        }
    }

    /// Makes the event of a key, a client, a user or an instance.
    pub fn about(action: Action, subject: Uuid) -> Self {
        Self { subject: Some(subject), ..Self::new(action) }
    }

    /// Makes the event of a change that concerns a supplier.
    pub fn of_supplier(action: Action, supplier: &SupplierCode) -> Self {
        Self { supplier: Some(supplier.clone()), ..Self::new(action) }
    }

    /// Makes the event of a change of service credentials.
    pub fn of_service(action: Action, supplier: &SupplierCode, service: Service, environment: Environment) -> Self {
        Self { service: Some(service), environment: Some(environment), ..Self::of_supplier(action, supplier) }
    }
}
