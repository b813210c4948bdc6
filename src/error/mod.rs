//! The errors of the domain, as values. Each dialect of `http/dialect/` has its answer to each error, and its sentence;
//! the text that an error displays is for logs.

mod denied;
mod open;
mod rules;

pub use denied::Denied;
pub use open::{KeyServiceError, OpenError, SealError};
pub use rules::{BrokenRule, Half, Limit, MissingHalf, Taken};

use crate::types::Service;

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

/// Any failure of a use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Pairs would be stored of which a half is missing.
    #[error("half of a pair is missing: {0:?}")]
    HalfPairs(Vec<MissingHalf>),
    /// There would be more of something than there may be.
    #[error("more than there may be: {0:?}")]
    Limit(Limit),
    /// A name is in use already.
    #[error("in use already: {0:?}")]
    Taken(Taken),
    /// The act breaks a rule.
    #[error("a rule is broken: {0:?}")]
    BrokenRule(BrokenRule),
    /// Something named by the request does not exist; for a supplier code perhaps with the one that was meant.
    #[error("not found: {what:?}")]
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

impl Error {
    /// A missing thing, without a hint.
    pub fn missing(what: Missing) -> Self {
        Error::NotFound { what, hint: None }
    }

    /// Why a stored value does not open, if that is the error; perhaps of a load that several callers shared.
    pub fn unreadable(&self) -> Option<OpenError> {
        match self {
            Error::Unreadable(why) => Some(*why),
            Error::Shared(error) => error.unreadable(),
            _ => None,
        }
    }

    /// Whether the database could not be reached in time, perhaps by a load that several callers shared.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Error::Unavailable(_) => true,
            Error::Shared(error) => error.is_unavailable(),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if crate::postgres::is_unavailable(&error) { Error::Unavailable(error) } else { Error::Database(error) }
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

/// Returns an error and its causes in one line, for logs.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    chain_by(error, ToString::to_string)
}

/// Returns an error and its causes in one line, in the given words. Some libraries repeat their source
/// in their own message; it is printed once.
pub fn chain_by<'e>(
    error: &'e (dyn std::error::Error + 'static),
    words: impl Fn(&'e (dyn std::error::Error + 'static)) -> String,
) -> String {
    let mut text = words(error);
    let mut next = error.source();
    while let Some(error) = next {
        let message = words(error);
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = error.source();
    }
    text
}
