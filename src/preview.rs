//! A write that is tried and taken back: what it would change, and no trace of it.
//!
//! The use case that carries it out is the one that carries out the real write, in a transaction like that one's, so its
//! refusals are the same and the two cannot drift apart. Only the commit is missing, and so is everything that comes with
//! it: rows, events and their numbers, and word to other instances.

use crate::cluster::Change;
use crate::context::Context;
use crate::credentials;
use crate::error::Error;
use crate::resolver::{Moved, Sources};
use crate::types::{AccountId, SupplierCode};

/// A write to the credentials for one supplier that will be taken back.
pub struct Preview {
    change: Change,
    account: AccountId,
    supplier: SupplierCode,
    before: Sources,
}

impl Preview {
    /// Begins, and sees to it that nobody else changes what there is until the end.
    pub async fn begin(context: &Context, account: AccountId, supplier: SupplierCode) -> Result<Self, Error> {
        let mut change = context.cluster.begin(account).await?;
        credentials::hold(&mut change, account, &supplier).await?;
        let before = Sources::read(&mut change, account, &supplier).await?;
        Ok(Self { change, account, supplier, before })
    }

    /// What the write is to be carried out in.
    pub fn change(&mut self) -> &mut Change {
        &mut self.change
    }

    /// Takes the write back; tells which calls it would have moved to another level of the hierarchy.
    pub async fn end(mut self) -> Result<Vec<Moved>, Error> {
        let after = Sources::read(&mut self.change, self.account, &self.supplier).await?;
        self.change.take_back().await?;
        Ok(self.before.moved_to(&after))
    }
}

impl From<Preview> for Change {
    fn from(preview: Preview) -> Self {
        preview.change
    }
}
