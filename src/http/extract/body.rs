//! JSON bodies. A refusal describes the place and the kind of the fault only: serde's own messages repeat the value, and a
//! value may be a password.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::app::App;
use crate::http::edge::admission;
use crate::http::edge::context::RequestContext;
use crate::http::error::{HttpError, RequestError};
use crate::http::extract::idempotency::BodySeen;
use crate::http::extract::receive::receive;
use crate::http::fields::{Fault, FieldError, JsonFault, Place};

/// A request body, read as JSON.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, HttpError> {
        if media(request.headers()) != Some(Media::Json) {
            return Err(RequestError::NOT_JSON.into());
        }
        Ok(Self(parse(&read(request, app).await?)?))
    }
}

/// A JSON object, or nothing: no body at all, or null.
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<App>> for OptionalBody<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, HttpError> {
        let media = media(request.headers());
        let body = read(request, app).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        if media != Some(Media::Json) {
            return Err(RequestError::NOT_JSON.into());
        }
        let object: Option<Object<T>> = parse(&body)?;
        Ok(Self(object.map_or_else(T::default, |Object(value)| value)))
    }
}

/// Reads the whole body, up to the operation's limit, and waits for the turn of the caller's account, if the caller is
/// known.
///
/// A compressed one is refused: its size is no bound for its contents.
pub(in crate::http) async fn read(request: Request, app: &Arc<App>) -> Result<Bytes, HttpError> {
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Err(RequestError::Compressed.into());
    }
    let context = request.extensions().get::<Arc<RequestContext>>().cloned();
    let method = request.method().clone();
    if let Some(context) = &context {
        context.admitted.pause();
    }
    let seen = request.extensions().get::<BodySeen>().cloned();
    let body = receive(request, context.as_deref(), app).await;
    if let (Some(BodySeen(seen)), Ok(body)) = (seen, &body) {
        // A body is read once.
        let _ = seen.set(body.clone());
    }
    if let Some(context) = &context {
        context.admitted.go_on()?;
        if let Some(principal) = context.principal.get() {
            admission::wait_for_turn(context, app, &method, principal.acting_account).await?;
            // Both may have taken a while, and the client decides how long.
            app.authenticator.confirm(principal, context.client_address.as_ref()).await?;
        }
    }
    body
}

/// The declared type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Media {
    /// `application/json`, or another type that is JSON beneath.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// Reads `Content-Type`; `None` for anything that no operation takes.
pub(in crate::http) fn media(headers: &HeaderMap) -> Option<Media> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        Some(Media::Json)
    } else if essence == "application/x-www-form-urlencoded" {
        Some(Media::Form)
    } else {
        None
    }
}

/// A JSON object. Derived structs also read arrays, field by field in the order of the source; no client should come to
/// depend on that.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMaps<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(OnlyMaps(PhantomData)).map(Object)
    }
}

/// Reads a body. The error names the field, or line and column; never a value.
pub(in crate::http) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldError> {
    // To keep track of the path costs more than to read. So only what is wrong is read again, to tell where.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        describe(&path, error.inner())
    })?;
    deserializer.end().map_err(|error| describe(".", &error))?;
    Ok(value)
}

fn describe(path: &str, error: &serde_json::Error) -> FieldError {
    let place = Place { line: error.line(), column: error.column() };
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => FieldError::new("body", Fault::MalformedJson(place)),
        Category::Data => describe_data(path, &error.to_string(), place),
    }
}

/// Describes JSON of the wrong form. The kind of the fault stands at the front of the message, before anything that the caller
/// wrote.
fn describe_data(path: &str, message: &str, place: Place) -> FieldError {
    // The deserializer noticed before it read a value, so the path does not have the field's name; but the name is
    // one of ours and not the caller's text.
    if let Some((field, _)) = message.strip_prefix("duplicate field `").and_then(|rest| rest.split_once('`'))
        && path == "."
    {
        return FieldError::new(field, Fault::GivenTwice);
    }
    let fault = if message.starts_with("unknown field") {
        JsonFault::UnknownField
    } else if message.starts_with("missing field") {
        JsonFault::MissingField
    } else if message.starts_with("duplicate field") {
        JsonFault::RepeatedField
    } else {
        JsonFault::WrongType
    };
    if is_field_path(path) {
        return FieldError::new(path, Fault::Json(fault));
    }
    // Its name, or its whole, is nothing to repeat.
    FieldError::new("body", Fault::JsonAt(fault, place))
}

/// Whether a path reads like names of fields. Anything else may be a value that was put in a field's place.
pub(in crate::http) fn is_field_path(path: &str) -> bool {
    (1..=64).contains(&path.len())
        && path != "."
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde::Deserialize;

    use super::*;
    use crate::http::dialect::answer;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Body {
        supplier_code: Option<String>,
        production_password: Option<SecretString>,
    }

    fn refusal(body: &str) -> String {
        match parse::<Object<Body>>(body.as_bytes()) {
            Err(wrong) => answer(&wrong.into()).1.detail,
            Ok(_) => panic!("accepted {body}"),
        }
    }

    #[test]
    fn refusals_name_the_place_and_never_the_value() {
        assert_eq!(refusal(r#"{"production_password": 4711}"#), "production_password: has the wrong type");
        assert_eq!(refusal(r#"{"prod_password": "x"}"#), "prod_password: is not a field of this operation");
        assert_eq!(refusal(r#"{"stagingUsername": "x"}"#), "stagingUsername: is not a field of this operation");
        assert_eq!(
            refusal(r#"{"Hunter2!": 1}"#),
            "The body has what is not a field of this operation (at line 1 column 11)"
        );
        assert_eq!(refusal(r#"["hunter2"]"#), "The body has the wrong type (at line 1 column 0)");
        assert_eq!(refusal(r#"{"supplier_code": "a", "supplier_code": "b"}"#), "supplier_code: is given twice");
        assert_eq!(refusal("{"), "Malformed JSON at line 1 column 1");
        assert_eq!(refusal(""), "Malformed JSON at line 1 column 0");
        assert_eq!(refusal(r#"{} {"supplier_code": "hunter2"}"#), "Malformed JSON at line 1 column 4");
        for body in [
            r#"["hunter2", "hunter2"]"#,
            r#"{"supplier_code": "a", "supplier_code": "b"}"#,
            r#"{"production_password": {"hunter2": "hunter2"}}"#,
            r#"{"production_password": ["hunter2"]}"#,
            r#""hunter2""#,
            r#"{"supplier_code": "hunter2"#,
            &format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        ] {
            assert!(!refusal(body).contains("hunter2"));
        }
    }
}
