//! Whether the history of a register is linearizable: whether every operation can be given a moment between its start and
//! its end such that every read, at its moment, sees the write before it (Herlihy and Wing, 1990).
//!
//! Decided by *just-in-time linearization* (Lowe, 2017): go through the starts and ends in their order, keep every state
//! that the register may be in, and give an operation its moment only when its end demands it. No state left means that
//! the history up to that end cannot be explained.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The value of a register. Its meaning is the caller's.
pub type Value = u64;

/// The effect of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Made the register hold this.
    Write(Value),
    /// Saw that the register held this.
    Read(Value),
}

/// An operation on one register. Times are of one clock; operations that only touch count as concurrent.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub action: Action,
    pub start: u64,
    /// `None` for a write of which nobody knows whether it happened: it may at any time from its start on, or never.
    pub end: Option<u64>,
}

/// A state that the register may be in, if its operations had their moments in some possible order.
#[derive(Clone, Debug)]
struct State {
    value: Value,
    /// Those that have begun and not ended, and have had their moment.
    done: BTreeSet<usize>,
    /// How many writes of unknown outcome were assumed to have happened, by what they wrote.
    spent: BTreeMap<Value, usize>,
}

impl State {
    /// Whether everything that can follow the other can follow this as well.
    fn covers(&self, other: &State) -> bool {
        self.spent.iter().all(|(value, spent)| other.spent.get(value).is_some_and(|more| spent <= more))
    }
}

/// States without those that another one covers.
#[derive(Default)]
struct States(HashMap<(Value, BTreeSet<usize>), Vec<State>>);

impl States {
    /// Whether the state was new.
    fn add(&mut self, state: State) -> bool {
        let alike = self.0.entry((state.value, state.done.clone())).or_default();
        if alike.iter().any(|known| known.covers(&state)) {
            return false;
        }
        alike.retain(|known| !state.covers(known));
        alike.push(state);
        true
    }

    fn into_vec(self) -> Vec<State> {
        self.0.into_values().flatten().collect()
    }
}

/// The operations that have begun and not ended.
#[derive(Default)]
struct Pending {
    writes: BTreeMap<usize, Value>,
    reads: HashMap<Value, BTreeSet<usize>>,
    /// Writes of unknown outcome never end: how many there are of each value.
    unknown: BTreeMap<Value, usize>,
}

impl Pending {
    /// The state after a write has had its moment. A read that waits for this value has its moment right away: it changes
    /// nothing, so that is never worse than later.
    fn after(&self, state: &State, value: Value) -> State {
        let mut next = State { value, ..state.clone() };
        next.done.extend(self.reads.get(&value).into_iter().flatten());
        next
    }

    /// The states in which `operation` can have ended.
    fn ended(&self, mut states: Vec<State>, operation: usize) -> Vec<State> {
        // By far the most frequent: one state, and a read that has seen it.
        if let [state] = &mut *states
            && state.done.remove(&operation)
        {
            return states;
        }
        let mut found = States::default();
        for state in states {
            self.until_done(state, operation, &mut found);
        }
        let mut left = States::default();
        for mut state in found.into_vec() {
            state.done.remove(&operation);
            left.add(state);
        }
        left.into_vec()
    }

    /// The states in which `operation` has had its moment, with no more moments given than that takes.
    fn until_done(&self, from: State, operation: usize, found: &mut States) {
        let mut seen = States::default();
        let mut open = vec![from];
        while let Some(state) = open.pop() {
            if state.done.contains(&operation) {
                found.add(state);
                continue;
            }
            for (write, value) in &self.writes {
                if !state.done.contains(write) {
                    let mut next = self.after(&state, *value);
                    next.done.insert(*write);
                    if seen.add(next.clone()) {
                        open.push(next);
                    }
                }
            }
            for (value, begun) in &self.unknown {
                if state.spent.get(value).copied().unwrap_or(0) < *begun {
                    let mut next = self.after(&state, *value);
                    *next.spent.entry(*value).or_default() += 1;
                    if seen.add(next.clone()) {
                        open.push(next);
                    }
                }
            }
        }
    }
}

