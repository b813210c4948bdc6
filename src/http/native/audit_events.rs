//! `GET /extra/v2/audit-events`: what was done with an account, the newest last.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::audit::{self, Action, EventSummary, Filter};
use crate::error::Error;
use crate::http::error::HttpError;
use crate::http::extract::caller::{Caller, ReadAudit};
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::query::Query;
use crate::http::fields::Fault;
use crate::http::openapi::schemas;
use crate::types::{AccountId, SupplierCode};

/// Events in one page, unless the caller asks for another number; and the most that they can ask for.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

/// The filter of events. An absent parameter stands for all.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Events after the one of this number: `next` of the page before.
    #[param(value_type = Option<i64>, minimum = 0, nullable = false)]
    after: Option<String>,
    /// Events in a page; 100 if it is left out.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<String>,
    /// The action; every one if it is left out.
    #[param(value_type = Option<schemas::ActionName>, nullable = false)]
    action: Option<String>,
    /// About this supplier; about any and about none if it is left out.
    #[param(value_type = Option<schemas::SupplierCode>, nullable = false)]
    supplier_code: Option<String>,
}

/// One event.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent, example = json!({
    "sequence": 42,
    "occurred_at": "2026-01-02T03:04:05Z",
    "action": "credentials.updated",
    "outcome": 200,
    "acting_account_id": 7,
    "user_email": "devs@platform.example",
    "key_id": "01980f2e-7f3b-7a51-9a0c-2f5d7f1c9a11",
    "supplier_code": "HIT",
    "service": null,
    "environment": "PROD",
    "source": null,
    "asked_account_id": null,
    "subject_id": null,
    "since": null,
    "operation": null,
    "took_ms": null,
    "request_id": "7f1c9a11",
    "client_address": "198.51.100.7",
}))]
pub struct EventBody {
    /// Its number in the account's chain, from 1.
    sequence: i64,
    /// When.
    occurred_at: DateTime<Utc>,
    /// The action.
    #[schema(value_type = schemas::ActionName)]
    action: String,
    /// The outcome as an HTTP status; null in events of the first format, which were all done.
    #[schema(required)]
    outcome: Option<i16>,
    /// The account whose key was used; null if the operator acted on the command line.
    #[schema(value_type = Option<schemas::AccountNumber>, required)]
    acting_account_id: Option<AccountId>,
    /// The user who owns the key.
    #[schema(required)]
    user_email: Option<String>,
    /// The key, or the client.
    #[schema(required)]
    key_id: Option<Uuid>,
    /// The supplier that it is about.
    #[schema(required)]
    supplier_code: Option<String>,
    /// The service that it is about.
    #[schema(required)]
    service: Option<String>,
    /// The environment that it is about.
    #[schema(required)]
    environment: Option<String>,
    /// Of a resolve: the level that answered.
    #[schema(required)]
    source: Option<String>,
    /// Of a refused resolve: the account that was asked for, if it is another one.
    #[schema(value_type = Option<i64>, required)]
    asked_account_id: Option<AccountId>,
    /// The key, client, user or instance that it is about.
    #[schema(required)]
    subject_id: Option<Uuid>,
    /// Of a gap: what was recorded until then is there.
    #[schema(required)]
    since: Option<DateTime<Utc>>,
    /// Of a call to a supplier, and of the resolve for it: the operation.
    #[schema(required)]
    operation: Option<String>,
    /// Of a call to a supplier: how long it took, in milliseconds.
    #[schema(required)]
    took_ms: Option<i64>,
    /// The request.
    #[schema(required)]
    request_id: Option<String>,
    /// Where the request came from.
    #[schema(required)]
    client_address: Option<String>,
}

/// Some of the events, the newest last.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvents)]
pub struct PageBody {
    results: Vec<EventBody>,
    /// The value of `after` for the next page; null at the end.
    #[schema(required, example = 42)]
    next: Option<i64>,
}

impl From<EventSummary> for EventBody {
    fn from(event: EventSummary) -> Self {
        Self {
            sequence: event.sequence,
            occurred_at: event.occurred_at,
            action: event.action,
            outcome: event.outcome,
            acting_account_id: event.acting_account_id,
            user_email: event.user_email,
            key_id: event.key_id,
            supplier_code: event.supplier_code,
            service: event.service,
            environment: event.environment,
            source: event.source,
            asked_account_id: event.asked_account_id,
            subject_id: event.subject_id,
            since: event.since,
            operation: event.operation,
            took_ms: event.took_ms,
            request_id: event.request_id,
            client_address: event.client_address,
        }
    }
}

impl Parameters {
    fn parse(self) -> Result<(Filter, usize), HttpError> {
        let mut errors = FieldErrors::default();
        let after = self.after.map_or(Some(0), |text| text.parse().ok().filter(|after| *after >= 0));
        if after.is_none() {
            errors.push("after", Fault::NotAnEventNumber);
        }
        let limit = self.limit.map_or(Some(PAGE), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=LONGEST_PAGE).contains(limit));
        if limit.is_none() {
            errors.push("limit", Fault::NotBetween(1, LONGEST_PAGE));
        }
        let action = self.action.as_deref().map(Action::parse);
        if action == Some(None) {
            errors.push("action", Fault::NotOneOf(Action::ALL.map(Action::as_str).to_vec()));
        }
        let supplier = errors.optional("supplier_code", self.supplier_code, |code| SupplierCode::parse(&code));
        let page = after.zip(limit).map(|(after, limit)| (Filter { after, action: action.flatten(), supplier }, limit));
        errors.complete(page)
    }
}

/// List the audit events
///
/// Lists changes of the account and of its credentials, and resolves of programs. The newest is last; nothing is
/// ever changed or taken away.
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_audit_events",
    params(Parameters, Caller<ReadAudit>),
    responses((status = 200, description = "A page of events", body = PageBody)),
    security(("oauth2" = ["audit:read"]))
)]
pub async fn list(
    caller: Caller<ReadAudit>,
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<PageBody>, HttpError> {
    let (filter, limit) = parameters.parse()?;
    let account = caller.account();
    let mut connection = app.read(account).await?;
    let page = audit::list(&mut connection, account, &filter, limit).await.map_err(Error::from)?;
    Ok(Json(PageBody { results: page.results.into_iter().map(Into::into).collect(), next: page.next }))
}
