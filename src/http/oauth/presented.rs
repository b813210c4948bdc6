//! Requests of OAuth clients: parameters in a form or in JSON, the client by `client_secret_basic` or `client_secret_post`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::app::App;
use crate::http::dialect::oauth::OAuthRefusal;
use crate::http::edge::context::RequestContext;
use crate::http::error::{HttpError, RequestError};
use crate::http::extract::body::{Media, media, read};
use crate::types::ClientAddress;

/// A request of a client.
pub struct OAuthRequest {
    parameters: HashMap<String, SecretString>,
    authorization: Option<String>,
    /// The request apart from its contents.
    pub context: Option<Arc<RequestContext>>,
    /// The request's id.
    pub request_id: Option<Arc<str>>,
    /// Where it comes from, if that is known.
    pub client_address: Option<ClientAddress>,
}

/// How a client presents itself.
pub struct ClientCredentials {
    pub id: String,
    pub secret: SecretString,
}

impl FromRequest<Arc<App>> for OAuthRequest {
    type Rejection = HttpError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, HttpError> {
        let authorization = authorization(request.headers())?;
        let context = request.extensions().get::<Arc<RequestContext>>().cloned();
        let client_address = context.as_ref().and_then(|context| context.client_address.clone());
        let request_id = context.as_ref().and_then(|context| context.id.to_str().ok()).map(Into::into);
        let media = media(request.headers());
        let body = read(request, app).await.map_err(|error| match error {
            HttpError::Request(RequestError::Compressed) => {
                OAuthRefusal::InvalidRequest("The body must not be compressed").into()
            }
            other => other,
        })?;
        let mut parameters = HashMap::new();
        let pairs: Vec<(String, SecretString)> = match media {
            Some(Media::Form) => form_urlencoded::parse(&body)
                .map(|(name, value)| (name.into_owned(), SecretString::from(value.into_owned())))
                .collect(),
            Some(Media::Json) => {
                let wrong = OAuthRefusal::InvalidRequest("The body must be a JSON object of texts");
                serde_json::from_slice::<Members>(&body).map_err(|_| wrong)?.0
            }
            None => return Err(OAuthRefusal::InvalidRequest("The body must be a form or JSON").into()),
        };
        for (name, value) in pairs {
            // RFC 6749 §3.2: a parameter without a value is as if it were not there, and none comes twice.
            if value.expose_secret().is_empty() {
                continue;
            }
            if parameters.insert(name, value).is_some() {
                return Err(OAuthRefusal::InvalidRequest("A parameter is given twice").into());
            }
        }
        Ok(Self { parameters, authorization, context, request_id, client_address })
    }
}

/// The members of a JSON object, those that come twice included; null is as if it were not there.
struct Members(Vec<(String, SecretString)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, SecretString)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<SecretString>>()? {
                    members.extend(value.map(|value| (name, value)));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Members).map(Self)
    }
}

fn authorization(headers: &HeaderMap) -> Result<Option<String>, HttpError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match first.to_str() {
        // An empty Bearer is nothing, as everywhere.
        Ok(text) if values.next().is_none() => {
            Ok(Some(text.trim()).filter(|text| !text.eq_ignore_ascii_case("bearer")).map(str::to_owned))
        }
        _ => Err(OAuthRefusal::InvalidRequest("There must be one Authorization header").into()),
    }
}

impl OAuthRequest {
    /// A parameter that is there and not empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(ExposeSecret::expose_secret)
    }

    /// The client, by the one method that it uses (RFC 6749 §2.3).
    pub fn client(&self) -> Result<ClientCredentials, HttpError> {
        let (id, secret) = (self.parameter("client_id"), self.parameter("client_secret"));
        let Some(header) = &self.authorization else {
            let (Some(id), Some(secret)) = (id, secret) else { return Err(OAuthRefusal::InvalidClient.into()) };
            return Ok(ClientCredentials { id: id.to_owned(), secret: secret.into() });
        };
        if secret.is_some() {
            return Err(OAuthRefusal::InvalidRequest("The client must present itself in one way").into());
        }
        let client = basic(header).ok_or(OAuthRefusal::InvalidClient)?;
        if id.is_some_and(|id| id != client.id) {
            return Err(OAuthRefusal::InvalidRequest("client_id differs from the Authorization header").into());
        }
        Ok(client)
    }
}

/// Id and secret of `client_secret_basic`: each is form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<ClientCredentials> {
    let (scheme, encoded) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(encoded.trim()).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(ClientCredentials { id: form_decode(id)?, secret: form_decode(secret)?.into() })
}

/// Decodes one value of a form. The characters that separate values are encoded in it, so that a secret has one spelling.
fn form_decode(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    // A pair without a name's end is a name: the whole text, decoded.
    Some(form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_decoded_twice() {
        let header = format!("basic {}", BASE64_STANDARD.encode("a%2Fb+c:x%3Ay"));
        let client = basic(&header).unwrap();
        assert_eq!((client.id.as_str(), client.secret.expose_secret()), ("a/b c", "x:y"));
        for wrong in ["", "Basic", "Basic %", "Bearer YTpi"] {
            assert!(basic(wrong).is_none(), "{wrong}");
        }
        for wrong in ["a", "a:b&", "a&:b", "a:b=", "=a:b"] {
            assert!(basic(&format!("Basic {}", BASE64_STANDARD.encode(wrong))).is_none(), "{wrong}");
        }
    }
}
