//! Errors of calls to suppliers: the native form, with two of their own. Wrong parameters are listed as the vendor lists them
//! (`{"detail": [{"loc", "msg", "type"}]}`), and a failure of the supplier carries the level of the login that was used.

use std::fmt;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use promostandards::{AnswerError, Fault};
use serde_json::{Value, json};

use super::native;
use crate::calls::failure::{Failed, Failure, LoginHalf, SupplierFailure, Suspended};
use crate::calls::transport::TransportError;
use crate::http::error::{HttpError, Refusal};
use crate::http::extract::body::is_field_path;

/// The level of the login that a call used.
pub(in crate::http) static X_CREDENTIAL_SOURCE: HeaderName = HeaderName::from_static("x-credential-source");

/// Why a call is refused, or has no answer.
#[derive(Debug)]
pub(in crate::http) enum CallRefusal {
    /// Parameters or fields of the body are wrong.
    Parameters(Vec<Fault>),
    /// The login in the header cannot be read.
    Header(WrongHeader),
    /// The call failed.
    Failed(Box<Failed>),
    /// A login that was tried before it is stored was refused.
    LoginRefused {
        /// The supplier's code.
        code: u16,
    },
}

/// Why the login in `Authorization: Basic` cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum WrongHeader {
    /// There are two headers.
    Twice,
    /// It is no Base64.
    NoBase64,
    /// It is no UTF-8.
    NoText,
    /// It has no colon.
    NoColon,
    /// A half is too long, or has a character that no login has.
    WrongText,
}

