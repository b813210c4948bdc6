//! `?verify=true`: a pair is tried before it is stored, and one that the supplier refuses is not stored.

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use promostandards::Verdict;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::calls::failure::{Failed, Failure};
use crate::calls::probe::{Trial, TrialOutcome};
use crate::http::dialect::calls::CallRefusal;
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::http::extract::caller::Caller;
use crate::http::extract::preview::Manner;
use crate::http::fields::{Fault, FieldError};
use crate::types::{Environment, HalfPair, Service, SupplierCode};

/// The supplier's verdict on each pair that was tried, such as `PROD=accepted`.
static X_LOGIN_STATE: HeaderName = HeaderName::from_static("x-login-state");

/// How a pair is stored.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Storing {
    /// Changes nothing and answers 200 with what would change.
    #[serde(default)]
    #[param(required = false, default = false)]
    dry_run: bool,
    /// Tries each pair of the request at the supplier first, and stores nothing if one is refused. A supplier that cannot be
    /// reached is no reason not to store; `X-Login-State` has what was found out.
    #[serde(default)]
    #[param(required = false, default = false)]
    verify: bool,
}

/// The states of the pairs that were tried.
pub(super) struct LoginStates(Vec<(Environment, &'static str)>);

impl Storing {
    /// The rest of it.
    pub(super) fn manner(self) -> Manner {
        Manner { dry_run: self.dry_run }
    }

    /// Tries the pairs, if that is asked for.
    ///
    /// # Errors
    /// 422 if a supplier refuses one.
    pub(super) async fn verified<R>(
        self,
        app: &App,
        caller: &Caller<R>,
        context: &RequestContext,
        supplier: &SupplierCode,
        service: Option<Service>,
        pairs: impl IntoIterator<Item = (Environment, HalfPair)>,
    ) -> Result<LoginStates, HttpError> {
        let mut states = LoginStates(Vec::new());
        if !self.verify {
            return Ok(states);
        }
        for (environment, login) in pairs {
            match (&login.username, &login.password) {
                (Some(_), Some(_)) => {}
                (None, None) => continue,
                _ => {
                    return Err(FieldError::new("verify", Fault::HalfPairToVerify).into());
                }
            }
            let (actor, account) = (caller.actor.clone(), caller.account());
            let trial = Trial { actor, account, supplier: supplier.clone(), service, environment, login };
            // A supplier may take long; the account's turns are for its other requests.
            context.admitted.release();
            let state = match app.calls.try_login(trial).await {
                Ok(tried) => match tried.outcome {
                    TrialOutcome::Said(Verdict::Refused { code }, _) => {
                        return Err(CallRefusal::LoginRefused { code }.into());
                    }
                    TrialOutcome::Said(Verdict::Accepted, _) => "accepted",
                    TrialOutcome::Said(Verdict::Silent, _) | TrialOutcome::Failed(_) => "unknown",
                },
                // Nobody can say.
                Err(Failed { why: Failure::NoTrial { .. } | Failure::UnsendableLogin { .. }, .. }) => "unknown",
                Err(failed) => return Err(CallRefusal::from(failed).into()),
            };
            states.0.push((environment, state));
        }
        Ok(states)
    }
}

impl LoginStates {
    /// Adds the states to the answer.
    pub(super) fn on(self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        let states: Vec<_> = self.0.iter().map(|(environment, state)| format!("{environment}={state}")).collect();
        if let (false, Ok(states)) = (states.is_empty(), HeaderValue::from_str(&states.join(", "))) {
            response.headers_mut().insert(X_LOGIN_STATE.clone(), states);
        }
        response
    }
}
