//! `GET /extra/v2/audit-events`: what was done with an account, the newest last.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::caller::{Caller, ReadAudit};
use super::error::HttpError;
use super::query::Query;
use crate::app::App;
use crate::audit::{self, Action, EventPage, Filter};
use crate::error::{Error, FieldError, FieldErrors};
use crate::types::SupplierCode;

/// Events in one page, unless the caller asks for another number; and the most that they can ask for.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

/// Which events. What is absent stands for all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    after: Option<String>,
    limit: Option<String>,
    action: Option<String>,
    supplier_code: Option<String>,
}

impl Parameters {
    fn parse(self) -> Result<(Filter, usize), Error> {
        let mut errors = FieldErrors::default();
        let after = self.after.map_or(Some(0), |text| text.parse().ok().filter(|after| *after >= 0));
        if after.is_none() {
            errors.push(FieldError::new("after", "must be the number of an event, or 0"));
        }
        let limit = self.limit.map_or(Some(PAGE), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=LONGEST_PAGE).contains(limit));
        if limit.is_none() {
            errors.push(FieldError::new("limit", format!("must be between 1 and {LONGEST_PAGE}")));
        }
        let action = self.action.as_deref().map(Action::parse);
        if action == Some(None) {
            let known = Action::ALL.map(Action::as_str).join(", ");
            errors.push(FieldError::new("action", format!("must be one of {known}")));
        }
        let supplier = errors.optional("supplier_code", self.supplier_code, |code| SupplierCode::parse(&code));
        let page = after.zip(limit).map(|(after, limit)| (Filter { after, action: action.flatten(), supplier }, limit));
        errors.complete(page)
    }
}

pub async fn list(
    caller: Caller<ReadAudit>,
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<EventPage>, HttpError> {
    let (filter, limit) = parameters.parse()?;
    let account = caller.account();
    let mut connection = app.read(account).await?;
    let page = audit::list(&mut connection, account, &filter, limit).await.map_err(Error::from)?;
    Ok(Json(page))
}
