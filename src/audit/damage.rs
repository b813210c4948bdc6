//! Kinds of damage, in words.

use serde::{Serialize, Serializer};

use crate::types::AccountId;

/// What happened to records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Its contents are not those that were recorded, or nobody with the key ever recorded it.
    Changed,
    /// Not there, though later ones are. The record behind cannot be verified without it.
    Deleted,
    /// It was recorded under another number.
    Reordered {
        /// Its own number.
        from: i64,
    },
    /// A copy of another record.
    Replayed {
        /// Whose record it is a copy of.
        account: AccountId,
        /// The number of that record.
        sequence: i64,
    },
    /// It does not fit behind its predecessor, which is damaged itself; so it cannot be told whether this one is.
    Unproven,
    /// Not there, and neither is any later one, but the head of the chain knows them.
    Truncated,
    /// Not there, and neither is any later one, and the head does not know them; but a checkpoint does.
    Rewound,
    /// A checkpoint knows another record of this number, which was recorded with the same key: the chain was put back to an
    /// earlier state and continued.
    Forked {
        /// The last record on which a checkpoint agrees; 0 if there is none.
        after: i64,
    },
    /// Behind the head: the head was put back, or these were added without it.
    BehindHead,
    /// The head has the number of the last record and not its MAC.
    HeadChanged,
    /// The chain has records and no head.
    HeadMissing,
    /// The account has no chain at all, though the service records its making.
    NoChain,
}

/// Damage of records of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose chain.
    pub account_id: AccountId,
    /// The first damaged record.
    pub first: i64,
    /// The last one of those in a row.
    pub last: i64,
    /// How.
    pub damage: Damage,
}

impl Damage {
    /// The kind as one word, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Damage::Changed => "changed",
            Damage::Deleted => "deleted",
            Damage::Reordered { .. } => "reordered",
            Damage::Replayed { .. } => "replayed",
            Damage::Unproven => "unproven",
            Damage::Truncated => "truncated",
            Damage::Rewound => "rewound",
            Damage::Forked { .. } => "forked",
            Damage::BehindHead => "behind_head",
            Damage::HeadChanged => "head_changed",
            Damage::HeadMissing => "head_missing",
            Damage::NoChain => "no_chain",
        }
    }
}

impl Fault {
    /// For a person.
    pub fn sentence(&self) -> String {
        let Self { account_id, first, last, damage } = self;
        let records = if first == last { format!("record {first}") } else { format!("records {first} to {last}") };
        let what = match damage {
            Damage::Changed => format!("{records} changed: not what was recorded"),
            Damage::Deleted => format!("{records} deleted (record {} cannot be verified without)", last + 1),
            Damage::Reordered { from } => format!("{records} reordered: recorded as number {from}"),
            Damage::Replayed { account, sequence } => {
                format!("{records} replayed: a copy of record {sequence} of account {account}")
            }
            Damage::Unproven => format!("{records} unproven: does not fit behind its damaged predecessor"),
            Damage::Truncated => format!("{records} truncated: cut off the end of the chain"),
            Damage::Rewound => format!("{records} rewound: cut off the end of the chain together with its head"),
            Damage::Forked { after } => format!(
                "{records} forked: the checkpoint knows another one; the chain was put back behind record {after} or \
                 later, and continued"
            ),
            Damage::BehindHead => format!("{records} behind the head of the chain, which was put back"),
            Damage::HeadChanged => format!("the head of the chain is not that of its last {records}"),
            Damage::HeadMissing => format!("the head of the chain is missing, behind {records}"),
            Damage::NoChain => "the whole chain is missing, or the account was not made by this service".to_owned(),
        };
        format!("account {account_id}: {what}")
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            account_id: AccountId,
            first: i64,
            last: i64,
            damage: &'static str,
            detail: &'a str,
        }
        let Self { account_id, first, last, damage } = self;
        let detail = &self.sentence();
        Body { account_id: *account_id, first: *first, last: *last, damage: damage.as_str(), detail }
            .serialize(serializer)
    }
}
