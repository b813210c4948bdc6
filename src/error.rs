//! The errors of the domain. No HTTP here: `http/error.rs` gives each its status.

use crate::principal::{Actor, Limits, Scope};
use crate::types::{Environment, InvalidText, Service};

/// One field of a request that was refused. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field as the caller wrote it.
    pub field: String,
    /// The error as a sentence without the field's name; or a sentence of its own, see `complete`.
    pub message: String,
    /// Whether the message stands alone, without the field's name before it.
    pub complete: bool,
}

impl FieldError {
    /// A refusal that reads `<field> <message>`.
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into(), complete: false }
    }

    /// A refusal whose message is a whole sentence.
    pub fn sentence_alone(field: &str, message: &str) -> Self {
        Self { field: field.to_owned(), message: message.to_owned(), complete: true }
    }

    /// The contract's own sentence about services.
    pub fn invalid_service(field: &str) -> Self {
        Self::sentence_alone(field, "Invalid service (must be one of Product, MED, INV, PPC, PO, OSN, OSTAT, Invoice)")
    }

    /// The contract's own sentence about environments.
    pub fn invalid_environment(field: &str) -> Self {
        Self::sentence_alone(field, "Invalid environment (must be STAGING or PROD)")
    }

    /// The refusal as one sentence.
    pub fn sentence(&self) -> String {
        if self.complete { self.message.clone() } else { format!("{}: {}", self.field, self.message) }
    }
}

/// The thing that was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No such supplier in the directory.
    Supplier,
    /// The account has no base credentials for the supplier.
    Credentials,
    /// Service credentials were to be stored without base credentials.
    ParentCredentials,
    /// The account has no such service credentials.
    ServiceCredential,
    /// No such account.
    Account,
    /// The account has no such sub-account.
    SubAccount,
    /// The account has no such key.
    ApiKey,
    /// The account has no such OAuth2 client.
    OauthClient,
    /// The account has no such user.
    User,
    /// Nothing lives at this path.
    Path,
}

impl Missing {
    /// As a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Missing::Supplier => "Supplier not found",
            Missing::Credentials => "Credentials not found",
            Missing::ParentCredentials => "Parent credentials must exist first",
            Missing::ServiceCredential => "Service credential not found",
            Missing::Account => "Account not found",
            Missing::SubAccount => "Sub-account not found",
            Missing::ApiKey => "API key not found",
            Missing::OauthClient => "OAuth client not found",
            Missing::User => "User not found",
            Missing::Path => "Not found",
        }
    }
}

/// Why somebody may not do something. The answer to the caller is in `http/error.rs`, the truth goes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nothing was presented.
    NotAuthenticated,
    /// The presented secret is no valid key. The reason is for the log alone.
    BadKey(&'static str),
    /// The presented secret is no valid token. The reason is for the log alone.
    BadToken(&'static str),
    /// A public key where only private ones serve.
    PublicKey,
    /// The key lacks this scope.
    MissingScope(Scope),
    /// The account, or its parent, is inactive.
    InactiveAccount,
    /// The account asked about is neither the caller's own nor a sub-account of it.
    OtherAccount,
    /// The presented secrets name two accounts.
    TwoAccounts,
    /// Only a parent with sub-accounts may do this.
    NoSubAccounts,
    /// Nobody can grant a scope that they lack.
    CannotGrant(Scope),
    /// Nobody can make or be shown what is less limited than they are.
    BeyondLimits,
    /// The key does not work from this address.
    Address,
    /// The public key does not work from this origin.
    Origin,
    /// The operation cannot be done for another account.
    NotForOthers,
    /// An operator's key is the command line's business.
    OperatorKey,
    /// Too many failed attempts from one address.
    TooManyFailures,
    /// The key asks faster than it may. Holds the seconds after which it may ask again.
    RateLimited(u32),
    /// Too many requests of the account wait for their turn.
    TooManyAtOnce,
}

/// Why a sealed value or a wrapped data key does not open. Never reveals more than that: neither the byte nor the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short to be one.
    #[error("the sealed form is malformed")]
    Malformed,
    /// Written by a version that this one does not know.
    #[error("the sealed form has an unknown format")]
    UnknownFormat,
    /// Tampered with, or not sealed for this place.
    #[error("the seal does not match the value or its place")]
    Rejected,
    /// The account has no data key of this generation.
    #[error("the data key of generation {0} is missing")]
    NoDataKey(u32),
    /// The keyring lacks the key that wraps the data key, or the key service has given it up.
    #[error("the key-encryption key of a data key is not in the keyring")]
    NoKek,
    /// The sealed value is not text.
    #[error("the sealed value is not text")]
    NotText,
}

