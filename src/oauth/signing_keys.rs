//! The keys that sign tokens: RSA, made here, sealed in the database, rotated on command. One signs; the others verify
//! until the last token that they signed has run out.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use zeroize::Zeroizing;

use super::store::{self, SigningKeyRow};
use crate::api_key::Pepper;
use crate::audit::{Action, Event};
use crate::cluster::Cluster;
use crate::error::{Error, OpenError, SealError};
use crate::rights;
use crate::types::AccountId;
use crate::vault::{Binding, Sealed, Vault};
use crate::work::Work;

/// Longest life of a token, and so of a key after it has stopped signing. As in the constraint of `oauth_clients`.
pub(super) const LONGEST_TOKEN: Duration = Duration::from_hours(24);

/// The keys in use.
pub(super) struct KeySet {
    /// The one that signs.
    signer: Option<(String, EncodingKey)>,
    verifiers: Vec<Verifier>,
}

struct Verifier {
    kid: String,
    key: DecodingKey,
    public_jwk: Value,
    expires_at: Option<DateTime<Utc>>,
}

impl KeySet {
    pub(super) fn signer(&self) -> Option<&(String, EncodingKey)> {
        self.signer.as_ref()
    }

    /// The key of this id, if it still verifies.
    pub(super) fn verifier(&self, kid: &str, now: DateTime<Utc>) -> Option<&DecodingKey> {
        self.current(now).find(|verifier| verifier.kid == kid).map(|verifier| &verifier.key)
    }

    /// The public halves, as a JWK set has them (RFC 7517).
    pub(super) fn public_jwks(&self, now: DateTime<Utc>) -> Vec<&Value> {
        self.current(now).map(|verifier| &verifier.public_jwk).collect()
    }

    fn current(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Verifier> {
        self.verifiers.iter().filter(move |verifier| verifier.expires_at.is_none_or(|expiry| expiry > now))
    }
}

/// Loads the keys. Each verifier is derived from the private half that was sealed for its row: the columns in clear are
/// not believed, because anybody who writes the table could have put it there.
pub(super) async fn load(pool: &PgPool, vault: &Vault, pepper: &Pepper) -> Result<KeySet, Error> {
    let mut set = KeySet { signer: None, verifiers: Vec::new() };
    for SigningKeyRow { kid, is_authentic, private_key, retired_at, expires_at } in
        store::signing_keys(pool, pepper).await?
    {
        let signs = retired_at.is_none();
        let opened = if is_authentic { open(vault, &kid, private_key).await } else { Err(OpenError::Rejected.into()) };
        let PrivateKey { pem, public } = match opened {
            Ok(private) => private,
            // One that only verified is as good as gone, and so are its tokens. The others go on.
            Err(Error::Unreadable(why)) if !signs => {
                tracing::error!(kid, error = &why as &dyn std::error::Error, "a retired signing key verifies nothing");
                continue;
            }
            Err(error) => return Err(error),
        };
        let key = DecodingKey::from_rsa_components(&public.n, &public.e).map_err(|_| OpenError::Malformed)?;
        if signs {
            let pem = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(|_| OpenError::Malformed)?;
            set.signer = Some((kid.clone(), pem));
        }
        set.verifiers.push(Verifier { kid, key, public_jwk: public.jwk(), expires_at });
    }
    Ok(set)
}

/// Opens a row's private half and derives the public one.
async fn open(vault: &Vault, kid: &str, sealed: Vec<u8>) -> Result<PrivateKey, Error> {
    let sealed = Sealed::parse(sealed)?;
    let keys = vault.data_keys(AccountId::OPERATOR, [&sealed]).await?;
    let pem = keys.open(AccountId::OPERATOR, &sealed, &place(kid))?;
    let public = PublicHalf::of(&pem).filter(|public| public.kid() == kid).ok_or(OpenError::Malformed)?;
    Ok(PrivateKey { pem, public })
}

struct PrivateKey {
    pem: SecretString,
    public: PublicHalf,
}

/// The public half of a key: modulus and exponent, as a JWK has them.
pub(super) struct PublicHalf {
    n: String,
    e: String,
}

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
const PEM_END: &str = "\n-----END PRIVATE KEY-----\n";

impl PublicHalf {
    /// Derives it from the private half in the form in which it was sealed.
    pub fn of(pem: &SecretString) -> Option<Self> {
        let body = pem.expose_secret().strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
        let der = Zeroizing::new(BASE64_STANDARD.decode(body).ok()?);
        Some(Self::of_pair(&KeyPair::from_pkcs8(&der).ok()?))
    }

