//! Tokens of an outside issuer, such as the identity provider of the company that runs this. Its keys come from a JWK set
//! (RFC 7517), from a URL or a file that the operator names; a token never names the place of its key.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::claims::{self, NumericDate};
use crate::error::{Denied, Error};
use crate::principal::Scope;
use crate::types::{AccountId, Name};

/// Longest wait for the issuer's keys.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest set of keys, in bytes.
const LONGEST_SET: usize = 1 << 20;
/// Shortest time between two looks at the issuer's keys, however many unknown keys are presented.
const RATE: TimeDelta = TimeDelta::seconds(30);
/// Shortest time between two looks when the last one failed.
const RETRY: TimeDelta = TimeDelta::seconds(2);
/// Longest time that keys are believed without a look: a key that the issuer took back ends then.
const FRESH: TimeDelta = TimeDelta::hours(1);

/// Where the issuer's keys are.
#[derive(Clone, Debug)]
pub enum JwksSource {
    /// At a URL.
    Url(reqwest::Url),
    /// In a file.
    File(PathBuf),
}

/// The operator's settings for the issuer.
#[derive(Clone, Debug)]
pub struct OutsideSettings {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `aud` of its tokens for this service.
    pub audience: String,
    /// Where its keys are.
    pub jwks: JwksSource,
    /// The claim that holds the id of the account.
    pub account_claim: String,
    /// How long a key lasts at most that was made with a token of the issuer.
    pub made_keys_last: Duration,
}

/// Verifies tokens of the issuer. Cheap to clone.
#[derive(Clone)]
pub struct OutsideIssuer {
    settings: Arc<OutsideSettings>,
    keys: Arc<RwLock<Keys>>,
    /// Held by the one who looks at the issuer's keys. Only those who need a key that is not known wait for it.
    looking: Arc<Mutex<()>>,
}

/// The issuer's keys, as they were when somebody last looked.
#[derive(Clone, Default)]
struct Keys {
    set: Arc<Vec<Jwk>>,
    looked: Option<DateTime<Utc>>,
    failed: bool,
}

impl Keys {
    /// A key by its id. One that is not for signatures is none.
    fn find(&self, kid: &str) -> Option<Jwk> {
        let signs = |jwk: &&Jwk| matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        self.set.iter().filter(signs).find(|jwk| jwk.common.key_id.as_deref() == Some(kid)).cloned()
    }

    /// Whether it is time to look again, for somebody who found their key or did not.
    fn are_due(&self, found: bool, now: DateTime<Utc>) -> bool {
        let after = match (found, self.failed) {
            (true, _) => FRESH,
            (false, true) => RETRY,
            (false, false) => RATE,
        };
        // Without a sign: a clock that was set back must not put the next look off.
        self.looked.is_none_or(|looked| (now - looked).abs() >= after)
    }
}

/// The claims of a token of the issuer.
pub(crate) struct OutsideClaims {
    pub account: AccountId,
    /// When the token runs out, in seconds since 1970.
    pub exp: i64,
    /// When a key ends at the latest that is made with the token.
    pub made_keys_end: DateTime<Utc>,
    /// The person on record: a verified address, or the subject.
    pub user: String,
    /// Subject and issuer.
    pub owner: String,
    pub scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct RawClaims {
    exp: NumericDate,
    nbf: Option<NumericDate>,
    sub: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: Value,
    #[serde(default)]
    scope: String,
}

impl OutsideIssuer {
    /// An issuer whose keys are looked up when its first token comes.
    pub fn new(settings: OutsideSettings) -> Self {
        Self { settings: Arc::new(settings), keys: Arc::default(), looking: Arc::default() }
    }

