//! Faults of a call's parameters and of an order's body.

/// The most faults that are collected of one call.
const MOST: usize = 100;

/// The longest name of a client's own key that a fault repeats.
const LONGEST_KEY: usize = 64;

/// A fault of a call: its place, a sentence, and a short name. The faulty value itself is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place: `["query", "since"]`, `["body", "LineItemArray", "LineItem", "0", "lineNumber"]`.
    pub location: Vec<String>,
    /// A sentence for the caller.
    pub message: String,
    /// A short name that programs compare, like `missing`.
    pub kind: &'static str,
}

/// A fault without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub kind: &'static str,
    pub message: String,
}

impl Problem {
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub fn missing() -> Self {
        Self::new("missing", "Field required")
    }
}

/// The faults found so far, and the place that is being looked at.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    place: Vec<String>,
    found: Vec<Fault>,
}

impl Faults {
    /// Looks at a place below the current one.
    pub fn within<T>(&mut self, step: impl Into<String>, look: impl FnOnce(&mut Self) -> T) -> T {
        let mut step = step.into();
        if let Some((end, _)) = step.char_indices().nth(LONGEST_KEY) {
            step.truncate(end);
        }
        self.place.push(step);
        let result = look(self);
        self.place.pop();
        result
    }

    /// Notes a problem at the current place.
    pub fn add(&mut self, problem: Problem) {
        if self.found.len() < MOST {
            self.found.push(Fault { location: self.place.clone(), message: problem.message, kind: problem.kind });
        }
    }

    /// Notes the problem of a result, and returns its value.
    pub fn note<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.add(problem)).ok()
    }

    /// Returns `value`, or all faults.
    pub fn or<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}
