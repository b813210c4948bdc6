//! The `PromoStandards` services as tables.
//!
//! A REST call becomes a SOAP 1.1 request ([`Route::request`], [`Request::envelope`]), and the supplier's answer becomes JSON while it
//! arrives ([`read_answer`]). Both directions read the same tables (`tables/`): there is no code per service. The crate knows no HTTP, no
//! database and no key; the login goes from the caller's hands into one buffer that is wiped.

mod answer;
mod codes;
mod fault;
mod login;
mod model;
mod request;
mod routes;
pub mod sample;
mod scrub;
mod shape;
mod standard;

pub use answer::{Answer, AnswerError, Limits, Message, NotXml, Severity, read_answer};
pub use codes::Verdict;
pub use fault::Fault;
pub use login::{Login, LoginFault, LoginField};
pub use model::TableError;
pub use request::{ReadRequest, Request, RequestError, read_request};
pub use routes::{Location, Method, Parameter, ParameterKind, Route, RoutePath};
pub use scrub::Scrub;
pub use standard::{Probe, ServiceVersion, Standard};
