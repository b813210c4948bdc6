//! A write that is tried and taken back: what it would change, and no trace of it.
//!
//! The use case that carries it out is the one that carries out the real write, in a transaction like that one's, so its
//! refusals are the same and the two cannot drift apart. Only the commit is missing, and so is everything that comes with
//! it: rows, events and their numbers, and messages to other instances.

use crate::context::Context;
use crate::credentials;
use crate::error::Error;
use crate::principal::Actor;
use crate::resolver::{Moved, Sources};
use crate::types::{AccountId, SupplierCode};
use crate::work::Work;

/// A write to the credentials for one supplier that will be taken back.
pub struct Preview<'a> {
    work: Work<'a>,
    supplier: SupplierCode,
    before: Sources,
}

impl<'a> Preview<'a> {
    /// Begins, and locks what there is until the end.
    pub async fn begin(
        context: &'a Context,
        actor: &'a Actor,
        account: AccountId,
        supplier: SupplierCode,
    ) -> Result<Self, Error> {
        let mut work = Work::begin(context, actor, account).await?;
        credentials::hold(&mut work, account, &supplier).await?;
        let before = Sources::read(&mut work, account, &supplier, &context.pepper).await?;
        Ok(Self { work, supplier, before })
    }

    /// The unit of work that the write is carried out in.
    pub fn work(&mut self) -> &mut Work<'a> {
        &mut self.work
    }

    /// Takes the write back; returns the calls that it would have moved to another level of the hierarchy.
    pub async fn end(mut self) -> Result<Vec<Moved>, Error> {
        self.work.hold_rights().await?;
        let (account, pepper) = (self.work.account(), &self.work.context().pepper);
        let after = Sources::read(&mut self.work, account, &self.supplier, pepper).await?;
        self.work.roll_back().await?;
        Ok(self.before.moved_to(&after))
    }
}
