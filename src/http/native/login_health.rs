//! `GET /extra/v2/credentials/{supplier_code}/health` and `POST …/verify`: whether logins work, from the
//! answers of suppliers, and a trial on purpose.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use promostandards::Verdict;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::calls::health::Login;
use crate::calls::health::state::{Condition, State as LoginState};
use crate::calls::probe::{Trial, TrialOutcome, Tried};
use crate::error::Missing;
use crate::http::dialect::calls::{CallRefusal, failure_of_supplier};
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::http::extract::body::{Object, OptionalBody};
use crate::http::extract::caller::{Caller, ReadCredentials, WriteCredentials};
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::path::Path;
use crate::http::extract::query::{NoParameters, Query};
use crate::http::fields::Fault;
use crate::http::native::supplier_path::supplier_in_path;
use crate::http::openapi::schemas;
use crate::resolver::Explanation;
use crate::resolver::precedence::Level;
use crate::types::{Environment, HalfPair, Password, Service, SupplierCode, Username};

/// Whether a login works.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LoginState)]
pub enum StateName {
    /// The supplier knew it when it was used last.
    Accepted,
    /// The supplier refused it when it was used last.
    Refused,
    /// The supplier refused it three times or more in a row, and it is not sent for a while.
    Suspended,
    /// No answer was about it yet.
    Unknown,
}

/// The knowledge of one login.
#[derive(Serialize, ToSchema)]
#[schema(as = LoginHealth)]
pub struct HealthBody {
    #[schema(value_type = schemas::LevelName)]
    level: Level,
    /// The service of service credentials, or of a refusal that holds for one service only.
    #[schema(value_type = Option<schemas::ServiceCode>, required)]
    service: Option<Service>,
    #[schema(value_type = schemas::EnvironmentCode)]
    environment: Environment,
    state: StateName,
    /// When the state began.
    #[schema(required)]
    since: Option<DateTime<Utc>>,
    #[schema(required)]
    last_accepted_at: Option<DateTime<Utc>>,
    #[schema(required)]
    last_refused_at: Option<DateTime<Utc>>,
    /// The supplier's code of the last refusal.
    #[schema(required, example = 105)]
    refused_code: Option<u16>,
    /// When a suspended login is sent again.
    #[schema(required)]
    retry_after: Option<DateTime<Utc>>,
}

/// The knowledge of the logins for a supplier.
#[derive(Serialize, ToSchema)]
#[schema(as = LoginHealths)]
pub struct HealthsBody {
    #[schema(value_type = schemas::SupplierCode)]
    supplier_code: String,
    /// Production before staging, each from the highest level.
    results: Vec<HealthBody>,
}

impl HealthBody {
    /// Of the pair that answers a call: its own state, or the refusal for the service of the call.
    pub(super) fn of_answer(
        explanation: &Explanation,
        known: &[(Login, Option<LoginState>)],
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let Explanation { service, environment, .. } = *explanation;
        let level = explanation.source?;
        let of = |for_service: Option<Service>| {
            known.iter().find(|(login, _)| {
                login.level == level && login.environment == environment && login.service == for_service
            })
        };
        let for_service = of(Some(service));
        let pair = if level == Level::Service { for_service } else { of(None) };
        let refused = for_service.filter(|(_, state)| state.is_some());
        let (login, state) = refused.or(pair)?;
        Some(Self::new(login.level, login.service, environment, state.as_ref(), now))
    }

    fn new(
        level: Level,
        service: Option<Service>,
        environment: Environment,
        state: Option<&LoginState>,
        now: DateTime<Utc>,
    ) -> Self {
        let condition = state.map(|state| state.condition(now));
        let (name, retry_after) = match condition {
            None => (StateName::Unknown, None),
            Some(Condition::Accepted) => (StateName::Accepted, None),
            Some(Condition::Refused) => (StateName::Refused, None),
            Some(Condition::Suspended(until)) => (StateName::Suspended, Some(until)),
        };
        Self {
            level,
            service,
            environment,
            state: name,
            since: state.map(|state| state.since),
            last_accepted_at: state.and_then(|state| state.last_accepted_at),
            last_refused_at: state.and_then(|state| state.last_refused_at),
            refused_code: state.and_then(|state| state.refused_code),
            retry_after,
        }
    }
}

