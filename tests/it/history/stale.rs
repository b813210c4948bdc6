//! Stale reads: those that began after a write was acknowledged and saw what it had replaced. Every one of them breaks
//! linearizability; counted by themselves, because they are what users would notice, and by a rule that needs no search.

use std::collections::HashMap;

use super::linearizable::{Action, Operation, Value};

/// When something is known to have ended, if ever, among all that started up to a time.
struct Ends(Vec<(u64, u64)>);

impl Ends {
    fn new(mut writes: Vec<(u64, u64)>) -> Self {
        writes.sort_unstable();
        let mut latest = 0;
        for (_, end) in &mut writes {
            latest = latest.max(*end);
            *end = latest;
        }
        Self(writes)
    }

    /// The latest end of those that started at this time or before.
    fn latest(&self, time: u64) -> Option<u64> {
        let count = self.0.partition_point(|(start, _)| *start <= time);
        Some(self.0[count.checked_sub(1)?].1)
    }
}

/// The stale reads of a register that held `initial`, by index.
pub fn reads(initial: Value, operations: &[Operation]) -> Vec<usize> {
    let mut writes_of = HashMap::from([(initial, vec![(0, 0)])]);
    let mut acknowledged = Vec::new();
    for operation in operations {
        if let Action::Write(value) = operation.action {
            writes_of.entry(value).or_default().push((operation.start, operation.end.unwrap_or(u64::MAX)));
            acknowledged.extend(operation.end.map(|end| (end, operation.start)));
        }
    }
    let ends_of: HashMap<_, _> = writes_of.into_iter().map(|(value, writes)| (value, Ends::new(writes))).collect();
    // Turned round: of the writes that ended up to a time, when did the latest start?
    let starts = Ends::new(acknowledged);
    let is_stale = |operation: &Operation| {
        let (Action::Read(value), Some(end)) = (operation.action, operation.end) else { return false };
        let replaced = operation.start.checked_sub(1).and_then(|before| starts.latest(before));
        let written = ends_of.get(&value).and_then(|ends| ends.latest(end));
        // Whatever wrote this had ended before that write began.
        replaced.zip(written).is_some_and(|(replaced, written)| written < replaced)
    };
    operations.iter().enumerate().filter(|(_, operation)| is_stale(operation)).map(|(index, _)| index).collect()
}
