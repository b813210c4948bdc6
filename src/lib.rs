//! Credenza keeps other companies' passwords: the supplier logins that distributors of promotional products use to call
//! `PromoStandards` services. Tenants store them over REST, sealed in Postgres; a resolver answers which pair a call uses.
//!
//! The modules in reading order, from the words of the domain up to what the outside sees. `docs/ARCHITECTURE.md` has the
//! map and the two walks.

pub mod types;

pub mod api_key;
pub mod background;
pub mod clock;
pub mod error;
pub mod postgres;
pub mod principal;
pub mod recent;
pub mod standstill;

pub mod audit;
pub mod cluster;
pub mod idempotency;
pub mod vault;

pub mod context;
pub mod fingerprints;
pub mod rights;
pub mod sealed_pair;
pub mod work;

pub mod accounts;
pub mod api_credentials;
pub mod credentials;
pub mod oauth;
pub mod resolver;
pub mod suppliers;

pub mod disclosure;
pub mod preview;
pub mod rotation;

pub mod admission;
pub mod auth;

pub mod calls;

pub mod app;
pub mod config;
pub mod telemetry;

pub mod cli;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod http;
