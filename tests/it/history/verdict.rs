//! The verdict over a history, and its report.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

use super::history::{Counts, Fault, History, Record, Register};
use super::linearizable::{Action, Operation, Value, check, minimal};
use super::stale;

/// Longest list of operations that is shown of a violation.
const SHOWN: usize = 24;
/// Faults this long before the first of these operations, and after the last, are shown with them, in nanoseconds.
const AROUND: u64 = 2_500_000_000;

/// The verdict over the history of a run.
pub struct Verdict {
    seed: u64,
    pub lasted: u64,
    pub operations: usize,
    unknown: usize,
    registers: usize,
    writes: String,
    /// Reads that saw what an acknowledged write had replaced before they began.
    pub stale: usize,
    /// One for each register that is not linearizable: what, and when that was certain.
    pub violations: Vec<(u64, String)>,
    faults: BTreeMap<&'static str, usize>,
    counts: Counts,
}

impl Verdict {
    /// Judges everything so far.
    pub fn on(history: &History, seed: u64) -> Self {
        let lasted = history.now();
        let (registers, all_faults, counts) = history.so_far();
        let mut faults = BTreeMap::new();
        for fault in &all_faults {
            *faults.entry(fault.kind).or_insert(0) += 1;
        }
        let records = || registers.values().flatten();
        let mut verdict = Self {
            seed,
            lasted,
            operations: records().count(),
            unknown: records().filter(|record| record.operation.end.is_none()).count(),
            registers: registers.len(),
            writes: durations(records()),
            stale: 0,
            violations: vec![],
            faults,
            counts,
        };
        for (register, records) in &registers {
            let operations: Vec<_> = records.iter().map(|record| record.operation).collect();
            let initial = register.initial();
            verdict.stale += stale::reads(initial, &operations).len();
            if let Err(at) = check(initial, &operations) {
                let certain = operations[at].end.unwrap_or(lasted);
                let shown = minimal(initial, &operations).into_iter().map(|index| records[index]);
                verdict.violations.push((certain, tell(*register, initial, shown.collect(), &all_faults)));
            }
        }
        verdict.violations.sort();
        verdict
    }

    /// Whether anything was answered that must not be.
    pub fn is_broken(&self) -> bool {
        self.stale > 0 || !self.violations.is_empty() || !self.counts.strange.is_empty()
    }
}

impl Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { unavailable, requests, strange } = &self.counts;
        let faults: Vec<_> = self.faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(formatter, "history of {}, seed {}:", seconds(self.lasted), self.seed)?;
        writeln!(
            formatter,
            "  {requests} requests, {} operations on {} registers, {} writes of unknown outcome",
            self.operations, self.registers, self.unknown
        )?;
        writeln!(formatter, "  faults: {}", if faults.is_empty() { "none".to_owned() } else { faults.join(", ") })?;
        #[allow(clippy::cast_precision_loss, reason = "a percentage for people")]
        let share = unavailable.values().sum::<u64>() as f64 / (*requests).max(1) as f64 * 100.0;
        let unavailable: Vec<_> = unavailable.iter().map(|(what, count)| format!("{count} {what}")).collect();
        writeln!(formatter, "  unavailable: {share:.1} %: {}", unavailable.join(", "))?;
        writeln!(formatter, "  acknowledged writes: {}", self.writes)?;
        writeln!(formatter, "  stale answers: {}", self.stale)?;
        writeln!(formatter, "  registers that are not linearizable: {}", self.violations.len())?;
        writeln!(formatter, "  strange answers: {}", strange.len())?;
        for (_, violation) in self.violations.iter().take(3) {
            write!(formatter, "{violation}")?;
        }
        strange.iter().take(10).try_for_each(|strange| writeln!(formatter, "strange: {strange}"))
    }
}

fn seconds(nanoseconds: u64) -> String {
    format!("{}.{:06} s", nanoseconds / 1_000_000_000, nanoseconds / 1000 % 1_000_000)
}

/// How long acknowledged writes took.
fn durations<'a>(records: impl Iterator<Item = &'a Record>) -> String {
    let writes = records.filter(|record| matches!(record.operation.action, Action::Write(_)));
    let mut took: Vec<_> = writes.filter_map(|record| Some(record.operation.end? - record.operation.start)).collect();
    took.sort_unstable();
    let Some(longest) = took.last() else { return "none".to_owned() };
    let median = took[took.len() / 2];
    format!("{}, median {}, longest {}", took.len(), seconds(median), seconds(*longest))
}

/// The operations that contradict each other, and the faults around them.
fn tell(register: Register, initial: Value, mut records: Vec<Record>, faults: &[Fault]) -> String {
    records.sort_by_key(|record| record.operation.start);
    let left_out = records.len().saturating_sub(SHOWN);
    let records = &records[left_out..];
    let mut text = format!("{register:?}, which held {initial}, cannot have been like this:\n");
    if left_out > 0 {
        let _ = writeln!(text, "  ({left_out} operations before)");
    }
    for Record { operation: Operation { action, start, end }, place, .. } in records {
        let action = match action {
            Action::Write(value) => format!("write {value}"),
            Action::Read(value) => format!("read {value}"),
        };
        let end = end.map_or("unknown".to_owned(), seconds);
        let _ = writeln!(text, "  {} to {end}  {place}: {action}", seconds(*start));
    }
    let first = records.first().map_or(0, |record| record.operation.start);
    let last = records.iter().filter_map(|record| record.operation.end).max().unwrap_or(first);
    let near = |fault: &&Fault| fault.start <= last + AROUND && fault.end.is_none_or(|end| end + AROUND >= first);
    for Fault { place, what, start, end, .. } in faults.iter().filter(near) {
        let end = end.map_or("not ended".to_owned(), seconds);
        let _ = writeln!(text, "  fault {} to {end}  {place}: {what}", seconds(*start));
    }
    text
}
