//! The condition under which a request is carried out (RFC 9110 §13.1): that nobody has changed what its caller saw,
//! or that nothing is there yet.
//!
//! The question is asked in the transaction of the write, with the rows locked, so the answer is still true at the commit.

use sqlx::PgConnection;

use super::{BaseCredentials, Tag, store};
use crate::error::Error;
use crate::types::{AccountId, SupplierCode};

/// The conditions of a request; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`: the current state is one of these.
    pub if_match: Option<Tags>,
    /// `If-None-Match`: the current state is none of these.
    pub if_none_match: Option<Tags>,
}

/// The tags that a condition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any state that exists.
    Any,
    /// These.
    OneOf(Vec<EntityTag>),
}

/// A tag that a caller sent; it may be anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag {
    /// Whether it is marked `W/`. We give out strong ones only.
    pub is_weak: bool,
    /// The text between the quotation marks.
    pub opaque: Vec<u8>,
}

/// Conditions with the state that they are about, which stays as it is until the end of the transaction.
pub(super) struct Held<'a> {
    conditions: &'a Conditions,
    current: Option<Tag>,
}

impl Conditions {
    /// Locks what the conditions are about; nothing, if there are none.
    pub(super) async fn hold(
        &self,
        connection: &mut PgConnection,
        account: AccountId,
        supplier: &SupplierCode,
    ) -> Result<Held<'_>, Error> {
        let current = match self {
            Conditions { if_match: None, if_none_match: None } => None,
            _ => hold(connection, account, supplier).await?.map(|(_, tag)| tag),
        };
        Ok(Held { conditions: self, current })
    }

    /// Whether the current state is one that the caller has seen (§13.1.1). Weak tags never match.
    pub fn matches(&self, current: Option<&Tag>) -> bool {
        match (&self.if_match, current) {
            (None, _) | (Some(Tags::Any), Some(_)) => true,
            (Some(_), None) => false,
            (Some(Tags::OneOf(tags)), Some(current)) => tags.iter().any(|tag| !tag.is_weak && tag.names(current)),
        }
    }

    /// Whether the current state is one of those that `If-None-Match` lists (§13.1.2). Weak tags match as well.
    pub fn lists(&self, current: Option<&Tag>) -> bool {
        match (&self.if_none_match, current) {
            (Some(Tags::OneOf(tags)), Some(current)) => tags.iter().any(|tag| tag.names(current)),
            _ => false,
        }
    }
}

impl EntityTag {
    fn names(&self, tag: &Tag) -> bool {
        self.opaque == tag.as_str().as_bytes()
    }
}

impl Held<'_> {
    /// Refuses if the current state is not the one that the caller has seen.
    pub fn require(&self) -> Result<(), Error> {
        let current = self.current.as_ref();
        if self.conditions.matches(current) && !self.conditions.lists(current) {
            Ok(())
        } else {
            Err(Error::PreconditionFailed)
        }
    }

    /// Refuses to change an existing row if the caller asks for a new one: `If-None-Match: *`. Only the statement that
    /// tried knows whether it created the row: there was nothing to lock.
    pub fn require_new(&self, created: bool) -> Result<(), Error> {
        match &self.conditions.if_none_match {
            Some(Tags::Any) if !created => Err(Error::PreconditionFailed),
            _ => Ok(()),
        }
    }
}

/// Returns the account's credentials for a supplier and the tag of that state, locked until the end of the transaction against
/// everybody, also against those who neither lock nor ask. An absent row cannot be locked.
pub async fn hold(
    connection: &mut PgConnection,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<Option<(BaseCredentials, Tag)>, Error> {
    // One after the other: who waited for a lock sees only in the next statement what it waited for. New service rows
    // need the base row, so behind its lock none come in.
    if !store::lock_base(connection, account, supplier).await? {
        return Ok(None);
    }
    store::lock_services(connection, account, supplier).await?;
    Ok(store::find_within(connection, account, supplier).await?)
}