/// Whether the operations on a register that held `initial` are linearizable. If not, the index of the operation at whose
/// end that became certain.
pub fn check(initial: Value, operations: &[Operation]) -> Result<(), usize> {
    let operations = decided(initial, operations);
    let mut events = Vec::new();
    for (index, operation) in &operations {
        events.push((operation.start, false, *index));
        events.extend(operation.end.map(|end| (end, true, *index)));
    }
    // Of two at one time the start comes first, so that the operations overlap.
    events.sort_unstable();
    let mut pending = Pending::default();
    let mut states = vec![State { value: initial, done: BTreeSet::new(), spent: BTreeMap::new() }];
    for (_, ends, index) in events {
        let operation = operations[&index];
        match (operation.action, ends) {
            (Action::Write(value), false) if operation.end.is_none() => *pending.unknown.entry(value).or_default() += 1,
            (Action::Write(value), false) => _ = pending.writes.insert(index, value),
            (Action::Read(value), false) => {
                pending.reads.entry(value).or_default().insert(index);
                for state in states.iter_mut().filter(|state| state.value == value) {
                    state.done.insert(index);
                }
            }
            (action, true) => {
                states = pending.ended(states, index);
                if states.is_empty() {
                    return Err(index);
                }
                match action {
                    Action::Write(_) => _ = pending.writes.remove(&index),
                    Action::Read(value) => _ = pending.reads.get_mut(&value).map(|reads| reads.remove(&index)),
                }
            }
        }
    }
    Ok(())
}

/// The operations by index, with what can be known about those of unknown outcome: what nobody ever read need not have
/// happened, and what only this write can have written has happened when it is first read.
fn decided(initial: Value, operations: &[Operation]) -> BTreeMap<usize, Operation> {
    let mut writers = HashMap::from([(initial, 1)]);
    let mut first_seen = HashMap::new();
    for operation in operations {
        match (operation.action, operation.end) {
            (Action::Write(value), _) => *writers.entry(value).or_insert(0) += 1,
            (Action::Read(value), Some(end)) => {
                let seen = first_seen.entry(value).or_insert(end);
                *seen = end.min(*seen);
            }
            (Action::Read(_), None) => {}
        }
    }
    let decide = |operation: &Operation| match (operation.action, operation.end) {
        (_, Some(_)) => Some(*operation),
        (Action::Read(_), None) => None,
        (Action::Write(value), None) => {
            let seen = *first_seen.get(&value)?;
            let end = (writers[&value] == 1).then(|| seen.max(operation.start));
            Some(Operation { end, ..*operation })
        }
    };
    operations.iter().enumerate().filter_map(|(index, operation)| Some((index, decide(operation)?))).collect()
}

/// As few as possible of the operations of a history that is not linearizable, such that they by themselves are not either, by
/// index.
pub fn minimal(initial: Value, operations: &[Operation]) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..operations.len()).collect();
    let fails = |kept: &[usize]| {
        let operations: Vec<_> = kept.iter().map(|index| operations[*index]).collect();
        check(initial, &operations).err()
    };
    // What began after it was certain has no part in it.
    if let Some(at) = fails(&kept) {
        let certain = operations[at].end.unwrap_or(u64::MAX);
        kept.retain(|index| operations[*index].start <= certain);
    }
    // A value goes with all its writes and reads, so that what is left is no less linearizable than before: without the
    // write alone, a read would fail that was right.
    let value = |index: usize| match operations[index].action {
        Action::Write(value) | Action::Read(value) => value,
    };
    let is_read = |index: usize| matches!(operations[index].action, Action::Read(_));
    let values: BTreeSet<_> = kept.iter().map(|index| value(*index)).filter(|value| *value != initial).collect();
    without(&values.into_iter().collect::<Vec<_>>(), &mut kept, &fails, |index, values| values.contains(&value(index)));
    let reads: Vec<_> = kept.iter().copied().filter(|index| is_read(*index)).collect();
    let by_index = |index: usize, gone: &HashSet<u64>| gone.contains(&(index as u64));
    without(&reads.iter().map(|index| *index as u64).collect::<Vec<_>>(), &mut kept, &fails, by_index);
    // The initial value's reads are right without any write, so its writes can be missed only if it is never read.
    if kept.iter().all(|index| operations[*index].action != Action::Read(initial)) {
        let writes: Vec<_> = kept.iter().copied().filter(|index| value(*index) == initial).collect();
        without(&writes.iter().map(|index| *index as u64).collect::<Vec<_>>(), &mut kept, &fails, by_index);
    }
    kept
}

/// Takes away as many of the parts as can be missed, first in large lots, then one by one.
fn without(
    parts: &[u64],
    kept: &mut Vec<usize>,
    fails: &impl Fn(&[usize]) -> Option<usize>,
    belongs: impl Fn(usize, &HashSet<u64>) -> bool,
) {
    let mut parts = parts.to_vec();
    let mut lot = parts.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        while start < parts.len() {
            let end = (start + lot).min(parts.len());
            let gone: HashSet<_> = parts[start..end].iter().copied().collect();
            let fewer: Vec<_> = kept.iter().copied().filter(|index| !belongs(*index, &gone)).collect();
            if fails(&fewer).is_some() {
                *kept = fewer;
                parts.drain(start..end);
            } else {
                start = end;
            }
        }
        if lot == 1 {
            return;
        }
        lot = lot.div_ceil(2);
    }
}
