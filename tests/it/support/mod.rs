//! The helpers of the tests: an application on a database of its own, and callers that read like sentences.

/// The application with both routers, on a database of its own.
pub mod app;
/// A caller of a `TestApp`: its key, headers and address.
pub mod caller;
/// An authority and certificates, for TLS.
pub mod certificates;
/// The Postgres server of the run, and a database for each test.
pub mod cluster;
/// `credenza dev` in a folder of its own.
pub mod dev;
/// An account with a pair at every level, and the pair that it sees.
pub mod fixtures;
/// Tokens put together by hand, valid and forged.
pub mod forge;
/// A database with the settings for the real program, and `credenza serve` on them.
pub mod installation;
/// A transaction that stays open until another one waits for it.
pub mod interleave;
/// All log lines of the run, searched for secrets.
pub mod logs;
/// Clients and tokens of OAuth2.
pub mod oauth;
/// The OpenAPI documents, with which every answer is compared.
pub mod openapi;
/// The list of all operations of both listeners.
pub mod operations;
/// Commands of the operator as the tests give them.
pub mod operator;
/// The real program as a process, and waiting for conditions.
pub mod program;
/// A proxy to Postgres that counts statements.
pub mod query_count;
/// An answer that was read whole, with its assertions.
pub mod response;
/// `skip!`, for a machine that lacks something.
pub mod skip;
/// The sources as text, for tests that hold rules over them.
pub mod sources;
/// SQL as the superuser, and changes made by another process.
pub mod sql;
/// Parents and their sub-accounts.
pub mod subaccounts;
/// A supplier on loopback, which records what it receives and answers from a script.
pub mod supplier;
/// A key service with the transit API, which can be made to fail.
pub mod transit;
/// HTTP over a real connection.
pub mod wire;
/// A proxy to Postgres that removes the application's own conditions on the tenant.
pub mod without_filters;

pub use app::TestApp;
pub use caller::Caller;
pub use response::Answer;
