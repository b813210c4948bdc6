//! The claims of a token (RFC 7519), parsed strictly. The seal is checked by `jsonwebtoken`; times are checked here, against
//! the injected clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::error::Denied;
use crate::principal::Scope;
use crate::types::AccountId;

/// The claims of a token of ours.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer: this service.
    pub iss: String,
    /// The audience: this service.
    pub aud: String,
    /// The client that it was given to.
    pub sub: String,
    /// When it runs out, in seconds since 1970.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its id.
    pub jti: Uuid,
    /// Its scopes, separated by blanks.
    pub scope: String,
    /// The account that it is about.
    pub account_id: AccountId,
}

/// How far the clocks of instances may be apart.
const LEEWAY: Duration = Duration::from_mins(5);

impl Claims {
    /// Refuses a token that claims a longer life than it was given, or that is yet to be issued. The end that a token claims
    /// for itself is not believed.
    pub fn check_life(&self, longest: Duration, now: DateTime<Utc>) -> Result<(), Denied> {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        if self.exp.saturating_sub(self.iat) > seconds(longest) {
            return Err(Denied::BadToken("a token that lives longer than it may"));
        }
        if self.iat > now.timestamp().saturating_add(seconds(LEEWAY)) {
            return Err(Denied::BadToken("a token from the future"));
        }
        Ok(())
    }

    /// The scopes that this version knows.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scope.split(' ').filter_map(Scope::parse)
    }
}

/// A moment in a token of somebody else: a number, perhaps with a fraction (RFC 7519 §2), never a string.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumericDate(pub i64);

impl<'de> Deserialize<'de> for NumericDate {
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if (0.0..1e12).contains(&seconds) {
            Ok(Self(seconds.floor() as i64))
        } else {
            Err(D::Error::custom("not a moment"))
        }
    }
}

/// The header of a token, if it is one that could be accepted at all.
pub fn read_header(token: &str) -> Result<Header, Denied> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Denied::BadToken("not a token"))?;
    // A token never says where its own key is to be found.
    if header.jku.is_some() || header.x5u.is_some() || header.jwk.is_some() || header.x5c.is_some() {
        return Err(Denied::BadToken("a token that brings its own key"));
    }
    // We understand no extension, and whoever lists one wants it understood (RFC 7515 §4.1.11).
    if header.crit.is_some() {
        return Err(Denied::BadToken("a token with an extension that must be understood"));
    }
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
        return Err(Denied::BadToken("a token with another algorithm than RS256 or ES256"));
    }
    Ok(header)
}

/// Checks a token's seal, issuer and audience, and reads its claims. `exp` is the caller's to check.
pub(super) fn verify<T: DeserializeOwned>(
    token: &str,
    algorithm: Algorithm,
    key: &DecodingKey,
    issuer: &str,
    audience: &str,
) -> Result<T, Denied> {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    match jsonwebtoken::decode(token, key, &validation) {
        Ok(token) => Ok(token.claims),
        // The library's messages may repeat claims.
        Err(_) => Err(Denied::BadToken("a token with a wrong seal, issuer, audience or claim")),
    }
}

/// Whether a token that runs out at `exp` still counts. Without leeway: both ends of our tokens are our own clock.
pub fn check_expiry(exp: i64, now: DateTime<Utc>) -> Result<(), Denied> {
    if exp <= now.timestamp() { Err(Denied::BadToken("a token that has run out")) } else { Ok(()) }
}
