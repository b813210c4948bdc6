//! Errors of the native API: `{"detail": "…"}`. Refused fields add `errors`, a wrong supplier code may add `hint`.

use axum::Json;
use axum::http::header::{ACCEPT_ENCODING, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::{PartialSchema, ToSchema};

use super::ErrorForm;
use super::words::{self, RefusedField};
use crate::error::{Denied, Error};
use crate::http::error::{HttpError, RequestError};

/// The sentence of a 409 for an idempotency key.
pub const IN_PROGRESS: &str = "A request with this Idempotency-Key is still under way";
/// The sentence of a 422 for an idempotency key.
pub const KEY_REUSED: &str = "This Idempotency-Key was used for another request";
/// The sentence of a 412.
pub const PRECONDITION_FAILED: &str = "The credentials are not in the state that the request asks for";

/// Why a request was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error, example = json!({ "detail": "Not found" }))]
pub struct ErrorBody {
    /// One sentence.
    pub detail: String,
    /// The supplier code that was perhaps meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hint: Option<String>,
    /// Every wrong field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<WrongField>,
}

/// A wrong field. Never holds the value.
#[derive(Debug, Serialize, ToSchema)]
pub struct WrongField {
    /// Its name as the request has it.
    field: String,
    /// The fault, in words.
    message: String,
}

/// Writes an error as an answer.
pub(super) fn write(error: &HttpError) -> Response {
    if let HttpError::Family(refusal) = error {
        return refusal.response();
    }
    let (status, body) = answer(error);
    let mut response = (status, Json(body)).into_response();
    match error {
        HttpError::Domain(Error::Denied(Denied::RateLimited(seconds))) => {
            response.headers_mut().insert(RETRY_AFTER, (*seconds).into());
        }
        // RFC 9110 §15.5.16: it tells a wrong coding from a wrong type.
        HttpError::Request(RequestError::Compressed) => {
            response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        HttpError::Domain(_) | HttpError::Request(_) | HttpError::Invalid(_) | HttpError::Family(_) => {}
    }
    response
}

/// Returns the status and the body of an error.
pub fn answer(error: &HttpError) -> (StatusCode, ErrorBody) {
    match error {
        HttpError::Domain(error) => domain_answer(error),
        HttpError::Request(refused) => request_answer(*refused),
        HttpError::Invalid(fields) => validation(fields.iter().map(words::field)),
        // It belongs to another family; no operation of this one returns it.
        HttpError::Family(_) => plain(StatusCode::BAD_REQUEST),
    }
}

fn request_answer(refused: RequestError) -> (StatusCode, ErrorBody) {
    let detail = match refused {
        RequestError::MethodNotAllowed => "Method not allowed".to_owned(),
        RequestError::BodyTooLarge => "The request body is too large".to_owned(),
        RequestError::WrongMediaType { expected } => format!("The request body must be {expected}"),
        RequestError::Compressed => "The request body must not be compressed".to_owned(),
        RequestError::UnreadableBody | RequestError::UnreadablePath => sentence(StatusCode::BAD_REQUEST).to_owned(),
        RequestError::TimedOut => sentence(StatusCode::SERVICE_UNAVAILABLE).to_owned(),
        RequestError::Panicked => sentence(StatusCode::INTERNAL_SERVER_ERROR).to_owned(),
    };
    plain_with(refused.status(), detail)
}

pub(super) fn domain_answer(error: &Error) -> (StatusCode, ErrorBody) {
    let detail = |status, detail: &str| (status, ErrorBody { detail: detail.to_owned(), hint: None, errors: vec![] });
    match error {
        Error::HalfPairs(missing) => validation(missing.iter().copied().map(words::half_pair)),
        Error::Limit(limit) => validation([words::limit(*limit)]),
        Error::Taken(taken) => validation([words::taken(*taken)]),
        Error::BrokenRule(rule) => validation([words::broken_rule(*rule)]),
        Error::NotFound { what, hint } => {
            let (status, body) = detail(StatusCode::NOT_FOUND, words::missing(*what));
            (status, ErrorBody { hint: hint.clone(), ..body })
        }
        Error::UnderWay => detail(StatusCode::CONFLICT, IN_PROGRESS),
        Error::KeyReused => detail(StatusCode::UNPROCESSABLE_ENTITY, KEY_REUSED),
        Error::PreconditionFailed => detail(StatusCode::PRECONDITION_FAILED, PRECONDITION_FAILED),
        Error::Denied(denied @ (Denied::TooManyFailures | Denied::RateLimited(_) | Denied::TooManyAtOnce)) => {
            detail(StatusCode::TOO_MANY_REQUESTS, &denial(*denied))
        }
        Error::Denied(denied) => detail(StatusCode::FORBIDDEN, &denial(*denied)),
        Error::OwnCredentialsRequired { supplier_name, service } => detail(
            StatusCode::FORBIDDEN,
            &format!(
                "{supplier_name} requires your own credentials for the {service} service. \
                 Please add your {supplier_name} credentials to your account."
            ),
        ),
        Error::KeyService(_) => {
            detail(StatusCode::SERVICE_UNAVAILABLE, "The key service does not answer just now, please try again")
        }
        Error::Unavailable(_) | Error::Overloaded | Error::IssuerUnavailable | Error::NotRecorded => {
            plain(StatusCode::SERVICE_UNAVAILABLE)
        }
        Error::Unreadable(_) | Error::Seal(_) | Error::Database(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
        Error::Shared(error) => domain_answer(error),
    }
}

fn denial(denied: Denied) -> String {
    match denied {
        Denied::NotAuthenticated => "Not authenticated".to_owned(),
        // The same for a malformed, an unknown, a revoked and an expired key.
        Denied::BadKey(_) => "Invalid API key".to_owned(),
        Denied::BadToken(_) => "Invalid access token".to_owned(),
        Denied::PublicKey => "Public API keys are not supported for this endpoint".to_owned(),
        Denied::MissingScope(scope) => format!("The scope {scope} is required"),
        Denied::InactiveAccount => "Account is inactive".to_owned(),
        Denied::OtherAccount => "You may not act for this account".to_owned(),
        Denied::TwoAccounts => "The credentials of the request name two accounts".to_owned(),
        Denied::NoSubAccounts => "Sub-accounts are not enabled for this account".to_owned(),
        Denied::CannotGrant(scope) => format!("You cannot grant the scope {scope}, because you lack it"),
        Denied::BeyondLimits => {
            "You are limited by addresses or an end, and what you make or rotate must be as well".to_owned()
        }
        // Told, because it is about where the caller is and not about whether the key exists: they hold it.
        Denied::Address => "This API key is not allowed from your address".to_owned(),
        Denied::Origin => "This API key is not allowed from this origin".to_owned(),
        Denied::OperatorKey => "Operator keys are managed on the command line".to_owned(),
        Denied::TooManyFailures => "Too many failed attempts, please slow down".to_owned(),
        Denied::RateLimited(_) => sentence(StatusCode::TOO_MANY_REQUESTS).to_owned(),
        Denied::TooManyAtOnce => "Too many requests at once, please slow down".to_owned(),
        Denied::NotForOthers => "X-Account-Id is not supported for this endpoint".to_owned(),
    }
}

fn validation(fields: impl IntoIterator<Item = RefusedField>) -> (StatusCode, ErrorBody) {
    let fields: Vec<_> = fields.into_iter().collect();
    let detail = fields.first().map_or_else(|| sentence(StatusCode::BAD_REQUEST).to_owned(), RefusedField::sentence);
    let wrong = |(field, message)| WrongField { field, message };
    let errors = fields.into_iter().map(RefusedField::into_parts).map(wrong).collect();
    (StatusCode::BAD_REQUEST, ErrorBody { detail, hint: None, errors })
}

/// Returns an answer without more than its status.
pub(super) fn plain(status: StatusCode) -> (StatusCode, ErrorBody) {
    plain_with(status, sentence(status).to_owned())
}

fn plain_with(status: StatusCode, detail: String) -> (StatusCode, ErrorBody) {
    (status, ErrorBody { detail, hint: None, errors: vec![] })
}

fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request could not be read",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests, please slow down",
        StatusCode::SERVICE_UNAVAILABLE => "The service cannot answer just now, please try again",
        _ if status.is_server_error() => "Internal server error",
        _ => "The request was refused",
    }
}

/// How errors look in the OpenAPI document.
pub(super) const FORM: ErrorForm = ErrorForm {
    prefix: "",
    media_type: "application/json",
    schema: "Error",
    unauthenticated: StatusCode::FORBIDDEN,
    about: "Every error is `{\"detail\": \"…\"}`; one about fields also has `errors`, and a 404 for a supplier code may have \
            a `hint`. None repeats a value. Whatever is wrong with a key (there is none, or it is unknown, revoked, expired) \
            is 403, and a resource of another account is answered like one that does not exist.",
    schemas: || {
        let mut schemas = vec![("Error".to_owned(), ErrorBody::schema())];
        ErrorBody::schemas(&mut schemas);
        schemas
    },
    example: |status| match status {
        StatusCode::FORBIDDEN => json!({ "detail": "Not authenticated" }),
        StatusCode::BAD_REQUEST => json!({
            "detail": "supplier_code: is required",
            "errors": [{ "field": "supplier_code", "message": "is required" }],
        }),
        StatusCode::PAYLOAD_TOO_LARGE => json!(request_answer(RequestError::BodyTooLarge).1),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => json!(request_answer(RequestError::NOT_JSON).1),
        status => json!(plain(status).1),
    },
    described: |detail| json!({ "detail": detail }),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Outcome;
    use crate::error::{BrokenRule, Limit, Missing, OpenError, SealError, Taken};
    use crate::principal::Scope;
    use crate::types::Service;

    #[test]
    fn the_code_on_record_is_the_status_of_the_answer() {
        let errors = [
            Error::HalfPairs(vec![]),
            Error::Limit(Limit::ApiKeys(6)),
            Error::Taken(Taken::UserEmail),
            Error::BrokenRule(BrokenRule::RotateTwice),
            Error::missing(Missing::Supplier),
            Error::UnderWay,
            Error::KeyReused,
            Error::PreconditionFailed,
            Error::Denied(Denied::TooManyFailures),
            Error::Denied(Denied::RateLimited(1)),
            Error::Denied(Denied::TooManyAtOnce),
            Error::Denied(Denied::MissingScope(Scope::AuditRead)),
            Error::Denied(Denied::OtherAccount),
            Error::OwnCredentialsRequired { supplier_name: "Hit".to_owned(), service: Service::Inv },
            Error::Unreadable(OpenError::Rejected),
            Error::Seal(SealError),
            Error::Unavailable(sqlx::Error::PoolClosed),
            Error::NotRecorded,
            Error::Overloaded,
            Error::IssuerUnavailable,
            Error::Database(sqlx::Error::RowNotFound),
            Error::Shared(std::sync::Arc::new(Error::NotRecorded)),
        ];
        for error in errors {
            assert_eq!(i32::from(domain_answer(&error).0.as_u16()), i32::from(Outcome::from(&error).code()), "{error}");
        }
    }
}