    pub(crate) async fn verify(
        &self,
        header: &Header,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<OutsideClaims, Error> {
        let kid = header.kid.as_deref().ok_or(Denied::BadToken("a token without a key id"))?;
        let jwk = self.key(kid, now).await?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| Denied::BadToken("a key that cannot be used"))?;
        // `read_header` let only these two through, and a key of the other kind does not verify.
        let algorithm = if header.alg == Algorithm::ES256 { Algorithm::ES256 } else { Algorithm::RS256 };
        let settings = &self.settings;
        let all: Value = claims::verify(token, algorithm, &key, &settings.issuer, &settings.audience)?;
        let account = match all.get(&settings.account_claim) {
            Some(Value::Number(id)) => id.as_i64(),
            // Digits alone, as everywhere: parsing would take a sign as well.
            Some(Value::String(id)) if id.bytes().all(|byte| byte.is_ascii_digit()) => id.parse().ok(),
            _ => None,
        };
        let account = account.filter(|id| *id > 0).ok_or(Denied::BadToken("a token without an account"))?;
        let wrong = Denied::BadToken("a token with a claim of the wrong form");
        let claims: RawClaims = serde_json::from_value(all).map_err(|_| wrong)?;
        claims::check_expiry(claims.exp.0, now)?;
        if claims.nbf.is_some_and(|start| start.0 > now.timestamp()) {
            return Err(Denied::BadToken("a token from the future").into());
        }
        // It will stand in `created_by` and in the audit. An address that the issuer has not verified may be anybody's.
        let is_verified = claims.email_verified == Value::Bool(true) || claims.email_verified == "true";
        let owner = format!("{} ({})", Name::parse(&claims.sub).map_err(|_| wrong)?.as_str(), settings.issuer);
        let user = Name::parse(&claims.email.filter(|_| is_verified).unwrap_or(claims.sub)).map_err(|_| wrong)?;
        Ok(OutsideClaims {
            account: AccountId(account),
            exp: claims.exp.0,
            made_keys_end: now + settings.made_keys_last,
            user: user.as_str().to_owned(),
            owner,
            scopes: claims.scope.split(' ').filter_map(Scope::parse).collect(),
        })
    }

    /// The issuer's key of this id. One that is not known is looked for once, and not again for a while.
    async fn key(&self, kid: &str, now: DateTime<Utc>) -> Result<Jwk, Error> {
        let known = self.known();
        if let Some(jwk) = known.find(kid) {
            // Somebody else may be looking; what is known serves meanwhile.
            if known.are_due(true, now)
                && let Ok(_looking) = self.looking.try_lock()
            {
                self.look(now).await;
                return self.known().find(kid).ok_or(Denied::BadToken("a key that the issuer took back").into());
            }
            return Ok(jwk);
        }
        let _looking = self.looking.lock().await;
        // Whoever held the lock before may have brought it.
        if self.known().find(kid).is_none() && self.known().are_due(false, now) {
            self.look(now).await;
        }
        let known = self.known();
        match known.find(kid) {
            Some(jwk) => Ok(jwk),
            // Nobody can tell yet whether the key is the issuer's.
            None if known.set.is_empty() && known.failed => Err(Error::IssuerUnavailable),
            None => Err(Denied::BadToken("a token under an unknown key").into()),
        }
    }

    fn known(&self) -> Keys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the issuer's keys. Keys that were known go on if that fails; an issuer that is away for a moment locks
    /// nobody out.
    async fn look(&self, now: DateTime<Utc>) {
        let fetched = fetch(&self.settings.jwks).await;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.looked = Some(now);
        keys.failed = fetched.is_err();
        match fetched {
            Ok(set) => keys.set = Arc::new(set.keys),
            Err(error) => tracing::warn!(error = &*error, "the outside issuer's keys cannot be read"),
        }
    }
}

/// Reads a JWK set. Some editors put a byte order mark before it.
pub fn parse_key_set(text: &[u8]) -> Result<JwkSet, serde_json::Error> {
    serde_json::from_slice(text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text))
}

async fn fetch(source: &JwksSource) -> Result<JwkSet, Box<dyn std::error::Error + Send + Sync>> {
    match source {
        JwksSource::File(path) => Ok(parse_key_set(&tokio::fs::read(path).await?)?),
        JwksSource::Url(url) => {
            let redirects = reqwest::redirect::Policy::none();
            // Keys decide who is believed: no proxy of the environment stands between the issuer and us.
            let client = reqwest::Client::builder().timeout(PATIENCE).redirect(redirects).no_proxy().build()?;
            let mut answer = client.get(url.clone()).send().await?.error_for_status()?;
            let mut keys = Vec::new();
            while let Some(part) = answer.chunk().await? {
                if keys.len() + part.len() > LONGEST_SET {
                    return Err("the set of keys is longer than a mebibyte".into());
                }
                keys.extend_from_slice(&part);
            }
            Ok(serde_json::from_slice(&keys)?)
        }
    }
}
