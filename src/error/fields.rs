//! Refused fields of a request.

use super::Error;
use crate::types::{Environment, InvalidText, Service};

/// One field of a request that was refused. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field as the caller wrote it.
    pub field: String,
    /// The error as a sentence without the field's name; or a sentence of its own, see `complete`.
    pub message: String,
    /// Whether the message stands alone, without the field's name before it.
    pub complete: bool,
}

impl FieldError {
    /// A refusal that reads `<field> <message>`.
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into(), complete: false }
    }

    /// A refusal whose message is a whole sentence.
    pub fn sentence_alone(field: &str, message: &str) -> Self {
        Self { field: field.to_owned(), message: message.to_owned(), complete: true }
    }

    /// The contract's own sentence about services.
    pub fn invalid_service(field: &str) -> Self {
        Self::sentence_alone(field, "Invalid service (must be one of Product, MED, INV, PPC, PO, OSN, OSTAT, Invoice)")
    }

    /// The contract's own sentence about environments.
    pub fn invalid_environment(field: &str) -> Self {
        Self::sentence_alone(field, "Invalid environment (must be STAGING or PROD)")
    }

    /// The refusal as one sentence.
    pub fn sentence(&self) -> String {
        if self.complete { self.message.clone() } else { format!("{}: {}", self.field, self.message) }
    }
}

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
        value.and_then(|value| parse(value).map_err(|why| self.push(FieldError::new(field, why.to_string()))).ok())
    }

    /// Parses a field that must be there.
    pub fn required<V, T>(
        &mut self,
        field: &str,
        value: Option<V>,
        parse: impl FnOnce(V) -> Result<T, InvalidText>,
    ) -> Option<T> {
        if value.is_none() {
            self.push(FieldError::new(field, "is required"));
        }
        self.optional(field, value, parse)
    }

    /// Adds a refusal.
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Reads a service code that must be there.
    pub fn required_service(&mut self, field: &str, code: Option<&str>) -> Option<Service> {
        self.required_code(field, code, Service::parse, FieldError::invalid_service)
    }

    /// Reads an environment code that must be there.
    pub fn required_environment(&mut self, field: &str, code: Option<&str>) -> Option<Environment> {
        self.required_code(field, code, Environment::parse, FieldError::invalid_environment)
    }

    fn required_code<T>(
        &mut self,
        field: &str,
        code: Option<&str>,
        parse: fn(&str) -> Option<T>,
        refusal: fn(&str) -> FieldError,
    ) -> Option<T> {
        let Some(code) = code else {
            self.push(FieldError::new(field, "is required"));
            return None;
        };
        let parsed = parse(code);
        if parsed.is_none() {
            self.push(refusal(field));
        }
        parsed
    }

    /// The value that was put together from the fields, if none of them was wrong.
    pub fn complete<T>(self, value: Option<T>) -> Result<T, Error> {
        self.check(value).map_err(Error::Invalid)
    }

    /// The same, with the wrong fields themselves.
    pub fn check<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }

    /// The error, if any field was wrong.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}
