//! A record: an event as it is stored and authenticated.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::event::Event;
use crate::principal::Actor;
use crate::types::AccountId;

/// The format of what is written now.
const FORMAT: i16 = 2;

/// An event as it is stored; `T` is a text, borrowed on its way into the database and owned on its way out.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Record<T> {
    pub format: i16,
    pub sequence: i64,
    pub occurred_at: DateTime<Utc>,
    pub action: T,
    pub acting_account_id: Option<AccountId>,
    pub user_email: Option<T>,
    pub key_id: Option<Uuid>,
    pub supplier_code: Option<T>,
    pub service: Option<T>,
    pub environment: Option<T>,
    pub subject_id: Option<Uuid>,
    pub outcome: Option<i16>,
    pub source: Option<T>,
    pub asked_account_id: Option<AccountId>,
    pub since: Option<DateTime<Utc>>,
    pub request_id: Option<T>,
    pub client_address: Option<T>,
    pub mac: Vec<u8>,
}

impl<'a> Record<Cow<'a, str>> {
    /// An event that is not authenticated yet.
    pub fn new(sequence: i64, actor: &'a Actor, occurred_at: DateTime<Utc>, event: &'a Event) -> Self {
        let principal = actor.principal.as_deref();
        Self {
            format: FORMAT,
            sequence,
            occurred_at,
            action: event.action.as_str().into(),
            acting_account_id: principal.map(|principal| principal.acting_account),
            user_email: principal.map(|principal| principal.user_email.as_str().into()),
            key_id: principal.and_then(|principal| principal.key_id),
            supplier_code: event.supplier.as_ref().map(|supplier| supplier.as_str().into()),
            service: event.service.map(|service| service.as_str().into()),
            environment: event.environment.map(|environment| environment.as_str().into()),
            subject_id: event.subject,
            outcome: i16::try_from(event.outcome).ok(),
            source: event.source.map(Into::into),
            asked_account_id: event.asked_account,
            since: event.since,
            request_id: actor.request_id.as_deref().map(Into::into),
            client_address: actor.client_address.as_ref().map(|address| address.to_string().into()),
            mac: Vec::new(),
        }
    }
}

impl<T> Record<T> {
    /// Whether everything is empty that the first format does not authenticate.
    pub fn has_only_what_the_first_format_has(&self) -> bool {
        self.outcome.is_none() && self.source.is_none() && self.asked_account_id.is_none() && self.since.is_none()
    }
}
