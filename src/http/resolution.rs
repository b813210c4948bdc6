//! `GET /extra/v2/credentials/{supplier_code}/resolution`: which level answers a call, and why. No password, ever.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, ReadCredentials};
use super::credentials::supplier_in_path;
use super::error::HttpError;
use super::query::Query;
use crate::app::App;
use crate::error::{Error, FieldError, FieldErrors, Missing};
use crate::resolver::Explanation;
use crate::resolver::precedence::{Level, Outcome};
use crate::types::{Environment, Service, SupplierCode};

/// What to explain. What is absent stands for all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    service: Option<String>,
    environment: Option<String>,
}

/// An explanation on the wire.
#[derive(Serialize)]
pub struct ExplanationBody {
    supplier_code: String,
    service: Service,
    environment: Environment,
    source: Option<Level>,
    username: Option<String>,
    trace: Vec<Step>,
    /// As in the answer of a resolve.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_for: Option<u64>,
}

/// What became of a level.
#[derive(Serialize)]
pub struct Step {
    level: Level,
    outcome: Outcome,
}

impl ExplanationBody {
    fn new(supplier: &SupplierCode, explanation: Explanation) -> Self {
        let steps = Level::ALL.into_iter().zip(explanation.outcomes);
        Self {
            supplier_code: supplier.to_string(),
            service: explanation.service,
            environment: explanation.environment,
            source: explanation.source,
            username: explanation.username,
            trace: steps.map(|(level, outcome)| Step { level, outcome }).collect(),
            stale_for: explanation.stale_for.map(|time| time.as_secs()),
        }
    }
}

pub async fn explain(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, HttpError> {
    let (services, environments) = selection(&parameters)?;
    let supplier = supplier_in_path(&code, Missing::Supplier)?;
    let calls: Vec<_> = services
        .iter()
        .flat_map(|service| environments.iter().map(move |environment| (*service, *environment)))
        .collect();
    let explanations = app.resolver.explain(caller.account(), &supplier, &calls).await?;
    let mut bodies = explanations.into_iter().map(|explanation| ExplanationBody::new(&supplier, explanation));
    // One call asked about: one answer. Otherwise a list, also of one.
    if parameters.service.is_some() && parameters.environment.is_some() {
        return Ok(Json(bodies.next()).into_response());
    }
    Ok(Json(bodies.collect::<Vec<_>>()).into_response())
}

fn selection(parameters: &Parameters) -> Result<(Vec<Service>, Vec<Environment>), Error> {
    let mut errors = FieldErrors::default();
    let services = match parameters.service.as_deref().map(Service::parse) {
        None => Service::ALL.to_vec(),
        Some(service) => service.into_iter().collect(),
    };
    if services.is_empty() {
        errors.push(FieldError::invalid_service("service"));
    }
    let environments = match parameters.environment.as_deref().map(Environment::parse) {
        None => Environment::ALL.to_vec(),
        Some(environment) => environment.into_iter().collect(),
    };
    if environments.is_empty() {
        errors.push(FieldError::invalid_environment("environment"));
    }
    errors.into_result()?;
    Ok((services, environments))
}
