//! `POST /internal/v1/resolve` and `/batch`: the pair that a call uses, password included. On the internal listener only,
//! and recorded, whether or not it succeeds, before the answer leaves.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::App;
use crate::audit::Outcome;
use crate::disclosure::{BATCH_LIMIT, Recipient};
use crate::error::chain;
use crate::http::dialect::{self, ErrorBody};
use crate::http::error::HttpError;
use crate::http::extract::body::{self, JsonBody, Object};
use crate::http::extract::caller::{Caller, ResolveCredentials, refused_actor};
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::number;
use crate::http::extract::query::{NoParameters, Query};
use crate::http::fields::{Fault, FieldError};
use crate::http::openapi::schemas;
use crate::resolver::precedence::Level;
use crate::resolver::{Call, Resolved};
use crate::types::{AccountId, Environment, HalfPair, Password, Service, SupplierCode, Username};

/// A call to resolve.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Call, example = json!({
    "account_id": 1, "supplier_code": "HIT", "service": "INV", "environment": "PROD",
}))]
pub struct ResolveBody {
    #[serde(default, deserialize_with = "number::whole")]
    #[schema(value_type = schemas::AskedAccount, required)]
    account_id: Option<i64>,
    #[schema(value_type = schemas::SupplierCode, required)]
    supplier_code: Option<String>,
    #[schema(value_type = schemas::ServiceName, required)]
    service: Option<String>,
    #[schema(value_type = schemas::EnvironmentCode, required)]
    environment: Option<String>,
    #[schema(value_type = Option<RequestCredentials>)]
    request_credentials: Option<Object<RequestCredentials>>,
}

/// The pair that came with the call itself. Half a pair is as good as none.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestCredentials {
    #[schema(value_type = Option<schemas::Text>)]
    username: Option<SecretString>,
    #[schema(value_type = Option<schemas::Secret>)]
    password: Option<SecretString>,
}

/// The answer, as it is written. It borrows the pair, which is wiped when the answer is on its way.
#[derive(Serialize, ToSchema)]
#[schema(as = Resolved, description = "The pair that a call uses.", example = json!({
    "source": "service",
    "username": "hit_inv_user",
    "password": "hit_inv_pass",
    "supplier_code": "HIT",
    "service": "INV",
    "environment": "PROD",
}))]
struct ResolvedBody<'a> {
    #[schema(value_type = schemas::LevelName)]
    source: Level,
    username: &'a str,
    password: &'a str,
    #[schema(value_type = schemas::SupplierCode)]
    supplier_code: &'a str,
    #[schema(value_type = schemas::ServiceCode)]
    service: Service,
    #[schema(value_type = schemas::EnvironmentCode)]
    environment: Environment,
    /// Seconds for which nobody could tell whether the pair is current, because the database is away and the operator
    /// prefers old answers to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stale_for: Option<u64>,
}

/// One answer of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchAnswer)]
struct BatchItem<'a> {
    /// The status of a single resolve of the call.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    #[serde(flatten)]
    body: BatchItemBody<'a>,
}

/// The pair, or why there is none.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = BatchAnswerBody)]
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
    fn parse(self) -> Result<(Call, HalfPair), HttpError> {
        let mut errors = FieldErrors::default();
        if self.account_id.is_none() {
            errors.push("account_id", Fault::Required);
        }
        let supplier = errors.required("supplier_code", self.supplier_code, |code| SupplierCode::parse(&code));
        let service = errors.required_service("service", self.service.as_deref());
        let environment = errors.required_environment("environment", self.environment.as_deref());
        let request = self.request_credentials.map(|Object(request)| request).unwrap_or_default();
        let request = HalfPair {
            username: errors.optional("request_credentials.username", request.username, Username::parse),
            password: errors.optional("request_credentials.password", request.password, Password::parse),
        };
        let call = self.account_id.map(AccountId).zip(supplier).zip(service.zip(environment));
        let ((account, supplier), (service, environment)) = errors.complete(call)?;
        Ok((Call { account, supplier, service, environment }, request))
    }
}

