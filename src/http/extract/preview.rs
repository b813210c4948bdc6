//! `dry_run`: what a write would change.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::Error;
use crate::http::openapi::schemas;
use crate::resolver::Moved;
use crate::resolver::precedence::Level;
use crate::types::{AccountId, Environment, Service};
use crate::vault::Sealer;

/// How a write is meant.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Manner {
    /// Changes nothing and answers 200 with what would change.
    #[serde(default)]
    #[param(required = false, default = false)]
    pub(in crate::http) dry_run: bool,
}

impl Manner {
    /// Returns the sealer for the values of the write. Those of a preview are never read, so no data key is made, or counted,
    /// for them.
    pub async fn sealer(self, app: &App, account: AccountId) -> Result<Sealer, Error> {
        if self.dry_run {
            return Ok(Sealer::for_nobody(account)?);
        }
        app.vault.sealer(account, app.clock.now()).await
    }
}

/// The effect that a write would have.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview, example = json!({
    "changes": [{ "service": "INV", "environment": "PROD", "from": "service", "to": "account" }],
}))]
pub struct PreviewBody {
    /// The calls that another level of the hierarchy would answer from then on, by service, production before staging.
    changes: Vec<MovedBody>,
}

/// A call that another level would answer.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewChange)]
pub struct MovedBody {
    #[schema(value_type = schemas::ServiceCode)]
    service: Service,
    #[schema(value_type = schemas::EnvironmentCode)]
    environment: Environment,
    /// The level that answers now; null if no level does.
    #[schema(value_type = Option<schemas::LevelName>, required)]
    from: Option<Level>,
    /// The level that would answer.
    #[schema(value_type = Option<schemas::LevelName>, required)]
    to: Option<Level>,
}

impl PreviewBody {
    /// Of these calls.
    pub(in crate::http) fn new(moved: Vec<Moved>) -> Self {
        Self { changes: moved.into_iter().map(Into::into).collect() }
    }
}

impl From<Moved> for MovedBody {
    fn from(moved: Moved) -> Self {
        let Moved { service, environment, from, to } = moved;
        Self { service, environment, from, to }
    }
}
