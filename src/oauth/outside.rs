//! Tokens of an outside issuer, such as the identity provider of the company that runs this. Its keys come from a JWK set
//! (RFC 7517), from a URL or a file that the operator names; a token never says where its key is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::claims::{self, NumericDate};
use crate::error::{Denied, Error};
use crate::principal::Scope;
use crate::types::AccountId;

/// Longest wait for the issuer's keys.
const PATIENCE: Duration = Duration::from_secs(5);
/// Shortest time between two looks at the issuer's keys, however many unknown keys are presented.
const RATE: TimeDelta = TimeDelta::seconds(30);
/// Longest time that keys are believed without a look: a key that the issuer took back ends then.
const FRESH: TimeDelta = TimeDelta::hours(1);

/// Where the issuer's keys are.
#[derive(Clone, Debug)]
pub enum JwksSource {
    /// Behind a URL.
    Url(reqwest::Url),
    /// In a file.
    File(PathBuf),
}

/// What the operator says about the issuer.
#[derive(Clone, Debug)]
pub struct OutsideSettings {
    /// What its tokens have as `iss`.
    pub issuer: String,
    /// What its tokens for us have as `aud`.
    pub audience: String,
    /// Where its keys are.
    pub jwks: JwksSource,
    /// The claim that holds the id of the account.
    pub account_claim: String,
}

/// Verifies tokens of the issuer. Cheap to clone.
#[derive(Clone)]
pub struct OutsideIssuer {
    settings: Arc<OutsideSettings>,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Default)]
struct Keys {
    set: Vec<Jwk>,
    looked: Option<DateTime<Utc>>,
}

/// What a token of the issuer says.
pub(crate) struct OutsideClaims {
    pub account: AccountId,
    pub user: String,
    pub scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct RawClaims {
    exp: NumericDate,
    nbf: Option<NumericDate>,
    sub: String,
    email: Option<String>,
    #[serde(default)]
    scope: String,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

impl OutsideIssuer {
    /// An issuer whose keys are looked up when its first token comes.
    pub fn new(settings: OutsideSettings) -> Self {
        Self { settings: Arc::new(settings), keys: Arc::default() }
    }

    pub(crate) async fn verify(
        &self,
        header: &Header,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<OutsideClaims, Error> {
        let kid = header.kid.as_deref().ok_or(Denied::BadToken("a token without a key id"))?;
        let jwk = self.key(kid, now).await.ok_or(Denied::BadToken("a token under an unknown key"))?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| Denied::BadToken("a key that cannot be used"))?;
        // `read_header` let only these two through, and a key of the other kind does not verify.
        let algorithm = if header.alg == Algorithm::ES256 { Algorithm::ES256 } else { Algorithm::RS256 };
        let settings = &self.settings;
        let claims: RawClaims = claims::verify(token, algorithm, &key, &settings.issuer, &settings.audience)?;
        claims::check_expiry(claims.exp.0, now)?;
        if claims.nbf.is_some_and(|start| start.0 > now.timestamp()) {
            return Err(Denied::BadToken("a token from the future").into());
        }
        // `sub` has a field of its own, so it is not among the others.
        let account = match (settings.account_claim.as_str(), claims.others.get(&settings.account_claim)) {
            ("sub", _) => claims.sub.parse().ok(),
            (_, Some(Value::Number(id))) => id.as_i64(),
            (_, Some(Value::String(id))) => id.parse().ok(),
            _ => None,
        };
        let account = account.filter(|id| *id > 0).ok_or(Denied::BadToken("a token without an account"))?;
        Ok(OutsideClaims {
            account: AccountId(account),
            user: claims.email.unwrap_or(claims.sub),
            scopes: claims.scope.split(' ').filter_map(Scope::parse).collect(),
        })
    }

    /// The issuer's key of this id. One that is not known is looked for once, and not again for a while.
    async fn key(&self, kid: &str, now: DateTime<Utc>) -> Option<Jwk> {
        let mut keys = self.keys.lock().await;
        let known = keys.set.iter().find(|jwk| jwk.common.key_id.as_deref() == Some(kid)).cloned();
        // Without a sign: a clock that was set back must not put the next look off.
        let age = keys.looked.map(|looked| (now - looked).abs());
        let look = match (&known, age) {
            (_, None) => true,
            (Some(_), Some(age)) => age >= FRESH,
            (None, Some(age)) => age >= RATE,
        };
        if !look {
            return known;
        }
        keys.looked = Some(now);
        match fetch(&self.settings.jwks).await {
            Ok(set) => keys.set = set.keys,
            // Keys that were known go on; an issuer that is away for a moment locks nobody out.
            Err(error) => tracing::warn!(error = &*error, "the outside issuer's keys cannot be read"),
        }
        keys.set.iter().find(|jwk| jwk.common.key_id.as_deref() == Some(kid)).cloned()
    }
}

async fn fetch(source: &JwksSource) -> Result<JwkSet, Box<dyn std::error::Error + Send + Sync>> {
    match source {
        JwksSource::File(path) => Ok(serde_json::from_slice(&tokio::fs::read(path).await?)?),
        JwksSource::Url(url) => {
            let redirects = reqwest::redirect::Policy::none();
            let client = reqwest::Client::builder().timeout(PATIENCE).redirect(redirects).build()?;
            Ok(client.get(url.clone()).send().await?.error_for_status()?.json().await?)
        }
    }
}
