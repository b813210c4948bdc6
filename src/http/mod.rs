//! Everything that knows HTTP. [`routes`] is the whole URL map.
//!
//! - `server`: accepts connections, makes them secure, drains and ends them.
//! - `edge`: wraps every request: its id, its place on the listener, its client's address, its log line, its metrics.
//! - `extract`: reads callers, bodies, queries and conditions, as types that a handler asks for.
//! - `native`, `oauth`, `internal`: handlers and bodies, one folder for each family of paths.
//! - `dialect`: writes errors, for each family; [`words`] has the sentences.
//! - `demo_supplier`: a supplier to call, for a first walk.
//! - `openapi`: makes the document from the router, and the page from the document.

mod calls;
pub mod demo_supplier;
mod dialect;
mod edge;
mod error;
mod extract;
mod family;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod health;
mod internal;
mod listener;
mod native;
mod oauth;
mod openapi;
mod routes;
pub mod server;

pub use self::dialect::words;
pub use self::listener::Listener;
pub use self::native::import::ImportBody;
pub use self::routes::{ListenerService, internal_router, openapi, public_router};
