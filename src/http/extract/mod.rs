//! Extractors: a handler's parameters are proofs of what the request is, and of what its caller may do.

pub mod body;
pub mod caller;
pub mod conditions;
pub mod fields;
pub mod idempotency;
pub mod moment;
pub mod number;
pub mod path;
pub mod preview;
pub mod query;
pub mod receive;
pub mod write;

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

/// Names a header that an extractor reads. `openapi/requests.rs` describes it, and the answers that it leads to.
fn header_parameter(name: &str) -> Parameter {
    ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).build()
}
