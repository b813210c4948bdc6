//! The internal listener's own operations: passwords for programs that call suppliers, and metrics.

pub mod metrics;
pub mod resolve;

use utoipa_axum::routes;

use super::openapi::operations::{Operations, Tag, below, with_body_limit};

/// The parts of the document.
pub(super) const TAGS: &[Tag] = &[Tag {
    prefix: "/internal/v1/",
    name: "Resolve",
    about: "For the programs that call suppliers. The answers hold passwords.",
}];

/// Largest body of a batch, in bytes: a hundred resolves that each bring a pair.
const BATCH_BODY_LIMIT: usize = 1 << 20;

/// The operations of the internal listener.
pub(super) fn operations() -> Operations {
    let batch = with_body_limit(routes!(resolve::resolve_batch), BATCH_BODY_LIMIT);
    let resolve = below("/internal/v1/resolve", [("", routes!(resolve::resolve)), ("/batch", batch)]);
    resolve.merge(below("/metrics", [("", routes!(metrics::metrics))]))
}
