//! The second scheme: the `Authorization` header, with a bearer token (RFC 6750) or with an API key in the reseller's form,
//! `base64(key id ":" key)`, with or without the word `Basic` before it. The form is that of the public reseller document;
//! the blank after the colon in its example is a misprint, as the Base64 after it shows.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Authenticator, Presented};
use crate::api_key::{ApiKey, Kind};
use crate::error::{Denied, Error};
use crate::principal::Principal;

/// The contents of a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Authorization<'a> {
    Nothing,
    Bearer(&'a str),
    KeyPair(&'a str),
}

/// Reads a header. An empty `Bearer` is nothing: there is a client in the field that sends one with its key.
pub(super) fn read(header: &str) -> Authorization<'_> {
    let header = header.trim();
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        if rest.is_empty() { Authorization::Nothing } else { Authorization::Bearer(rest) }
    } else if scheme.eq_ignore_ascii_case("basic") {
        Authorization::KeyPair(rest)
    } else if header.is_empty() {
        Authorization::Nothing
    } else {
        Authorization::KeyPair(header)
    }
}

/// The key's id and the key of the reseller's form.
pub(super) fn read_key_pair(encoded: &str) -> Result<(Uuid, ApiKey), &'static str> {
    let decoded = BASE64_STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| "no Base64")?;
    let text = std::str::from_utf8(&decoded).map_err(|_| "no text in Base64")?;
    let (id, key) = text.split_once(':').ok_or("no colon between key id and key")?;
    Ok((id.parse().map_err(|_| "no key id")?, ApiKey::parse(key)?))
}

impl Authenticator {
    /// Authenticates by a bearer token, and takes no notice of any other content of the header.
    pub(super) async fn by_bearer_alone(&self, presented: &Presented<'_>) -> Result<Option<Arc<Principal>>, Error> {
        match presented.authorization.as_slice() {
            [header] => match read(header) {
                Authorization::Bearer(token) => Box::pin(self.by_bearer(token)).await.map(Some),
                Authorization::Nothing | Authorization::KeyPair(_) => Ok(None),
            },
            [] => Ok(None),
            _ => Err(Denied::BadToken("two Authorization headers").into()),
        }
    }

    pub(super) async fn by_authorization(&self, presented: &Presented<'_>) -> Result<Option<Arc<Principal>>, Error> {
        let header = match presented.authorization.as_slice() {
            [] => return Ok(None),
            [header] => *header,
            // RFC 9110 §11.6.2 has one. Which of two counts must not depend on who reads them.
            _ => return Err(Denied::BadToken("two Authorization headers").into()),
        };
        match read(header) {
            Authorization::Nothing => Ok(None),
            // Boxed: every request with a key would carry its state.
            Authorization::Bearer(token) => Box::pin(self.by_bearer(token)).await.map(Some),
            Authorization::KeyPair(encoded) => {
                let (id, key) = read_key_pair(encoded).map_err(Denied::BadKey)?;
                match key.kind() {
                    Kind::Private => {}
                    Kind::Public => return Err(Denied::PublicKey.into()),
                    Kind::ClientSecret => return Err(Denied::BadKey("a client secret in place of a key").into()),
                }
                let principal = Arc::clone(&self.stored_key(&key, presented).await?.principal);
                if principal.key_id != Some(id) {
                    return Err(Denied::BadKey("the id of another key").into());
                }
                Ok(Some(principal))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn schemes_are_words_in_any_case_and_a_lone_base64_is_a_key() {
        assert_eq!(read("Bearer abc"), Authorization::Bearer("abc"));
        assert_eq!(read("bearer  abc "), Authorization::Bearer("abc"));
        for empty in ["", " ", "Bearer", "Bearer ", "BEARER"] {
            assert_eq!(read(empty), Authorization::Nothing, "{empty:?}");
        }
        assert_eq!(read("Basic YTpi"), Authorization::KeyPair("YTpi"));
        assert_eq!(read("YTpi"), Authorization::KeyPair("YTpi"));
    }

    #[test]
    fn the_resellers_form_reads_back() {
        let (id, key) = (Uuid::now_v7(), ApiKey::generate(Kind::Private));
        let encode = |text: String| BASE64_STANDARD.encode(text);
        let (read_id, read_key) = read_key_pair(&encode(format!("{id}:{}", key.expose()))).unwrap();
        assert_eq!((read_id, read_key.expose()), (id, key.expose()));
        for wrong in [encode(format!("{id}: {}", key.expose())), encode(id.to_string()), "%".to_owned()] {
            assert!(read_key_pair(&wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn noise_is_refused_without_panic(header in "\\PC*") {
            let _ = read(&header);
            prop_assert!(read_key_pair(&header).is_err());
        }
    }
}
