//! The engine from outside: what goes out, what comes in, and what it does with a hostile supplier.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod answers;
mod digests;
mod limits;
mod oracle;
mod orders;
mod parameters;
mod quirks;
mod samples;
mod schemas;
mod scrubbing;
mod support;
mod tables;
