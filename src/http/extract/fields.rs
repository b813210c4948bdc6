//! The fields of a body or a query, read one after the other.

use crate::http::error::HttpError;
use crate::http::fields::{Fault, FieldError};
use crate::types::{Environment, InvalidText, Service};

/// Collects every wrong field of a request, so that the caller learns of all of them at once.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Parses a field that may be absent.
    pub fn optional<V, T>(
        &mut self,
        field: &str,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, InvalidText>,
    ) -> Option<T> {
        value.and_then(|value| parse(value).map_err(|why| self.push(field, Fault::Text(why))).ok())
    }

    /// Parses a field that must be there.
    pub fn required<V, T>(
        &mut self,
        field: &str,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, InvalidText>,
    ) -> Option<T> {
        if value.is_none() {
            self.push(field, Fault::Required);
        }
        self.optional(field, value, parse)
    }

    /// Adds the fault of a field.
    pub fn push(&mut self, field: &str, fault: Fault) {
        self.0.push(FieldError::new(field, fault));
    }

    /// Reads a service code that must be there.
    pub fn required_service(&mut self, field: &str, code: Option<&str>) -> Option<Service> {
        self.required_code(field, code, Service::parse, Fault::NotAService)
    }

    /// Reads an environment code that must be there.
    pub fn required_environment(&mut self, field: &str, code: Option<&str>) -> Option<Environment> {
        self.required_code(field, code, Environment::parse, Fault::NotAnEnvironment)
    }

    fn required_code<T>(
        &mut self,
        field: &str,
        code: Option<&str>,
        parse: fn(&str) -> Option<T>,
        unknown: Fault,
    ) -> Option<T> {
        let Some(code) = code else {
            self.push(field, Fault::Required);
            return None;
        };
        let parsed = parse(code);
        if parsed.is_none() {
            self.push(field, unknown);
        }
        parsed
    }

    /// Returns the value that was put together from the fields, if none of them was wrong.
    pub fn complete<T>(self, value: Option<T>) -> Result<T, HttpError> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(HttpError::Invalid(self.0)),
        }
    }

    /// Returns the error, if any field was wrong.
    pub fn into_result(self) -> Result<(), HttpError> {
        self.complete(Some(()))
    }
}
