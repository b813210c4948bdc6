//! `GET /extra/v2/credentials/{supplier_code}/resolution`: which level answers a call, and why. No password, ever.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::calls::health::Login;
use crate::calls::health::state::State as LoginState;
use crate::error::Missing;
use crate::http::error::HttpError;
use crate::http::extract::caller::{Caller, ReadCredentials};
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::path::Path;
use crate::http::extract::query::Query;
use crate::http::fields::Fault;
use crate::http::native::login_health::HealthBody;
use crate::http::native::supplier_path::supplier_in_path;
use crate::http::openapi::schemas;
use crate::resolver::Explanation;
use crate::resolver::precedence::{Level, Outcome};
use crate::types::{Environment, Service, SupplierCode};

/// The calls to explain. An absent parameter stands for all.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// The service; all if it is left out.
    #[param(value_type = Option<schemas::ServiceName>, nullable = false)]
    service: Option<String>,
    /// The environment; both if it is left out.
    #[param(value_type = Option<schemas::EnvironmentCode>, nullable = false)]
    environment: Option<String>,
}

/// Which level answers a call, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation, example = json!({
    "supplier_code": "HIT",
    "service": "INV",
    "environment": "PROD",
    "source": "service",
    "username": "hit_inv_user",
    "health": {
        "level": "service", "service": "INV", "environment": "PROD", "state": "accepted",
        "since": "2026-01-02T03:04:05Z", "last_accepted_at": "2026-01-02T03:04:05Z", "last_refused_at": null,
        "refused_code": null, "retry_after": null,
    },
    "trace": [
        { "level": "request", "outcome": "not_provided" },
        { "level": "service", "outcome": "used" },
        { "level": "account", "outcome": "not_reached" },
        { "level": "default", "outcome": "not_reached" },
    ],
}))]
pub struct ExplanationBody {
    #[schema(value_type = schemas::SupplierCode)]
    supplier_code: String,
    #[schema(value_type = schemas::ServiceCode)]
    service: Service,
    #[schema(value_type = schemas::EnvironmentCode)]
    environment: Environment,
    /// The level whose pair is used; null if no level has one.
    #[schema(value_type = Option<schemas::LevelName>, required)]
    source: Option<Level>,
    /// The user name, if the pair is the account's own.
    #[schema(required)]
    username: Option<String>,
    /// All four levels, from the highest.
    trace: Vec<Step>,
    /// Whether the pair that answers works; null if no level has one.
    #[schema(required)]
    health: Option<HealthBody>,
    /// As in the answer of a resolve.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stale_for: Option<u64>,
}

/// The outcome at a level.
#[derive(Serialize, ToSchema)]
#[schema(as = ExplanationStep)]
pub struct Step {
    #[schema(value_type = schemas::LevelName)]
    level: Level,
    #[schema(value_type = schemas::OutcomeName)]
    outcome: Outcome,
}

/// One explanation, if one call was asked about; otherwise a list, also of one.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Explanations)]
pub enum OneOrMany {
    /// Of the one call.
    One(ExplanationBody),
    /// By service, production before staging.
    Many(Vec<ExplanationBody>),
}

impl ExplanationBody {
    fn new(
        supplier: &SupplierCode,
        explanation: Explanation,
        known: &[(Login, Option<LoginState>)],
        now: DateTime<Utc>,
    ) -> Self {
        let health = HealthBody::of_answer(&explanation, known, now);
        let steps = Level::ALL.into_iter().zip(explanation.outcomes);
        Self {
            supplier_code: supplier.to_string(),
            service: explanation.service,
            environment: explanation.environment,
            source: explanation.source,
            username: explanation.username,
            trace: steps.map(|(level, outcome)| Step { level, outcome }).collect(),
            health,
            stale_for: explanation.stale_for.map(|time| time.as_secs()),
        }
    }
}

/// Explain a resolution
///
/// Which level of the hierarchy answers a call, and why. No password, ever. With both parameters the answer is one
/// explanation; what is left out stands for all, and the answer is a list.
#[utoipa::path(
    get,
    path = "",
    operation_id = "explain_resolution",
    params(Parameters, Caller<ReadCredentials>),
    responses(
        (status = 200, description = "The explanation, or one for each call", body = OneOrMany),
        (status = 404, description = "Supplier not found"),
    ),
    security(("oauth2" = ["credentials:read"]))
)]
pub async fn explain(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<OneOrMany>, HttpError> {
    let (services, environments) = selection(&parameters)?;
    let supplier = supplier_in_path(&code, Missing::Supplier)?;
    let calls: Vec<_> = services
        .iter()
        .flat_map(|service| environments.iter().map(move |environment| (*service, *environment)))
        .collect();
    let explanations = app.resolver.explain(caller.account(), &supplier, &calls).await?;
    let (known, now) = (app.calls.health_of(caller.account(), &supplier).await?, app.clock.now());
    let mut bodies =
        explanations.into_iter().map(|explanation| ExplanationBody::new(&supplier, explanation, &known, now));
    let one = if parameters.service.is_some() && parameters.environment.is_some() { bodies.next() } else { None };
    Ok(Json(one.map_or_else(|| OneOrMany::Many(bodies.collect()), OneOrMany::One)))
}

fn selection(parameters: &Parameters) -> Result<(Vec<Service>, Vec<Environment>), HttpError> {
    let mut errors = FieldErrors::default();
    let services = match parameters.service.as_deref().map(Service::parse) {
        None => Service::ALL.to_vec(),
        Some(service) => service.into_iter().collect(),
    };
    if services.is_empty() {
        errors.push("service", Fault::NotAService);
    }
    let environments = match parameters.environment.as_deref().map(Environment::parse) {
        None => Environment::ALL.to_vec(),
        Some(environment) => environment.into_iter().collect(),
    };
    if environments.is_empty() {
        errors.push("environment", Fault::NotAnEnvironment);
    }
    errors.into_result()?;
    Ok((services, environments))
}
