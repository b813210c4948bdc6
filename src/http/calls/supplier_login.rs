//! The login that a request brings for its own call: HTTP Basic (RFC 7617) with the supplier's user name and password. It is
//! never a key of ours on these paths, and is never stored, kept or logged.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::http::dialect::calls::{CallRefusal, WrongHeader};
use crate::http::error::HttpError;
use crate::types::{HalfPair, Password, Username};

/// The login of a request; both halves are absent if it brings none.
pub(super) struct SupplierLogin(pub HalfPair);

impl<S: Send + Sync> FromRequestParts<S> for SupplierLogin {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpError> {
        let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
        let Some(header) = headers.next() else { return Ok(Self(HalfPair::default())) };
        let basic = header.as_bytes().split_at_checked(6);
        let Some((_, encoded)) = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic ")) else {
            return Ok(Self(HalfPair::default()));
        };
        if headers.next().is_some() {
            return Err(CallRefusal::from(WrongHeader::Twice).into());
        }
        Ok(Self(read(encoded.trim_ascii()).map_err(CallRefusal::from)?))
    }
}

/// Reads the login. An empty half is none, and half a pair is as good as none.
fn read(encoded: &[u8]) -> Result<HalfPair, WrongHeader> {
    let decoded = BASE64_STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| WrongHeader::NoBase64)?;
    let text = std::str::from_utf8(&decoded).map_err(|_| WrongHeader::NoText)?;
    let (username, password) = text.split_once(':').ok_or(WrongHeader::NoColon)?;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned().into());
    Ok(HalfPair {
        username: given(username).map(Username::parse).transpose().map_err(|_| WrongHeader::WrongText)?,
        password: given(password).map(Password::parse).transpose().map_err(|_| WrongHeader::WrongText)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(text: &str) -> Result<(Option<String>, Option<String>), WrongHeader> {
        let pair = read(BASE64_STANDARD.encode(text).as_bytes())?;
        let shown = |text: &str| text.to_owned();
        Ok((pair.username.map(|half| shown(half.expose())), pair.password.map(|half| shown(half.expose()))))
    }

    #[test]
    fn a_password_may_have_colons_and_an_empty_half_is_none() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(halves("user:pass:word"), Ok((some("user"), some("pass:word"))));
        assert_eq!(halves("user:"), Ok((some("user"), None)));
        assert_eq!(halves(":"), Ok((None, None)));
        assert_eq!(halves("user"), Err(WrongHeader::NoColon));
        assert_eq!(halves("us\ner:x"), Err(WrongHeader::WrongText));
        assert_eq!(read(b"%").err(), Some(WrongHeader::NoBase64));
    }
}
