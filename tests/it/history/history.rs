//! The history of a run: every operation with its start, its end and its value, and every fault.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::linearizable::{Action, Operation, Value};

/// A value that is checked by itself. Each is a key of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Register {
    /// A tenant's base pair of an environment: the number in its password, 0 for none.
    Base(usize, &'static str),
    /// The same of its service credentials.
    Service(usize, &'static str),
    /// The same of a supplier's shared login.
    Shared,
    /// Whether a supplier lets its shared login serve: 1 or 0.
    Policy,
    /// Whether a sub-account is active: 1 or 0.
    Status,
    /// Whether an API key works: 1 or 0.
    Key(u64),
    /// Whether an OAuth2 token works: 1 or 0.
    Token(u64),
}

impl Register {
    /// Its value at the beginning.
    pub fn initial(self) -> Value {
        match self {
            Register::Base(..) | Register::Service(..) | Register::Shared => 0,
            Register::Policy | Register::Status | Register::Key(_) | Register::Token(_) => 1,
        }
    }
}

/// The instance that answered, or the target of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Instance(usize),
    CommandLine,
    Postgres,
}

impl Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Instance(number) => write!(formatter, "instance {number}"),
            Place::CommandLine => formatter.write_str("command line"),
            Place::Postgres => formatter.write_str("Postgres"),
        }
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged.
    Done,
    /// Answered with a refusal: nothing was changed.
    Refused,
    /// No answer, or one that leaves it open.
    Unknown,
}

/// One operation on one register.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub register: Register,
    pub place: Place,
    pub operation: Operation,
    pub refused: bool,
}

/// One disturbance.
#[derive(Clone, Debug)]
pub struct Fault {
    pub place: Place,
    pub kind: &'static str,
    pub what: String,
    pub start: u64,
    pub end: Option<u64>,
}

/// Counts of what is no operation on a register.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Reads and writes without a useful answer, by what came instead.
    pub unavailable: BTreeMap<String, u64>,
    /// All reads and writes.
    pub requests: u64,
    /// Answers that no state explains.
    pub strange: Vec<String>,
}

#[derive(Default)]
struct Inner {
    records: Vec<Record>,
    faults: Vec<Fault>,
    counts: Counts,
}

/// The history so far.
pub struct History {
    clock: Instant,
    inner: Mutex<Inner>,
}

/// A write under way; of unknown outcome until it is ended.
#[must_use]
pub struct Pending(Vec<usize>);

impl History {
    pub fn new() -> Self {
        Self { clock: Instant::now(), inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nanoseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos().try_into().unwrap()
    }

    /// To be called before a write is sent. One write may concern several registers.
    pub fn write(&self, place: Place, values: &[(Register, Value)]) -> Pending {
        let mut inner = self.inner();
        let first = inner.records.len();
        let start = self.now();
        inner.records.extend(values.iter().map(|(register, value)| {
            let operation = Operation { action: Action::Write(*value), start, end: None };
            Record { register: *register, place, operation, refused: false }
        }));
        Pending((first..inner.records.len()).collect())
    }

    /// To be called when a write was answered, or is given up.
    pub fn written(&self, pending: Pending, outcome: Outcome) {
        let end = self.now();
        let mut inner = self.inner();
        inner.counts.requests += 1;
        if outcome == Outcome::Unknown {
            *inner.counts.unavailable.entry("write of unknown outcome".to_owned()).or_default() += 1;
        }
        for index in pending.0 {
            let record = &mut inner.records[index];
            record.refused = outcome == Outcome::Refused;
            record.operation.end = (outcome == Outcome::Done).then_some(end);
        }
    }

    /// A read that began at `start` and ends now saw these values.
    pub fn read(&self, place: Place, start: u64, values: &[(Register, Value)]) {
        let end = self.now();
        let mut inner = self.inner();
        inner.counts.requests += 1;
        inner.records.extend(values.iter().map(|(register, value)| {
            let operation = Operation { action: Action::Read(*value), start, end: Some(end) };
            Record { register: *register, place, operation, refused: false }
        }));
    }

    /// Somebody got no useful answer, but this.
    pub fn unavailable(&self, what: String) {
        let mut inner = self.inner();
        inner.counts.requests += 1;
        *inner.counts.unavailable.entry(what).or_default() += 1;
    }

    /// Something was answered that no state explains.
    pub fn strange(&self, place: Place, what: &str) {
        let now = Duration::from_nanos(self.now());
        let mut inner = self.inner();
        inner.counts.requests += 1;
        inner.counts.strange.push(format!("{now:.3?} {place}: {what}"));
    }

    /// A disturbance from now until the guard is dropped.
    pub fn fault(&self, place: Place, kind: &'static str, what: String) -> Disturbed<'_> {
        let mut inner = self.inner();
        inner.faults.push(Fault { place, kind, what, start: self.now(), end: None });
        Disturbed { history: self, fault: inner.faults.len() - 1 }
    }

    /// Everything so far: the operations by register, the faults, the counts. Refused writes are left out.
    pub fn so_far(&self) -> (BTreeMap<Register, Vec<Record>>, Vec<Fault>, Counts) {
        let inner = self.inner();
        let mut registers = BTreeMap::<_, Vec<_>>::new();
        for record in inner.records.iter().filter(|record| !record.refused) {
            registers.entry(record.register).or_default().push(*record);
        }
        (registers, inner.faults.clone(), inner.counts.clone())
    }
}

/// A disturbance that goes on.
pub struct Disturbed<'a> {
    history: &'a History,
    fault: usize,
}

impl Drop for Disturbed<'_> {
    fn drop(&mut self) {
        let end = self.history.now();
        self.history.inner().faults[self.fault].end = Some(end);
    }
}