/// See whether the logins for a supplier work
///
/// From the answers of the supplier when they were used last. A write of a pair begins anew.
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_login_health",
    params(Caller<ReadCredentials>),
    responses(
        (status = 200, description = "Every whole pair that may be used", body = HealthsBody),
        (status = 404, description = "Supplier not found"),
    ),
    security(("oauth2" = ["credentials:read"]))
)]
pub async fn health(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<HealthsBody>, HttpError> {
    let supplier = supplier_in_path(&code, Missing::Supplier)?;
    let now = app.clock.now();
    let known = app.calls.health_of(caller.account(), &supplier).await?;
    let results = known
        .iter()
        .map(|(login, state)| HealthBody::new(login.level, login.service, login.environment, state.as_ref(), now));
    Ok(Json(HealthsBody { supplier_code: supplier.to_string(), results: results.collect() }))
}

/// The login to try.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LoginTrial, example = json!({ "service": "INV", "environment": "PROD" }))]
pub struct TrialBody {
    /// The service; the one that costs least if it is left out.
    #[schema(value_type = Option<schemas::ServiceName>, nullable = false)]
    service: Option<String>,
    /// The environment; production if it is left out.
    #[schema(value_type = Option<schemas::EnvironmentCode>, nullable = false)]
    environment: Option<String>,
    /// A pair that is not stored; the stored one if it is left out.
    #[schema(value_type = Option<TrialPair>)]
    credentials: Option<Object<TrialPair>>,
}

/// A pair to try before it is stored.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LoginTrialPair)]
pub struct TrialPair {
    #[schema(value_type = schemas::Text, required)]
    username: Option<SecretString>,
    #[schema(value_type = schemas::Secret, required)]
    password: Option<SecretString>,
}

/// The result of a trial.
#[derive(Serialize, ToSchema)]
#[schema(as = LoginTrialResult, example = json!({
    "state": "refused", "level": "account", "service": "INV", "environment": "PROD", "code": 105,
    "message": "Authentication Credentials failed", "took_ms": 212,
}))]
pub struct TriedBody {
    state: StateName,
    /// The level of the pair that was tried.
    #[schema(value_type = Option<schemas::LevelName>, required)]
    level: Option<Level>,
    /// The service that was asked.
    #[schema(value_type = schemas::ServiceCode)]
    service: Service,
    #[schema(value_type = schemas::EnvironmentCode)]
    environment: Environment,
    /// The supplier's code.
    #[schema(required)]
    code: Option<i64>,
    /// The supplier's message, or why there is none.
    #[schema(required)]
    message: Option<String>,
    took_ms: u64,
}

impl From<Tried> for TriedBody {
    fn from(tried: Tried) -> Self {
        let Tried { level, service, environment, outcome, took } = tried;
        let (state, code, message) = match outcome {
            TrialOutcome::Said(verdict, message) => {
                let state = match verdict {
                    Verdict::Accepted => StateName::Accepted,
                    Verdict::Refused { .. } => StateName::Refused,
                    Verdict::Silent => StateName::Unknown,
                };
                let code = message.as_ref().and_then(|message| message.code);
                (state, code, message.map(|message| message.description))
            }
            TrialOutcome::Failed(failed) => (StateName::Unknown, None, failure_of_supplier(&failed)),
        };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { state, level, service, environment, code, message, took_ms }
    }
}

impl TrialBody {
    fn parse(self) -> Result<(Option<Service>, Environment, HalfPair), HttpError> {
        let mut errors = FieldErrors::default();
        let service = self.service.as_deref().map(Service::parse);
        if service == Some(None) {
            errors.push("service", Fault::NotAService);
        }
        let environment =
            errors.required_environment("environment", Some(self.environment.as_deref().unwrap_or("PROD")));
        let login = match self.credentials {
            None => HalfPair::default(),
            Some(Object(TrialPair { username, password })) => HalfPair {
                username: errors.required("credentials.username", username, Username::parse),
                password: errors.required("credentials.password", password, Password::parse),
            },
        };
        let environment = errors.complete(environment)?;
        Ok((service.flatten(), environment, login))
    }
}

/// Try a login
///
/// A stored one, or one before it is stored, by the cheapest harmless operation that the supplier has. Also one that is
/// suspended. An account has ten trials a minute, and each pair one at a time.
#[utoipa::path(
    post,
    path = "",
    operation_id = "verify_login",
    params(Caller<WriteCredentials>),
    request_body = TrialBody,
    responses(
        (status = 200, description = "What the supplier said", body = TriedBody),
        (status = 404, description = "Supplier not found"),
    ),
    security(("oauth2" = ["credentials:write"]))
)]
pub async fn verify(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    axum::Extension(context): axum::Extension<Arc<RequestContext>>,
    Path(code): Path<String>,
    _: Query<NoParameters>,
    OptionalBody(body): OptionalBody<TrialBody>,
) -> Result<Json<TriedBody>, HttpError> {
    let (service, environment, login) = body.parse()?;
    let supplier: SupplierCode = supplier_in_path(&code, Missing::Supplier)?;
    // A supplier may take long; the account's turns are for its other requests.
    context.admitted.release();
    let (actor, account) = (caller.actor.clone(), caller.account());
    let trial = Trial { actor, account, supplier, service, environment, login };
    let tried = app.calls.try_login(trial).await.map_err(CallRefusal::from)?;
    Ok(Json(tried.into()))
}
