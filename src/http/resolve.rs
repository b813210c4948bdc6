//! `POST /internal/v1/resolve` and `/batch`: the pair that a call uses, password included. On the internal listener only.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::body::{self, JsonBody, Object};
use super::caller::{Caller, ResolveCredentials};
use super::error::{ErrorBody, HttpError};
use super::query::{NoParameters, Query};
use crate::app::App;
use crate::auth;
use crate::error::{Error, FieldError, FieldErrors, chain};
use crate::principal::Principal;
use crate::resolver::precedence::Level;
use crate::resolver::{Call, Resolved};
use crate::types::{AccountId, Environment, HalfPair, Password, Service, SupplierCode, Username};

/// Most resolves in a batch.
const BATCH_LIMIT: usize = 100;

/// A call to resolve.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveBody {
    account_id: Option<AccountId>,
    supplier_code: Option<String>,
    service: Option<String>,
    environment: Option<String>,
    request_credentials: Option<Object<RequestCredentials>>,
}

/// The pair that came with the call itself.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCredentials {
    username: Option<SecretString>,
    password: Option<SecretString>,
}

/// The answer, as it is written. It borrows the pair, which is wiped when the answer is on its way.
#[derive(Serialize)]
struct ResolvedBody<'a> {
    source: Level,
    username: &'a str,
    password: &'a str,
    supplier_code: &'a str,
    service: Service,
    environment: Environment,
    /// Seconds for which nobody could tell whether the pair is current.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_for: Option<u64>,
}

/// One answer of a batch.
#[derive(Serialize)]
struct BatchItem<'a> {
    status: u16,
    #[serde(flatten)]
    body: BatchItemBody<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum BatchItemBody<'a> {
    Resolved(ResolvedBody<'a>),
    Refused(ErrorBody),
}

impl<'a> ResolvedBody<'a> {
    fn new(call: &'a Call, resolved: &'a Resolved) -> Self {
        Self {
            source: resolved.source,
            username: resolved.pair.username.expose(),
            password: resolved.pair.password.expose(),
            supplier_code: call.supplier.as_str(),
            service: call.service,
            environment: call.environment,
            stale_for: resolved.stale_for.map(|time| time.as_secs()),
        }
    }
}

impl ResolveBody {
    fn parse(self) -> Result<(Call, HalfPair), Error> {
        let mut errors = FieldErrors::default();
        if self.account_id.is_none() {
            errors.push(FieldError::new("account_id", "is required"));
        }
        let supplier = errors.required("supplier_code", self.supplier_code, |code| SupplierCode::parse(&code));
        let service = errors.required_service("service", self.service.as_deref());
        let environment = errors.required_environment("environment", self.environment.as_deref());
        let request = self.request_credentials.map(|Object(request)| request).unwrap_or_default();
        let request = HalfPair {
            username: errors.optional("request_credentials.username", request.username, Username::parse),
            password: errors.optional("request_credentials.password", request.password, Password::parse),
        };
        let call = self.account_id.zip(supplier).zip(service.zip(environment));
        let ((account, supplier), (service, environment)) = errors.complete(call)?;
        Ok((Call { account, supplier, service, environment }, request))
    }
}

pub async fn resolve(
    caller: Caller<ResolveCredentials>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<ResolveBody>>,
) -> Result<Response, HttpError> {
    let (call, resolved) = resolve_one(&app, &caller.principal, body).await?;
    Ok(Json(ResolvedBody::new(&call, &resolved)).into_response())
}

pub async fn resolve_batch(
    caller: Caller<ResolveCredentials>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(bodies): JsonBody<Vec<Box<RawValue>>>,
) -> Result<Response, HttpError> {
    if bodies.len() > BATCH_LIMIT {
        let message = format!("A batch takes at most {BATCH_LIMIT} resolves");
        return Err(Error::invalid(FieldError::sentence_alone("body", &message)).into());
    }
    let mut answers = Vec::with_capacity(bodies.len());
    for body in bodies {
        // Each is read by itself, so that a wrong one has a status of its own.
        let answer = match body::parse(body.get().as_bytes()) {
            Ok(Object(body)) => resolve_one(&app, &caller.principal, body).await,
            Err(error) => Err(error),
        };
        answers.push(answer.map_err(HttpError::from));
    }
    let items: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok((call, resolved)) => BatchItem {
                status: StatusCode::OK.as_u16(),
                body: BatchItemBody::Resolved(ResolvedBody::new(call, resolved)),
            },
            Err(error) => {
                let (status, body) = error.answer();
                if status.is_server_error() {
                    // The batch itself succeeds, so the edge will not log this.
                    tracing::error!(cause = chain(error), "a resolve of a batch failed");
                }
                BatchItem { status: status.as_u16(), body: BatchItemBody::Refused(body) }
            }
        })
        .collect();
    Ok(Json(items).into_response())
}

async fn resolve_one(app: &App, principal: &Principal, body: ResolveBody) -> Result<(Call, Resolved), Error> {
    let (call, request) = body.parse()?;
    auth::may_resolve_for(principal, call.account, &app.statuses).await?;
    let resolved = app.resolver.resolve(&call, &request).await?;
    Ok((call, resolved))
}
