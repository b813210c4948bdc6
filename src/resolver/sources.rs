//! Which level answers each call, as one transaction sees it: also what it has changed and not committed. Nothing is opened
//! and nothing is remembered.

use sqlx::PgConnection;

use super::bundle;
use super::offer::candidates;
use super::precedence::{Candidate, Level, choose};
use crate::api_key::Pepper;
use crate::error::Error;
use crate::types::{AccountId, Environment, Service, SupplierCode};

/// The level that answers each call of an account to a supplier; `None` where no level does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources(Vec<(Service, Environment, Option<Level>)>);

/// A call that another level answers than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Of this service.
    pub service: Service,
    /// In this environment.
    pub environment: Environment,
    /// The level that answered.
    pub from: Option<Level>,
    /// The level that answers.
    pub to: Option<Level>,
}

impl Sources {
    /// The rows that a connection sees.
    pub async fn read(
        connection: &mut PgConnection,
        account: AccountId,
        supplier: &SupplierCode,
        pepper: &Pepper,
    ) -> Result<Self, Error> {
        let account = bundle::load_account(&mut *connection, account, supplier, pepper).await?;
        let supplier = bundle::load_supplier(&mut *connection, supplier, pepper).await?;
        let level = |service, environment| {
            // Nothing answers calls to a supplier that does not exist.
            let supplier = supplier.as_ref()?;
            let choice = choose(candidates(Candidate::Absent, &account, supplier, service, environment));
            choice.answer.map(|(level, _)| level)
        };
        let of_service =
            |service| Environment::ALL.map(|environment| (service, environment, level(service, environment)));
        Ok(Self(Service::ALL.into_iter().flat_map(of_service).collect()))
    }

    /// The calls that move on the way to a later state, by service, production before staging.
    pub fn moved_to(&self, later: &Self) -> Vec<Moved> {
        let both = self.0.iter().zip(&later.0).filter(|(before, after)| before.2 != after.2);
        both.map(|(&(service, environment, from), &(.., to))| Moved { service, environment, from, to }).collect()
    }
}