/// The stored answer to the repetition of an order whose fate is not known.
pub(in crate::http) fn order_in_doubt(sent_at: DateTime<Utc>) -> String {
    let detail = format!(
        "The order with this Idempotency-Key was sent at {}, and no answer of the supplier is on record: it may have been \
         received. Ask the supplier for its status before you send it with another key.",
        moment(sent_at)
    );
    json!({ "detail": detail }).to_string()
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Writes an error as an answer.
pub(super) fn write(error: &HttpError) -> Response {
    native::write(error)
}

impl Refusal for CallRefusal {
    fn response(&self) -> Response {
        match self {
            CallRefusal::Parameters(faults) => wrong(
                faults.iter().map(|fault| json!({ "loc": place(fault), "msg": fault.message, "type": fault.kind })),
            ),
            CallRefusal::Header(why) => {
                let fault = json!({ "loc": ["header", "authorization"], "msg": why.sentence(), "type": "value_error" });
                wrong([fault])
            }
            CallRefusal::Failed(failed) => write_failed(failed),
            CallRefusal::LoginRefused { code } => {
                let body = json!({ "detail": "The supplier refused this login", "refused_code": code });
                (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
            }
        }
    }
}

/// The place of a fault. A name that is nobody's field may be a value by mistake, and is not repeated.
fn place(fault: &Fault) -> Vec<&str> {
    fault.location.iter().map(|step| if is_field_path(step) { step.as_str() } else { "?" }).collect()
}

fn wrong(faults: impl IntoIterator<Item = Value>) -> Response {
    let faults: Vec<_> = faults.into_iter().collect();
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": faults }))).into_response()
}

fn write_failed(failed: &Failed) -> Response {
    let (status, body) = match &failed.why {
        Failure::Domain(error) => {
            let (status, body) = native::domain_answer(error);
            (status, json!(body))
        }
        Failure::NoEndpoint { supplier_name, service, version, environment } => {
            let detail = format!("{supplier_name} has no endpoint for {service} {version} in {environment}");
            (StatusCode::NOT_FOUND, json!({ "detail": detail }))
        }
        Failure::NoTrial { supplier_name, environment } => {
            let detail = format!("{supplier_name} has no endpoint in {environment} by which a login could be tried");
            (StatusCode::NOT_FOUND, json!({ "detail": detail }))
        }
        Failure::Suspended(suspended) => (StatusCode::FORBIDDEN, refused_login(suspended)),
        Failure::UnsendableLogin { level, half } => {
            let half = match half {
                LoginHalf::Username => "user name",
                LoginHalf::Password => "password",
            };
            let detail = format!(
                "The {half} of the {} login has a character that cannot be sent to a supplier. Store another one.",
                level.as_str()
            );
            (StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": detail }))
        }
        Failure::Supplier { supplier_name, how, is_order } => {
            let (status, detail) = supplier_failed(supplier_name, how, *is_order);
            (status, json!({ "detail": detail }))
        }
    };
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    if let Some(source) = failed.source {
        headers.insert(X_CREDENTIAL_SOURCE.clone(), HeaderValue::from_static(source.as_str()));
    }
    if let Failure::Supplier {
        how: SupplierFailure::Busy(after) | SupplierFailure::Full(after) | SupplierFailure::Down(after),
        ..
    } = &failed.why
    {
        headers.insert(RETRY_AFTER, after.as_secs().max(1).into());
    }
    response
}

fn refused_login(suspended: &Suspended) -> Value {
    let Suspended { supplier_name, level, service, refused_at, refused_code, until } = suspended;
    let detail = format!(
        "{supplier_name} refused the {} login for {service} on {}. Store the right one, or try again after {}.",
        level.as_str(),
        moment(*refused_at),
        moment(*until)
    );
    json!({ "detail": detail, "refused_code": refused_code })
}

/// The sentence of a supplier's failure; none for any other.
pub(in crate::http) fn failure_of_supplier(failed: &Failed) -> Option<String> {
    match &failed.why {
        Failure::Supplier { supplier_name, how, is_order } => Some(supplier_failed(supplier_name, how, *is_order).1),
        _ => None,
    }
}

/// The status and the sentence of a supplier's failure. None names an address.
fn supplier_failed(name: &str, how: &SupplierFailure, is_order: bool) -> (StatusCode, String) {
    let perhaps = if is_order { "; the order may have been received" } else { "" };
    match how {
        SupplierFailure::TimedOut | SupplierFailure::Transport(TransportError::TimedOut) => {
            (StatusCode::GATEWAY_TIMEOUT, format!("{name} did not answer in time{perhaps}"))
        }
        SupplierFailure::Busy(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{name} has too much to do just now, please try again"))
        }
        SupplierFailure::Full(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("Too many calls to {name} are under way just now, please try again"),
        ),
        SupplierFailure::Down(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{name} does not answer just now, please try again"))
        }
        SupplierFailure::Status(status @ (401 | 403)) => (
            StatusCode::BAD_GATEWAY,
            format!(
                "The server of {name} refused the connection with status {status}; it may allow only known addresses"
            ),
        ),
        SupplierFailure::Status(status) => {
            (StatusCode::BAD_GATEWAY, format!("{name} answered with status {status} and no message{perhaps}"))
        }
        SupplierFailure::Transport(error) => {
            let perhaps = if error.may_be_received() { perhaps } else { "" };
            (StatusCode::BAD_GATEWAY, format!("{name}: {error}{perhaps}"))
        }
        SupplierFailure::Answer(error) => (StatusCode::BAD_GATEWAY, unreadable(name, error)),
    }
}

/// The sentence of an answer that is none.
fn unreadable(name: &str, error: &AnswerError) -> String {
    match error {
        AnswerError::Fault { text, about_login: false } => format!("{name} failed: {text}"),
        AnswerError::Fault { text, about_login: true } => format!("{name} failed: {text} (it may be about the login)"),
        _ => format!("{name} {error}"),
    }
}

impl WrongHeader {
    fn sentence(self) -> &'static str {
        match self {
            WrongHeader::Twice => "must be there once",
            WrongHeader::NoBase64 => "must be Basic with the Base64 of user name, colon and password",
            WrongHeader::NoText => "must be UTF-8 within its Base64",
            WrongHeader::NoColon => "must have a colon between user name and password",
            WrongHeader::WrongText => "must have no control characters and at most 255 characters in each half",
        }
    }
}

impl fmt::Display for CallRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallRefusal::Parameters(faults) => write!(f, "{} parameters of a call are wrong", faults.len()),
            CallRefusal::LoginRefused { .. } => f.write_str("the supplier refused a login that is not stored"),
            CallRefusal::Header(_) => f.write_str("the login in the header cannot be read"),
            CallRefusal::Failed(failed) => match &failed.why {
                Failure::Domain(error) => write!(f, "{error}"),
                Failure::NoEndpoint { .. } | Failure::NoTrial { .. } => f.write_str("there is no endpoint"),
                Failure::Suspended(_) => f.write_str("the login was refused too often"),
                Failure::UnsendableLogin { .. } => f.write_str("the login cannot be sent"),
                Failure::Supplier { how, .. } => write!(f, "the supplier failed: {how:?}"),
            },
        }
    }
}

impl From<WrongHeader> for CallRefusal {
    fn from(why: WrongHeader) -> Self {
        CallRefusal::Header(why)
    }
}

impl From<Failed> for CallRefusal {
    fn from(failed: Failed) -> Self {
        CallRefusal::Failed(Box::new(failed))
    }
}

impl From<CallRefusal> for HttpError {
    fn from(refusal: CallRefusal) -> Self {
        match refusal {
            // The edge knows its consequences, such as a count or a fault of ours.
            CallRefusal::Failed(failed) => match *failed {
                Failed { source: None, why: Failure::Domain(error) } => error.into(),
                failed => HttpError::Family(Box::new(CallRefusal::Failed(Box::new(failed)))),
            },
            refusal => HttpError::Family(Box::new(refusal)),
        }
    }
}
