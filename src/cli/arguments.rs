//! Arguments as the domain's types. An argument that cannot be parsed is wrong usage: exit code 2, with the values that there are.

use crate::principal::Scope;
use crate::types::{Environment, Service};

pub(super) fn service(code: &str) -> Result<Service, String> {
    Service::parse(code).ok_or_else(|| one_of(&Service::ALL.map(Service::as_str)))
}

pub(super) fn environment(code: &str) -> Result<Environment, String> {
    Environment::parse(code).ok_or_else(|| one_of(&Environment::ALL.map(Environment::as_str)))
}

pub(super) fn scope(name: &str) -> Result<Scope, String> {
    Scope::parse(name).ok_or_else(|| one_of(&Scope::ALL.map(Scope::as_str)))
}

fn one_of(values: &[&str]) -> String {
    format!("must be one of {}", values.join(", "))
}