/// A caller who may be given passwords. One who may not is known all the same, and recorded.
pub struct Resolving(Recipient);

impl FromRequestParts<Arc<App>> for Resolving {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, HttpError> {
        let caller = Caller::<ResolveCredentials>::from_request_parts(parts, app).await;
        let refused = match caller {
            Ok(caller) => return Ok(Self(Recipient::new(caller.actor)?)),
            Err(refused) => refused,
        };
        if let Some(actor) = refused_actor(parts) {
            let outcome = match &refused {
                HttpError::Domain(error) => Outcome::from(error),
                HttpError::Request(_) | HttpError::Invalid(_) | HttpError::Family(_) => Outcome::Invalid,
            };
            app.disclosure.refuse(actor, outcome).await?;
        }
        Err(refused)
    }
}

/// Resolve a call
///
/// The pair that a call uses, password included. The account of the key must be the one asked about or its parent, unless it is an
/// operator's key. A 403 with the supplier's name means that no level of the hierarchy has a pair.
#[utoipa::path(
    post,
    path = "",
    operation_id = "resolve",
    request_body = ResolveBody,
    responses(
        (status = 200, description = "The pair", body = ResolvedBody),
        (status = 404, description = "Supplier not found"),
    ),
    security(("oauth2" = ["credentials:resolve"]))
)]
pub async fn resolve(
    Resolving(recipient): Resolving,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<ResolveBody>>,
) -> Result<Response, HttpError> {
    let (call, request) = body.parse()?;
    let resolved = app.disclosure.disclose(&recipient, &call, &request).await?;
    Ok(Json(ResolvedBody::new(&call, &resolved)).into_response())
}

/// Resolve up to a hundred calls
///
/// Answers come in the order of the calls, each with the status and the body of a single resolve.
#[utoipa::path(
    post,
    path = "",
    operation_id = "resolve_batch",
    request_body = schemas::Batch,
    responses((status = 200, description = "One answer for each call", body = Vec<BatchItem>)),
    security(("oauth2" = ["credentials:resolve"]))
)]
pub async fn resolve_batch(
    Resolving(recipient): Resolving,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(bodies): JsonBody<Vec<Box<RawValue>>>,
) -> Result<Response, HttpError> {
    if bodies.len() > BATCH_LIMIT {
        return Err(FieldError::new("body", Fault::TooManyCalls(BATCH_LIMIT)).into());
    }
    // Each is read by itself, so that a wrong one has a status of its own.
    let parse = |body: &RawValue| -> Result<_, HttpError> {
        let Object(body) = body::parse::<Object<ResolveBody>>(body.get().as_bytes())?;
        body.parse()
    };
    let calls: Vec<_> = bodies.iter().map(|body| parse(body)).collect();
    let disclosed = app.disclosure.disclose_all(&recipient, calls.iter().flatten()).await?;
    let mut disclosed = disclosed.into_iter();
    let answers: Vec<_> = calls
        .into_iter()
        .filter_map(|call| match call {
            Ok((call, _)) => disclosed.next().map(|resolved| Ok((call, resolved?))),
            Err(wrong) => Some(Err(wrong)),
        })
        .collect();
    Ok(Json(answers.iter().map(batch_item).collect::<Vec<_>>()).into_response())
}

fn batch_item(answer: &Result<(Call, Resolved), HttpError>) -> BatchItem<'_> {
    match answer {
        Ok((call, resolved)) => BatchItem {
            status: StatusCode::OK.as_u16(),
            body: BatchItemBody::Resolved(ResolvedBody::new(call, resolved)),
        },
        Err(error) => {
            let (status, body) = dialect::answer(error);
            if status.is_server_error() {
                // The batch itself succeeds, so the edge will not log this.
                tracing::error!(cause = chain(error), "a resolve of a batch failed");
            }
            BatchItem { status: status.as_u16(), body: BatchItemBody::Refused(body) }
        }
    }
}
