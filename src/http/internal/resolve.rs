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
use crate::audit::{Action, Event, Resolve};
use crate::auth;
use crate::error::{Denied, Error, FieldError, FieldErrors, Missing, chain};
use crate::http::dialect::{self, ErrorBody};
use crate::http::error::HttpError;
use crate::http::extract::body::{self, JsonBody, Object};
use crate::http::extract::caller::{Caller, ResolveCredentials, refused_actor};
use crate::http::extract::number;
use crate::http::extract::query::{NoParameters, Query};
use crate::http::openapi::schemas;
use crate::principal::Actor;
use crate::resolver::precedence::Level;
use crate::resolver::{Call, Resolved};
use crate::types::{AccountId, Environment, HalfPair, Password, Service, SupplierCode, Username};

/// Most resolves in a batch.
pub(in crate::http) const BATCH_LIMIT: usize = 100;

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
    /// wants old answers rather than none.
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
        let call = self.account_id.map(AccountId).zip(supplier).zip(service.zip(environment));
        let ((account, supplier), (service, environment)) = errors.complete(call)?;
        Ok((Call { account, supplier, service, environment }, request))
    }
}

/// A caller who may be given passwords. One who may not is known all the same, and recorded.
pub struct Resolving(Caller<ResolveCredentials>);

impl FromRequestParts<Arc<App>> for Resolving {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, HttpError> {
        let refused = match Caller::from_request_parts(parts, app).await {
            Ok(caller) => return Ok(Self(caller)),
            Err(refused) => refused,
        };
        if let Some(actor) = refused_actor(parts)
            && let Some(principal) = &actor.principal
        {
            let event =
                Event { outcome: dialect::answer(&refused).0.as_u16(), ..Event::new(Action::CredentialsResolved) };
            let (account, occurred_at) = (principal.acting_account, app.clock.now());
            app.recorder.record(Resolve { account, actor, occurred_at, event }).await?;
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
    Resolving(caller): Resolving,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(Object(body)): JsonBody<Object<ResolveBody>>,
) -> Result<Response, HttpError> {
    let (call, request) = body.parse()?;
    let (answer, record) = resolve_one(&app, caller.actor, &call, &request).await;
    app.recorder.record(record).await?;
    Ok(Json(ResolvedBody::new(&call, &answer?)).into_response())
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
    Resolving(caller): Resolving,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    JsonBody(bodies): JsonBody<Vec<Box<RawValue>>>,
) -> Result<Response, HttpError> {
    if bodies.len() > BATCH_LIMIT {
        let message = format!("A batch takes at most {BATCH_LIMIT} resolves");
        return Err(Error::invalid(FieldError::sentence_alone("body", &message)).into());
    }
    let mut answers = Vec::with_capacity(bodies.len());
    let mut records = Vec::with_capacity(bodies.len());
    for body in bodies {
        // Each is read by itself, so that a wrong one has a status of its own.
        let parsed = body::parse(body.get().as_bytes()).and_then(|Object(body): Object<ResolveBody>| body.parse());
        answers.push(match parsed {
            Ok((call, request)) => {
                let (answer, record) = resolve_one(&app, caller.actor.clone(), &call, &request).await;
                records.push(record);
                answer.map(|resolved| (call, resolved))
            }
            Err(error) => Err(error.into()),
        });
    }
    app.recorder.record_all(records).await?;
    let items: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
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
        })
        .collect();
    Ok(Json(items).into_response())
}

/// The answer to a call, and what is to be recorded of it before the answer leaves.
async fn resolve_one(
    app: &App,
    actor: Actor,
    call: &Call,
    request: &HalfPair,
) -> (Result<Resolved, HttpError>, Resolve) {
    let own_account = actor.principal.as_ref().map_or(AccountId::OPERATOR, |principal| principal.acting_account);
    let may = match &actor.principal {
        Some(principal) => auth::may_resolve_for(principal, call.account, &app.statuses).await,
        None => Err(Denied::NotAuthenticated.into()),
    };
    let (answer, account) = match may {
        Ok(()) => match app.resolver.resolve(call, request).await {
            Err(error @ Error::NotFound { what: Missing::Account, .. }) => (Err(error), own_account),
            answer => (answer, call.account),
        },
        // Nobody writes into the evidence of an account that is not theirs.
        Err(error) => (Err(error), own_account),
    };
    // The evidence names suppliers, not whatever stood in that field: it might be a password by mistake.
    let supplier_exists = match &answer {
        Ok(_) | Err(Error::OwnCredentialsRequired { .. } | Error::Unreadable(_)) => true,
        Err(_) => app.resolver.defaults(&call.supplier).await.is_ok(),
    };
    let answer = answer.map_err(HttpError::from);
    let event = Event {
        supplier: supplier_exists.then(|| call.supplier.clone()),
        service: Some(call.service),
        environment: Some(call.environment),
        outcome: answer.as_ref().map_or_else(|error| dialect::answer(error).0, |_| StatusCode::OK).as_u16(),
        source: answer.as_ref().ok().map(|resolved| resolved.source.as_str()),
        asked_account: (account != call.account).then_some(call.account),
        ..Event::new(Action::CredentialsResolved)
    };
    (answer, Resolve { account, actor, occurred_at: app.clock.now(), event })
}
