//! Finds out what happened to records that do not fit their predecessors. A record out of place is still genuine under its
//! own number after its own predecessor, and one whose predecessor was moved is genuine in its place. Both can be found by
//! trying, because most of the MACs that they were chained to are still there.

use super::chain::{self, AuditKey};
use super::damage::{Damage, Fault};
use super::record::Record;
use crate::types::AccountId;

/// Most suspects of a chain that are explained. The cost of trying grows with its cube.
const MOST: usize = 32;

/// A record that does not fit, and the MAC before it.
struct Suspect {
    record: Record<String>,
    previous: Vec<u8>,
}

/// The suspects of one chain.
#[derive(Default)]
pub(super) struct Suspects {
    found: Vec<Suspect>,
    /// Numbers without a record.
    missing: Vec<i64>,
    /// MACs, besides those of suspects, that a suspect may have been chained to.
    anchors: Vec<Vec<u8>>,
    /// Suspects that are not explained: the first and the last of each row.
    further: Vec<(i64, i64)>,
}

/// A changed record, and the MAC that it carries: perhaps it is another's.
pub(super) struct Changed {
    pub fault: Fault,
    pub mac: Vec<u8>,
}

/// Explanations of the suspects.
#[derive(Default)]
pub(super) struct Explained {
    pub faults: Vec<Fault>,
    pub changed: Vec<Changed>,
}

impl Suspects {
    /// Adds a record that does not follow `previous`.
    pub fn add(&mut self, record: Record<String>, previous: Vec<u8>) {
        if self.found.len() < MOST {
            self.found.push(Suspect { record, previous });
            return;
        }
        match self.further.last_mut() {
            Some((_, last)) if *last + 1 == record.sequence => *last = record.sequence,
            _ => self.further.push((record.sequence, record.sequence)),
        }
        // As many rows as suspects; what is beyond is one row, which may hold sound records.
        if self.further.len() > MOST
            && let Some((_, last)) = self.further.pop()
            && let Some(row) = self.further.last_mut()
        {
            row.1 = last;
        }
    }

    /// Notes that these numbers have no record; `previous` is the MAC before them.
    pub fn missing(&mut self, first: i64, last: i64, previous: Option<&Vec<u8>>) {
        if self.missing.len() < MOST {
            self.missing.extend((first..=last).take(MOST));
            self.anchors.extend(previous.cloned());
        }
    }

    /// Explains what happened to each.
    pub fn explain(self, key: &AuditKey, account: AccountId) -> Explained {
        let mut macs = self.anchors;
        for Suspect { record, previous } in &self.found {
            macs.push(record.mac.clone());
            macs.push(previous.clone());
            // Its right MAC: its successor was chained to that if only the MAC was changed.
            macs.extend(chain::mac(key, account, previous, record));
        }
        macs.sort();
        macs.dedup();
        let own_numbers = self.found.iter().map(|suspect| suspect.record.sequence);
        let numbers: Vec<_> = own_numbers.chain(self.missing).collect();
        let mut explained = Explained::default();
        let mut damaged_before = None;
        for Suspect { mut record, .. } in self.found {
            let place = record.sequence;
            let mut was = |number: i64| {
                record.sequence = number;
                macs.iter().any(|mac| chain::follows(key, account, mac, &record))
            };
            if was(place) {
                continue;
            }
            let fault = |damage| Fault { account_id: account, first: place, last: place, damage };
            if let Some(from) = numbers.iter().copied().find(|number| was(*number)) {
                explained.faults.push(fault(Damage::Reordered { from }));
            } else if damaged_before == Some(place - 1) {
                explained.changed.push(Changed { fault: fault(Damage::Unproven), mac: record.mac });
            } else {
                explained.changed.push(Changed { fault: fault(Damage::Changed), mac: record.mac });
            }
            damaged_before = Some(place);
        }
        let further = self.further.into_iter();
        let further = further.map(|(first, last)| Fault { account_id: account, first, last, damage: Damage::Unproven });
        explained.faults.extend(further);
        explained
    }
}
