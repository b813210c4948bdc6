//! Finds out from the operator's chain which instances record resolves: a recording begins with `resolves.begun` and ends
//! with `resolves.ended`, or with `resolves.gap` when the instance is gone. Only genuine records count, so that nobody without
//! the key can begin, end or invent a recording.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::chain::{self, AuditKey};
use super::event::Action;
use super::read_store::{self, RecordingRecord};
use super::record::Record;
use crate::types::AccountId;

/// Recordings that have begun and not ended, up to a record of the operator's chain.
#[derive(Default)]
pub(super) struct Recordings {
    /// The last genuine record that was read.
    last: i64,
    open: BTreeMap<Uuid, DateTime<Utc>>,
    /// Instances whose gap is on record without a beginning: those of versions that recorded none.
    gaps_without_beginning: BTreeSet<Uuid>,
}

impl Recordings {
    /// Adds the next genuine record of the operator's chain.
    pub fn add<T: AsRef<str>>(&mut self, record: &Record<T>) {
        self.last = record.sequence;
        let (Some(action), Some(instance)) = (Action::parse(record.action.as_ref()), record.subject_id) else { return };
        if action == Action::ResolvesBegun {
            self.open.insert(instance, record.occurred_at);
        } else if action == Action::ResolvesEnded {
            self.open.remove(&instance);
        } else if action == Action::ResolvesGap && self.open.remove(&instance).is_none() {
            self.gaps_without_beginning.insert(instance);
        }
    }

    /// Reads the records that were added to the chain since.
    pub async fn read_on(&mut self, connection: &mut PgConnection, key: &AuditKey) -> Result<(), sqlx::Error> {
        let mut after = self.last;
        loop {
            let page = read_store::recording_records(connection, after).await?;
            let Some(end) = page.last() else { return Ok(()) };
            after = end.record.sequence;
            for RecordingRecord { previous, record } in &page {
                // A record that is not genuine is read again next time: a genuine one may have taken its number by then.
                if chain::follows(key, AccountId::OPERATOR, previous, record) {
                    self.add(record);
                }
            }
        }
    }

    /// Returns when the recording of an instance began, if it has not ended.
    pub fn begun_at(&self, instance: Uuid) -> Option<DateTime<Utc>> {
        self.open.get(&instance).copied()
    }

    /// Lists the recordings that have not ended, and when they began.
    pub fn open(&self) -> impl Iterator<Item = (Uuid, DateTime<Utc>)> {
        self.open.iter().map(|(instance, begun_at)| (*instance, *begun_at))
    }

    /// Returns whether a gap of the instance is on record without a beginning.
    pub fn has_gap_without_beginning(&self, instance: Uuid) -> bool {
        self.gaps_without_beginning.contains(&instance)
    }
}