    fn of_pair(pair: &KeyPair) -> Self {
        let public = pair.public_key();
        Self {
            n: BASE64_URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            e: BASE64_URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        }
    }

    /// The key's id: the thumbprint of RFC 7638, over the members that make the key, in this order.
    fn kid(&self) -> String {
        let Self { n, e } = self;
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)))
    }

    pub fn jwk(&self) -> Value {
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid(), "n": self.n, "e": self.e })
    }
}

/// Makes the first key, unless there is one by now.
pub(super) async fn make_first(
    cluster: &Cluster,
    vault: &Vault,
    pepper: &Pepper,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let new = NewSigningKey::make(vault, now).await?;
    let mut change = cluster.begin(AccountId::OPERATOR).await?;
    store::insert_signing_key(&mut change, &new.kid, &new.public_jwk, new.private_key.as_bytes(), now).await?;
    // There is no row of this id if another key was first.
    rights::authenticate(&mut change, pepper, &rights::SIGNING_KEYS, AccountId::OPERATOR, &new.kid).await?;
    change.commit().await
}

/// Puts a new key in place of the one that signs. The old one goes on verifying until its last token has run out. Returns
/// the new key's id.
pub async fn rotate(work: &mut Work<'_>, new: NewSigningKey) -> Result<String, Error> {
    let now = work.now();
    let (table, account) = (&rights::SIGNING_KEYS, AccountId::OPERATOR);
    let before = store::lock_signing_keys(work).await?;
    let is_authentic = match &before {
        Some(kid) => work.has_authentic(table, account, kid).await?,
        None => false,
    };
    store::retire_signing_key(work, now, now + LONGEST_TOKEN).await?;
    if let Some(kid) = before.filter(|_| is_authentic) {
        work.authenticate(table, account, &kid).await?;
    }
    store::insert_signing_key(work, &new.kid, &new.public_jwk, new.private_key.as_bytes(), now).await?;
    work.authenticate(table, account, &new.kid).await?;
    work.record(Event::new(Action::SigningKeyRotated));
    Ok(new.kid)
}

/// A key that is not stored yet, its private half sealed.
pub struct NewSigningKey {
    kid: String,
    public_jwk: Value,
    private_key: Sealed,
}

impl NewSigningKey {
    /// Makes a key. Before any transaction: primes take a while, and so may a key service.
    pub async fn make(vault: &Vault, now: DateTime<Utc>) -> Result<Self, Error> {
        let made = tokio::task::spawn_blocking(generate).await.ok().flatten();
        let NewKey { kid, public_jwk, pem } = made.ok_or(SealError)?;
        let sealer = vault.sealer(AccountId::OPERATOR, now).await?;
        let private_key = sealer.seal(pem.expose_secret(), &place(&kid))?;
        Ok(Self { kid, public_jwk, private_key })
    }
}

struct NewKey {
    kid: String,
    public_jwk: Value,
    pem: SecretString,
}

fn generate() -> Option<NewKey> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let public = PublicHalf::of_pair(&pair);
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let body = Zeroizing::new(BASE64_STANDARD.encode(der.as_ref()));
    Some(NewKey {
        kid: public.kid(),
        public_jwk: public.jwk(),
        pem: format!("{PEM_BEGIN}{}{PEM_END}", body.as_str()).into(),
    })
}

/// Where a private key is stored.
pub(super) fn place(kid: &str) -> Binding {
    Binding::new(&[b"signing key", kid.as_bytes()])
}

/// For a cache of the set.
pub(super) type Shared = Arc<KeySet>;
