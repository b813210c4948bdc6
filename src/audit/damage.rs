//! Names kinds of damage.

use serde::{Serialize, Serializer};

use crate::types::AccountId;

/// A kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The record is not as it was recorded, or nobody with the key ever recorded it.
    Changed,
    /// The record is missing, though later ones are there. The record after it cannot be verified without it.
    Deleted,
    /// The record was recorded under another number.
    Reordered {
        /// The number under which it was recorded.
        from: i64,
    },
    /// The record is a copy of another.
    Replayed {
        /// The account of the original.
        account: AccountId,
        /// The number of the original.
        sequence: i64,
    },
    /// The record does not fit its predecessor, which is damaged itself; so whether this one is damaged is not known.
    Unproven,
    /// The record and all later ones are missing, and the head of the chain names the last of them.
    Truncated,
    /// The record and all later ones are missing, and only a checkpoint names the last of them.
    Rewound,
    /// A checkpoint has another record of this number, recorded with the same key: the chain was put back to an earlier state
    /// and continued.
    Forked {
        /// The last record on which a checkpoint agrees; 0 if there is none.
        after: i64,
    },
    /// The record comes after the head: the head was put back, or records were added without it.
    BehindHead,
    /// The head has the number of the last record, but another MAC.
    HeadChanged,
    /// The chain has records, but no head.
    HeadMissing,
    /// The account has no chain, though the service records the making of each account.
    NoChain,
}

/// Damage of one or several records of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The account of the chain.
    pub account_id: AccountId,
    /// The first damaged record.
    pub first: i64,
    /// The last damaged record in a row.
    pub last: i64,
    /// The kind of damage.
    pub damage: Damage,
}

impl Damage {
    /// Returns the kind as one word, for programs.
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
    /// Returns a sentence for people.
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
