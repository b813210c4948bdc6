//! Tests at the boundary: through the routers against a real Postgres, and against the real program. One binary, so that
//! there is one build and one database server; one module per feature.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod coherence;
mod contract;
mod debug_output;
mod embedded_postgres;
mod histories;
mod invalidation;
mod lost_feed;
mod precedence;
mod sealing;
mod secrets_nowhere;
mod tampering;
