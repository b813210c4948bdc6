//! A write as a request asks for it: done, or with `dry_run` only tried. Handlers are the same for both: they begin, let a
//! use case work, and end.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::HttpError;
use super::reference::words;
use crate::app::App;
use crate::cluster::Change;
use crate::error::Error;
use crate::preview::Preview;
use crate::resolver::Moved;
use crate::resolver::precedence::Level;
use crate::types::{AccountId, Environment, Service, SupplierCode};
use crate::vault::Sealer;

/// How a write is meant.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Manner {
    /// Changes nothing and answers 200 with what would change.
    #[serde(default)]
    #[param(required = false, default = false)]
    dry_run: bool,
}

/// What a write would change.
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
    #[schema(value_type = words::ServiceCode)]
    service: Service,
    #[schema(value_type = words::EnvironmentCode)]
    environment: Environment,
    /// The level that answers now; null if no level does.
    #[schema(value_type = Option<words::LevelName>, required)]
    from: Option<Level>,
    /// The level that would answer.
    #[schema(value_type = Option<words::LevelName>, required)]
    to: Option<Level>,
}

impl From<Moved> for MovedBody {
    fn from(moved: Moved) -> Self {
        let Moved { service, environment, from, to } = moved;
        Self { service, environment, from, to }
    }
}

/// A write to credentials on its way. Dropping it takes it back.
pub(super) enum Write {
    /// To be committed.
    Real(Change),
    /// To be taken back.
    Preview(Preview),
}

impl Manner {
    /// What seals the values of the write. Those of a preview are never read, so no data key is made, or counted, for them.
    pub async fn sealer(self, app: &App, account: AccountId) -> Result<Sealer, Error> {
        if self.dry_run {
            return Ok(Sealer::for_nobody(account)?);
        }
        app.vault.sealer(account, app.clock.now()).await
    }

    /// Begins a write to the credentials for a supplier.
    pub(super) async fn begin(self, app: &App, account: AccountId, supplier: &SupplierCode) -> Result<Write, Error> {
        Ok(if self.dry_run {
            Write::Preview(Preview::begin(app, account, supplier.clone()).await?)
        } else {
            Write::Real(app.cluster.begin(account).await?)
        })
    }
}

impl Write {
    /// What the use case works in.
    pub fn change(&mut self) -> &mut Change {
        match self {
            Write::Real(change) => change,
            Write::Preview(preview) => preview.change(),
        }
    }

    /// Commits, and answers with this; a preview answers with what would change.
    pub async fn end(self, answer: impl IntoResponse) -> Result<Response, HttpError> {
        match self {
            Write::Real(change) => {
                change.commit().await?;
                Ok(answer.into_response())
            }
            Write::Preview(preview) => {
                let changes = preview.end().await?.into_iter().map(Into::into).collect();
                Ok(Json(PreviewBody { changes }).into_response())
            }
        }
    }
}
