//! Calls to suppliers: the connection to an endpoint, and how many calls a supplier gets at once.

pub mod breaker;
pub mod bulkhead;
pub mod transport;
