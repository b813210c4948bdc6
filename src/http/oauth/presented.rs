//! What a client sends: parameters in a form or in JSON, and itself by `client_secret_basic` or `client_secret_post`.

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

use super::OAuthError;
use crate::app::App;
use crate::http::body::{Media, media, read};

/// A request of a client.
pub struct OAuthRequest {
    parameters: HashMap<String, SecretString>,
    authorization: Option<String>,
}

/// How a client presents itself.
pub struct ClientCredentials {
    pub id: String,
    pub secret: SecretString,
}

impl FromRequest<Arc<App>> for OAuthRequest {
    type Rejection = OAuthError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, OAuthError> {
        let authorization = authorization(request.headers())?;
        let media = media(request.headers());
        let body = read(request, app).await.map_err(OAuthError::Failed)?;
        let mut parameters = HashMap::new();
        let pairs: Vec<(String, SecretString)> = match media {
            Some(Media::Form) => form_urlencoded::parse(&body)
                .map(|(name, value)| (name.into_owned(), SecretString::from(value.into_owned())))
                .collect(),
            Some(Media::Json) => {
                let wrong = OAuthError::InvalidRequest("The body must be a JSON object of texts");
                let Texts(texts) = serde_json::from_slice(&body).map_err(|_| wrong)?;
                texts
            }
            None => return Err(OAuthError::InvalidRequest("The body must be a form or JSON")),
        };
        for (name, value) in pairs {
            // RFC 6749 §3.2: a parameter without a value is as if it were not there, and none comes twice.
            if value.expose_secret().is_empty() {
                continue;
            }
            if parameters.insert(name, value).is_some() {
                return Err(OAuthError::InvalidRequest("A parameter is given twice"));
            }
        }
        Ok(Self { parameters, authorization })
    }
}

/// The members of a JSON object, each as often as it is there: a map would quietly keep the last.
struct Texts(Vec<(String, SecretString)>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(member) = map.next_entry()? {
                    texts.push(member);
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

fn authorization(headers: &HeaderMap) -> Result<Option<String>, OAuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match first.to_str() {
        Ok(text) if values.next().is_none() => Ok(Some(text.to_owned())),
        _ => Err(OAuthError::InvalidRequest("There must be one Authorization header")),
    }
}

impl OAuthRequest {
    /// A parameter that is there and not empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(ExposeSecret::expose_secret)
    }

    /// The client, by the one method that it uses (RFC 6749 §2.3).
    pub fn client(&self) -> Result<ClientCredentials, OAuthError> {
        let (id, secret) = (self.parameter("client_id"), self.parameter("client_secret"));
        let Some(header) = &self.authorization else {
            let (Some(id), Some(secret)) = (id, secret) else { return Err(OAuthError::InvalidClient) };
            return Ok(ClientCredentials { id: id.to_owned(), secret: secret.into() });
        };
        if secret.is_some() {
            return Err(OAuthError::InvalidRequest("The client must present itself in one way"));
        }
        let client = basic(header).ok_or(OAuthError::InvalidClient)?;
        if id.is_some_and(|id| id != client.id) {
            return Err(OAuthError::InvalidRequest("client_id differs from the Authorization header"));
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
    Some(ClientCredentials { id: form_decode(id), secret: form_decode(secret).into() })
}

fn form_decode(text: &str) -> String {
    // A pair without a name's end is a name: the whole text, decoded.
    let text = text.replace(['&', '='], "");
    form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_decoded_twice() {
        let header = format!("basic {}", BASE64_STANDARD.encode("a%2Fb+c:x%3Ay"));
        let client = basic(&header).unwrap();
        assert_eq!((client.id.as_str(), client.secret.expose_secret()), ("a/b c", "x:y"));
        for wrong in ["", "Basic", "Basic %", "Bearer YTpi", &format!("Basic {}", BASE64_STANDARD.encode("a"))] {
            assert!(basic(wrong).is_none(), "{wrong}");
        }
    }
}