/// The operating system gave no random numbers, so nothing can be sealed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no random numbers for sealing")]
pub struct SealError;

/// Why the key service is of no use just now. Nothing of its answer is repeated: it is given data keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// It did not answer in time, or not at all.
    #[error("the key service cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It answered with this status: 403 means the token, 404 and 400 the address, the mount or the key, 503 that it is
    /// sealed.
    #[error("the key service refused with status {0}")]
    Refused(u16),
    /// It answered with something that cannot be.
    #[error("the key service gave a wrong answer: {0}")]
    WrongAnswer(&'static str),
    /// The file with the token cannot be read.
    #[error("the token for the key service cannot be read")]
    TokenFile(#[source] std::io::Error),
    /// A setting cannot be used.
    #[error("{0} for the key service cannot be used")]
    Settings(&'static str),
}

/// Any failure of a use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is wrong.
    #[error("{}", sentences(.0))]
    Invalid(Vec<FieldError>),
    /// Something named by the request does not exist; for a supplier code perhaps with the one that was meant.
    #[error("{}{}", what.sentence(), did_you_mean(hint.as_deref()))]
    NotFound {
        /// The thing that is not there.
        what: Missing,
        /// The directory's closest code, if one is close.
        hint: Option<String>,
    },
    /// The row of the request is not in the state that its condition names.
    #[error("a condition of the request does not hold")]
    PreconditionFailed,
    /// The request came before, and is still being carried out.
    #[error("a request with the same idempotency key is under way")]
    UnderWay,
    /// The idempotency key of the request came with another one before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Not allowed.
    #[error("denied: {0:?}")]
    Denied(Denied),
    /// No level of the hierarchy has a pair for the call.
    #[error("no credentials for {service} of {supplier_name}")]
    OwnCredentialsRequired {
        /// The supplier's display name.
        supplier_name: String,
        /// The service of the call.
        service: Service,
    },
    /// A stored value does not open: it was tampered with, moved, or its key is missing.
    #[error("a stored value cannot be opened")]
    Unreadable(#[from] OpenError),
    /// Nothing can be sealed just now.
    #[error("a value cannot be sealed")]
    Seal(#[from] SealError),
    /// A data key is needed that only the key service can unwrap or wrap, and it does not.
    #[error("the key service is not available")]
    KeyService(#[from] KeyServiceError),
    /// The database cannot be reached in time.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The audit cannot take the event, so what it is about must not happen.
    #[error("the event cannot be recorded")]
    NotRecorded,
    /// More requests are under way than the process can serve.
    #[error("too many requests are under way")]
    Overloaded,
    /// The outside issuer's keys cannot be had, so nobody can tell whose a token is.
    #[error("the outside issuer's keys are not available")]
    IssuerUnavailable,
    /// The database answered with something unexpected.
    #[error("the database refused")]
    Database(#[source] sqlx::Error),
    /// A load that several callers shared has failed; the cause was logged where it ran.
    #[error(transparent)]
    Shared(std::sync::Arc<Error>),
}

fn sentences(fields: &[FieldError]) -> String {
    fields.iter().map(FieldError::sentence).collect::<Vec<_>>().join("; ")
}

fn did_you_mean(hint: Option<&str>) -> String {
    hint.map(|hint| format!(" (did you mean `{hint}`?)")).unwrap_or_default()
}

impl Error {
    /// A missing thing, without a hint.
    pub fn missing(what: Missing) -> Self {
        Error::NotFound { what, hint: None }
    }

    /// Whether the database could not be reached in time, perhaps by a load that several callers shared.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Error::Unavailable(_) => true,
            Error::Shared(error) => error.is_unavailable(),
            _ => false,
        }
    }

    /// One wrong field.
    pub fn invalid(field: FieldError) -> Self {
        Error::Invalid(vec![field])
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Error::Denied(denied)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if crate::postgres::is_unavailable(&error) { Error::Unavailable(error) } else { Error::Database(error) }
    }
}

impl Actor {
    /// Refuses somebody who would hand on a right that they lack. The operator on the command line lacks none.
    pub fn require_all(&self, scopes: &[Scope]) -> Result<(), Error> {
        let Some(principal) = &self.principal else { return Ok(()) };
        match scopes.iter().find(|scope| !principal.has(**scope)) {
            Some(lacking) => Err(Denied::CannotGrant(*lacking).into()),
            None => Ok(()),
        }
    }
}

impl Actor {
    /// Refuses somebody who would get hold of what is less limited than they are.
    pub fn require_within_limits(&self, limits: &Limits) -> Result<(), Error> {
        match &self.principal {
            Some(principal) if !limits.are_within(&principal.limits) => Err(Denied::BeyondLimits.into()),
            _ => Ok(()),
        }
    }

    /// Gives what is made for the actor the limits that nobody named for it.
    ///
    /// # Errors
    /// [`Denied::BeyondLimits`] if those that were named go beyond the actor's own.
    pub fn limit(&self, named: Limits) -> Result<Limits, Error> {
        let Some(principal) = &self.principal else { return Ok(named) };
        let limits = named.or(&principal.limits);
        self.require_within_limits(&limits)?;
        Ok(limits)
    }
}

/// Collects every wrong field of a request, so that the caller learns of all of them at once.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Parses a field that may be absent.
    pub fn optional<V, T>(
        &mut self,
        field: &str,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, InvalidText>,
    ) -> Option<T> {
        value.and_then(|value| parse(value).map_err(|why| self.push(FieldError::new(field, why.to_string()))).ok())
    }

    /// Parses a field that must be there.
    pub fn required<V, T>(
        &mut self,
        field: &str,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, InvalidText>,
    ) -> Option<T> {
        if value.is_none() {
            self.push(FieldError::new(field, "is required"));
        }
        self.optional(field, value, parse)
    }

    /// Adds a refusal.
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Reads a service code that must be there.
    pub fn required_service(&mut self, field: &str, code: Option<&str>) -> Option<Service> {
        self.required_code(field, code, Service::parse, FieldError::invalid_service)
    }

    /// Reads an environment code that must be there.
    pub fn required_environment(&mut self, field: &str, code: Option<&str>) -> Option<Environment> {
        self.required_code(field, code, Environment::parse, FieldError::invalid_environment)
    }

    fn required_code<T>(
        &mut self,
        field: &str,
        code: Option<&str>,
        parse: fn(&str) -> Option<T>,
        refusal: fn(&str) -> FieldError,
    ) -> Option<T> {
        let Some(code) = code else {
            self.push(FieldError::new(field, "is required"));
            return None;
        };
        let parsed = parse(code);
        if parsed.is_none() {
            self.push(refusal(field));
        }
        parsed
    }

    /// The value that was put together from the fields, if none of them was wrong.
    pub fn complete<T>(self, value: Option<T>) -> Result<T, Error> {
        self.check(value).map_err(Error::Invalid)
    }

    /// The same, with the wrong fields themselves.
    pub fn check<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }

    /// The error, if any field was wrong.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

/// Returns why a task of our own has no result. A panic goes on in the caller.
pub fn stopped(error: tokio::task::JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // Only a runtime that is shutting down cancels the task.
        Err(_cancelled) => Error::Unavailable(sqlx::Error::PoolClosed),
    }
}

/// An error with everything behind it, in one line, for logs and terminals. Some libraries repeat their source in their own
/// message; it is printed once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = error.source();
    }
    text
}
