//! The table.

use std::fmt::Write;
use std::time::Duration;

use crate::rounds::Compared;

/// A line of the table: one figure of a target.
#[derive(Clone, Debug)]
pub struct Row {
    /// The target's number.
    pub target: u8,
    /// What was measured.
    pub work: String,
    /// The service's figure.
    pub ours: String,
    /// That of what it is compared with.
    pub theirs: String,
    /// The ratio, or whatever else the target limits.
    pub measured: String,
    /// The limit.
    pub limit: String,
    /// Whether it was kept; `None` if the row only informs.
    pub met: Option<bool>,
}

/// A limit for a figure.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// It may be this at most.
    AtMost(f64),
    /// It has to be this at least.
    AtLeast(f64),
}

impl Limit {
    /// Whether a figure keeps it. What is no number does not.
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Limit::AtMost(limit) => figure <= limit,
            Limit::AtLeast(limit) => figure >= limit,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Limit::AtMost(limit) => write!(formatter, "≤ {limit}"),
            Limit::AtLeast(limit) => write!(formatter, "≥ {limit}"),
        }
    }
}

impl Row {
    /// A ratio that has a limit. `shown` writes a figure with its unit.
    pub fn compared(target: u8, work: &str, compared: &Compared, shown: impl Fn(f64) -> String, limit: Limit) -> Self {
        let (low, high) = compared.spread();
        Self {
            target,
            work: work.to_owned(),
            ours: shown(compared.ours()),
            theirs: shown(compared.theirs()),
            measured: format!("{:.2} ({low:.2}–{high:.2})", compared.ratio()),
            limit: limit.to_string(),
            met: Some(limit.is_met(compared.ratio())),
        }
    }

    /// A ratio for information, without a limit.
    pub fn informing(target: u8, work: &str, compared: &Compared, shown: impl Fn(f64) -> String) -> Self {
        Self { limit: String::new(), met: None, ..Self::compared(target, work, compared, shown, Limit::AtMost(0.0)) }
    }

    /// A figure that has a limit by itself.
    pub fn figure(target: u8, work: &str, figure: f64, shown: impl Fn(f64) -> String, limit: Limit) -> Self {
        Self {
            target,
            work: work.to_owned(),
            ours: shown(figure),
            theirs: String::new(),
            measured: String::new(),
            limit: match limit {
                Limit::AtMost(limit) => format!("≤ {}", shown(limit)),
                Limit::AtLeast(limit) => format!("≥ {}", shown(limit)),
            },
            met: Some(limit.is_met(figure)),
        }
    }

    /// Something that was not measured, and why.
    pub fn without_figure(target: u8, work: &str, why: &str) -> Self {
        let (work, ours, none) = (work.to_owned(), why.to_owned(), String::new());
        Self { target, work, ours, theirs: none.clone(), measured: none.clone(), limit: none, met: None }
    }

    fn verdict(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        }
    }
}

/// Microseconds.
pub fn micros(value: f64) -> String {
    format!("{value:.2} µs")
}

/// Milliseconds.
pub fn millis(value: f64) -> String {
    format!("{value:.2} ms")
}

/// So many a second.
pub fn per_second(value: f64) -> String {
    format!("{value:.0}/s")
}

/// A time as microseconds.
pub fn in_micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A time as milliseconds.
pub fn in_millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const HEADINGS: [&str; 7] = ["#", "work", "Credenza", "compared with", "ratio (lowest–highest)", "target", ""];

/// The facts and the table, as Markdown that can be read as it is.
pub fn render(facts: &[(&str, String)], rows: &[Row]) -> String {
    let cells: Vec<[String; 7]> = std::iter::once(HEADINGS.map(str::to_owned))
        .chain(rows.iter().map(|row| {
            let (target, verdict) = (row.target.to_string(), row.verdict().to_owned());
            let row = row.clone();
            [target, row.work, row.ours, row.theirs, row.measured, row.limit, verdict]
        }))
        .collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (name, value) in facts {
        let _ = writeln!(text, "- {name}: {value}");
    }
    text.push('\n');
    for (index, row) in cells.iter().enumerate() {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if index == 0 {
            for width in widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}
