//! Reads `If-Match` and `If-None-Match` (RFC 9110 §13.1), and writes the `ETag` that they name. A condition that cannot be
//! read, or that the operation does not take, is refused: one that is passed over is an update lost.

use std::collections::HashSet;

use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use utoipa::IntoParams;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use super::header_parameter;
use crate::credentials::{Conditions, EntityTag, Tag, Tags};
use crate::http::error::HttpError;
use crate::http::fields::{Fault, FieldError};

/// The writes of a listener whose handlers do not take [`Given`].
pub(in crate::http) struct Unconditional(HashSet<(String, Method)>);

impl Unconditional {
    /// Looks through the operations of a listener.
    pub fn of(operations: &OpenApi) -> Self {
        let mut refusing = HashSet::new();
        for (path, item) in &operations.paths.paths {
            let writes = [
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in writes {
                let Some(operation) = operation else { continue };
                if !takes_conditions(operation) {
                    refusing.insert((path.clone(), method));
                }
            }
        }
        Self(refusing)
    }

    /// Refuses a write with a condition that its operation does not take. The date of `If-Unmodified-Since` is taken by none,
    /// and has no meaning together with `If-Match` (RFC 9110 §13.1.4).
    pub fn check(&self, route: &str, method: &Method, headers: &HeaderMap) -> Result<(), HttpError> {
        if method.is_safe() {
            return Ok(());
        }
        let names =
            [(IF_MATCH, "If-Match"), (IF_NONE_MATCH, "If-None-Match"), (IF_UNMODIFIED_SINCE, "If-Unmodified-Since")];
        let mut given = names.iter().filter(|(header, _)| headers.contains_key(header));
        let Some((first, name)) = given.next() else { return Ok(()) };
        let is_taken = *first != IF_UNMODIFIED_SINCE && !self.0.contains(&(route.to_owned(), method.clone()));
        if is_taken {
            return Ok(());
        }
        Err(FieldError::new(name, Fault::ConditionNotTaken).into())
    }
}

/// Whether the handler takes [`Given`], which names its headers in the operation's description.
fn takes_conditions(operation: &Operation) -> bool {
    let is_condition = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(own) if own.name == IF_MATCH_NAME);
    operation.parameters.iter().flatten().any(is_condition)
}

const IF_MATCH_NAME: &str = "If-Match";

/// The conditions of a request.
pub struct Given(pub Conditions);

impl<S: Send + Sync> FromRequestParts<S> for Given {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpError> {
        let (if_match, if_none_match) = (
            condition(&parts.headers, &IF_MATCH, "If-Match")?,
            condition(&parts.headers, &IF_NONE_MATCH, "If-None-Match")?,
        );
        Ok(Self(Conditions { if_match, if_none_match }))
    }
}

/// Names its headers for the OpenAPI document, which describes them.
impl IntoParams for Given {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        [IF_MATCH_NAME, "If-None-Match"].map(header_parameter).into()
    }
}

/// The header that shows a tag.
pub(in crate::http) fn etag(tag: &Tag) -> [(HeaderName, HeaderValue); 1] {
    // A tag is plain text.
    [(ETAG, HeaderValue::from_str(&tag.to_string()).unwrap_or(HeaderValue::from_static("\"\"")))]
}

/// A condition, over all lines of its header.
fn condition(headers: &HeaderMap, header: &HeaderName, name: &str) -> Result<Option<Tags>, FieldError> {
    let lines: Vec<_> = headers.get_all(header).iter().map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    tags(&lines.join(&b","[..])).map(Some).ok_or_else(|| FieldError::new(name, Fault::NotEntityTags))
}

/// Reads `*`, or a list of tags (§5.6.1: with empty elements perhaps, but not of nothing else).
fn tags(text: &[u8]) -> Option<Tags> {
    if text.trim_ascii() == b"*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix(b",") {
            rest = behind.trim_ascii_start();
            continue;
        }
        let (is_weak, quoted) = rest.strip_prefix(b"W/").map_or((false, rest), |quoted| (true, quoted));
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|byte| *byte == b'"')?;
        let opaque = &inner[..end];
        // What a tag may hold: no blanks, no control characters.
        if opaque.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return None;
        }
        tags.push(EntityTag { is_weak, opaque: opaque.to_vec() });
        rest = inner[end + 1..].trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
    (!tags.is_empty()).then_some(Tags::OneOf(tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(is_weak: bool, opaque: &str) -> EntityTag {
        EntityTag { is_weak, opaque: opaque.into() }
    }

    #[test]
    fn lists_are_read_as_the_rfc_has_them() {
        assert_eq!(tags(b"*"), Some(Tags::Any));
        assert_eq!(tags(b" * "), Some(Tags::Any));
        let one = Tags::OneOf(vec![tag(false, "a")]);
        for text in [r#""a""#, r#" "a" "#, r#","a",, "#] {
            assert_eq!(tags(text.as_bytes()).as_ref(), Some(&one), "{text}");
        }
        let three = Tags::OneOf(vec![tag(false, "a,b"), tag(true, ""), tag(false, "W/")]);
        assert_eq!(tags(br#""a,b" ,W/"", "W/""#), Some(three));
    }

    #[test]
    fn anything_else_is_no_condition() {
        for text in
            ["", " ", ",", "a", "\"a", "a\"", "\"a\"b", "\"a\" \"b\"", "w/\"a\"", "W/ \"a\"", "*, \"a\"", "\"a b\""]
        {
            assert_eq!(tags(text.as_bytes()), None, "{text}");
        }
    }
}
