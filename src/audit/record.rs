//! A record: an event as it is stored and authenticated. The columns of `audit_events` are listed here once; the statements
//! of `store.rs` and `read_store.rs` are made from that list.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use uuid::Uuid;

use super::event::Event;
use crate::principal::Actor;
use crate::types::AccountId;

/// Format of new records that are about no call to a supplier.
const FORMAT: i16 = 2;
/// Format of records about calls to suppliers, which has more columns.
const FORMAT_OF_CALLS: i16 = 3;

/// Makes from the list of columns: the record, records column by column, and the lists of names and of parameters that
/// statements need. The account is the first column and parameter of all of them.
macro_rules! columns {
    ($($number:literal $name:ident: $rust:ty as $sql:literal,)*) => {
        /// An event as it is stored; `T` is a text, borrowed on its way into the database and owned on its way out.
        #[derive(Clone, Debug, sqlx::FromRow)]
        pub(super) struct Record<T> {
            $(pub $name: $rust,)*
        }

        /// Records of one or several accounts, column by column.
        pub(super) struct Columns<T> {
            account_id: Vec<AccountId>,
            $($name: Vec<$rust>,)*
        }

        impl<T> Default for Columns<T> {
            fn default() -> Self {
                Self { account_id: Vec::new(), $($name: Vec::new(),)* }
            }
        }

        impl<'a> Columns<Cow<'a, str>> {
            /// Adds a record.
            pub fn push(&mut self, account: AccountId, record: Record<Cow<'a, str>>) {
                self.account_id.push(account);
                $(self.$name.push(record.$name);)*
            }

            /// Binds each column as one parameter.
            pub fn bind(self, query: Statement<'_>) -> Statement<'_> {
                query.bind(self.account_id)$(.bind(self.$name))*
            }
        }

        impl Record<Cow<'_, str>> {
            /// Binds each value as one parameter.
            pub fn bind<'q>(&self, account: AccountId, query: Statement<'q>) -> Statement<'q> {
                query.bind(account)$(.bind(&self.$name))*
            }
        }

        /// The names of all columns.
        macro_rules! names {
            () => { concat!("account_id", $(", ", stringify!($name)),*) };
        }

        /// A parameter for each column.
        macro_rules! values {
            () => { concat!("$1::bigint", $(", $", stringify!($number), "::", $sql),*) };
        }

        /// A parameter for each column, an array of values.
        macro_rules! arrays {
            () => { concat!("$1::bigint[]", $(", $", stringify!($number), "::", $sql, "[]"),*) };
        }

        pub(super) use {arrays, names, values};
    };
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

columns! {
    2 format: i16 as "smallint",
    3 sequence: i64 as "bigint",
    4 occurred_at: DateTime<Utc> as "timestamptz",
    5 action: T as "text",
    6 acting_account_id: Option<AccountId> as "bigint",
    7 user_email: Option<T> as "text",
    8 key_id: Option<Uuid> as "uuid",
    9 supplier_code: Option<T> as "text",
    10 service: Option<T> as "text",
    11 environment: Option<T> as "text",
    12 subject_id: Option<Uuid> as "uuid",
    13 outcome: Option<i16> as "smallint",
    14 source: Option<T> as "text",
    15 asked_account_id: Option<AccountId> as "bigint",
    16 since: Option<DateTime<Utc>> as "timestamptz",
    17 request_id: Option<T> as "text",
    18 client_address: Option<T> as "text",
    19 operation: Option<T> as "text",
    20 took_ms: Option<i64> as "bigint",
    21 mac: Vec<u8> as "bytea",
}

impl<'a> Record<Cow<'a, str>> {
    /// Makes a record that is not authenticated yet.
    pub fn new(sequence: i64, actor: &'a Actor, occurred_at: DateTime<Utc>, event: &'a Event) -> Self {
        let principal = actor.principal.as_deref();
        Self {
            format: if event.operation.is_some() { FORMAT_OF_CALLS } else { FORMAT },
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
            outcome: Some(event.outcome.code()),
            source: event.source.map(Into::into),
            asked_account_id: event.asked_account,
            since: event.since,
            request_id: actor.request_id.as_deref().map(Into::into),
            client_address: actor.client_address.as_ref().map(|address| address.to_string().into()),
            operation: event.operation.as_deref().map(Into::into),
            took_ms: event.took_ms,
            mac: Vec::new(),
        }
    }
}

impl<T> Record<T> {
    /// Returns whether all columns are null that its format does not authenticate.
    pub fn fits_format(&self) -> bool {
        let is_no_call = self.operation.is_none() && self.took_ms.is_none();
        let is_change =
            self.outcome.is_none() && self.source.is_none() && self.asked_account_id.is_none() && self.since.is_none();
        match self.format {
            1 => is_change && is_no_call,
            2 => is_no_call,
            _ => true,
        }
    }
}
