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

use super::store;
use crate::audit::{self, Action, Event};
use crate::cluster::Cluster;
use crate::context::Context;
use crate::error::{Error, OpenError, SealError};
use crate::principal::Actor;
use crate::types::AccountId;
use crate::vault::{Binding, Sealed, Vault};

/// Longest life of a token, and so of a key after it has stopped signing. As in the constraint of `oauth_clients`.
const LONGEST_TOKEN: Duration = Duration::from_hours(24);

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

/// Loads the keys and opens the one that signs.
pub(super) async fn load(pool: &PgPool, vault: &Vault) -> Result<KeySet, Error> {
    let mut set = KeySet { signer: None, verifiers: Vec::new() };
    for row in store::signing_keys(pool).await? {
        let text = |name: &str| row.public_jwk[name].as_str().unwrap_or_default().to_owned();
        let key = DecodingKey::from_rsa_components(&text("n"), &text("e")).map_err(|_| OpenError::Malformed)?;
        if row.retired_at.is_none() {
            let sealed = Sealed::parse(row.private_key)?;
            let pem = vault.open(AccountId::OPERATOR, &sealed, &place(&row.kid)).await?;
            let pem = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(|_| OpenError::Malformed)?;
            set.signer = Some((row.kid.clone(), pem));
        }
        set.verifiers.push(Verifier { kid: row.kid, key, public_jwk: row.public_jwk, expires_at: row.expires_at });
    }
    Ok(set)
}

/// Makes the first key, unless there is one by now.
pub(super) async fn make_first(cluster: &Cluster, vault: &Vault, now: DateTime<Utc>) -> Result<(), Error> {
    let (new, private_key) = seal_new(vault, now).await?;
    let mut change = cluster.begin(AccountId::OPERATOR).await?;
    store::insert_signing_key(&mut change, &new.kid, &new.public_jwk, private_key.as_bytes(), now).await?;
    change.commit().await
}

/// Puts a new key in place of the one that signs. The old one goes on verifying until its last token has run out.
pub async fn rotate(context: &Context) -> Result<String, Error> {
    let now = context.clock.now();
    let (new, private_key) = seal_new(&context.vault, now).await?;
    let mut change = context.cluster.begin(AccountId::OPERATOR).await?;
    store::retire_signing_key(&mut change, now, now + LONGEST_TOKEN).await?;
    store::insert_signing_key(&mut change, &new.kid, &new.public_jwk, private_key.as_bytes(), now).await?;
    let (actor, events) = (Actor::operator(), [Event::new(Action::SigningKeyRotated)]);
    audit::record(&mut change, &context.audit_key, AccountId::OPERATOR, &actor, now, &events).await?;
    change.commit().await?;
    Ok(new.kid)
}

/// A new key, and its private half sealed. Before any transaction: primes take a while, and so may a key service.
async fn seal_new(vault: &Vault, now: DateTime<Utc>) -> Result<(NewKey, Sealed), Error> {
    let made = tokio::task::spawn_blocking(generate).await.ok().flatten();
    let new = made.ok_or(SealError)?;
    let sealer = vault.sealer(AccountId::OPERATOR, now).await?;
    let private_key = sealer.seal(new.pem.expose_secret(), &place(&new.kid))?;
    Ok((new, private_key))
}

struct NewKey {
    kid: String,
    public_jwk: Value,
    pem: SecretString,
}

fn generate() -> Option<NewKey> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let public = pair.public_key();
    let n = BASE64_URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
    let e = BASE64_URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
    // The thumbprint of RFC 7638: the members that make the key, in this order.
    let thumbprint = Sha256::digest(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
    let kid = BASE64_URL_SAFE_NO_PAD.encode(thumbprint);
    let public_jwk = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e });
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let body = BASE64_STANDARD.encode(der.as_ref());
    Some(NewKey {
        kid,
        public_jwk,
        pem: format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n").into(),
    })
}

/// Where a private key is stored.
pub(super) fn place(kid: &str) -> Binding {
    Binding::new(&[b"signing key", kid.as_bytes()])
}

/// For a cache of the set.
pub(super) type Shared = Arc<KeySet>;
