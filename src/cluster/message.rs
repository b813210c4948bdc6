//! The messages of instances and the database's triggers (`migrations/0008_changes.sql`, `0013_instances.sql`), to each other.
//! Everything is sent on one channel, because the order counts: Postgres delivers in the order of commits.

use std::fmt;

use uuid::Uuid;

use super::owner::Owner;

/// The channel of the triggers, and of instances of versions that did not authenticate their messages.
pub(super) const CHANGES: &str = "credenza_changes";
/// The channel of the instances.
pub(super) const MEMBERS: &str = "credenza_members";
/// The version of the protocol from which on instances authenticate their messages.
pub(super) const AUTHENTICATED: i16 = 2;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A committed change of this owner.
    Changed(Owner),
    /// A change of these owners is about to be committed: let go of them, and acknowledge. Without owners only to be
    /// acknowledged.
    Hold {
        /// The change.
        change: Uuid,
        /// The instance that makes it.
        by: Uuid,
        /// The owners, in the form of the triggers' messages, one a line.
        changed: String,
    },
    /// The change was committed, or will never be.
    Done(Uuid),
    /// An instance has let go for these changes.
    Acknowledged {
        /// The instance.
        instance: Uuid,
        /// The changes.
        changes: Vec<Uuid>,
    },
    /// An instance renewed its lease for the nth time.
    Renewed(Uuid, i64),
    /// An instance answers from memory no longer.
    Gone(Uuid),
}

/// The owners in a list of messages of triggers, one a line.
pub(super) fn owners(changed: &str) -> Vec<Owner> {
    // Not `lines`, which also takes a carriage return away: the rest could then be the name of another owner.
    changed.split('\n').filter(|line| !line.is_empty()).map(Owner::from_message).collect()
}

impl Message {
    /// Most changes that one acknowledgement names: a message of Postgres is shorter than 8000 bytes.
    pub const MOST_CHANGES: usize = 200;

    /// Reads a message. One that is not understood, from a newer version perhaps, is a change of everything.
    pub fn parse(text: &str) -> Self {
        Self::parse_own(text).unwrap_or_else(|| Message::Changed(Owner::from_message(text)))
    }

    fn parse_own(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ')?;
        Some(match kind {
            "hold" => {
                let (head, changed) = rest.split_once('\n')?;
                let (change, by) = head.split_once(' ')?;
                Message::Hold { change: change.parse().ok()?, by: by.parse().ok()?, changed: changed.to_owned() }
            }
            "done" => Message::Done(rest.parse().ok()?),
            "ack" => {
                let mut ids = rest.split(' ').map(str::parse);
                let instance = ids.next()?.ok()?;
                Message::Acknowledged { instance, changes: ids.collect::<Result<_, _>>().ok()? }
            }
            "renewed" => {
                let (instance, renewal) = rest.split_once(' ')?;
                Message::Renewed(instance.parse().ok()?, renewal.parse().ok()?)
            }
            "gone" => Message::Gone(rest.parse().ok()?),
            _ => return None,
        })
    }

    /// The kind of message, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Message::Changed(_) => "changed",
            Message::Hold { .. } => "hold",
            Message::Done(_) => "done",
            Message::Acknowledged { .. } => "acknowledged",
            Message::Renewed(..) => "renewed",
            Message::Gone(_) => "gone",
        }
    }
}

/// The form in which instances send it. Triggers, and functions of the database, send the others.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Hold { change, by, changed } => write!(f, "hold {change} {by}\n{changed}"),
            Message::Acknowledged { instance, changes } => {
                write!(f, "ack {instance}")?;
                changes.iter().try_for_each(|change| write!(f, " {change}"))
            }
            Message::Done(change) => write!(f, "done {change}"),
            Message::Renewed(instance, renewal) => write!(f, "renewed {instance} {renewal}"),
            Message::Gone(instance) => write!(f, "gone {instance}"),
            Message::Changed(_) => f.write_str("everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::AccountId;

    #[test]
    fn every_message_is_parsed_as_it_was_written() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for message in [
            Message::Hold { change: one, by: other, changed: "\naccount 7\nsupplier S&S and Co\n".to_owned() },
            Message::Hold { change: one, by: other, changed: String::new() },
            Message::Done(one),
            Message::Acknowledged { instance: one, changes: vec![other; Message::MOST_CHANGES] },
            Message::Renewed(one, 42),
            Message::Gone(other),
            Message::Changed(Owner::Everything),
        ] {
            assert!(message.to_string().len() < 8000);
            assert_eq!(Message::parse(&message.to_string()), message);
        }
        assert_eq!(Message::parse("account 7"), Message::Changed(Owner::Account(AccountId(7))));
    }

    #[test]
    fn an_unknown_message_concerns_everything() {
        for strange in ["", "hold", "hold x", "done", "done 7", "ack ", "ack x", "renewed 7", "gone ", "planet 9"] {
            assert_eq!(Message::parse(strange), Message::Changed(Owner::Everything), "{strange:?}");
        }
        assert_eq!(owners("\neverything\n"), [Owner::Everything]);
        assert_eq!(owners("\naccount 7\naccount x\n"), [Owner::Account(AccountId(7)), Owner::Everything]);
        assert_eq!(owners("\nsupplier HIT\r\n"), [Owner::Everything]);
    }
}
