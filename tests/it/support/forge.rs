//! Tokens as other software would write them, and as somebody would forge them. Put together by hand, so that a test can
//! have claims that no library would sign.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use credenza::types::AccountId;
use credenza::vault::{Binding, Sealed};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::Connection;

use super::app::TestApp;

/// The key that a token is sealed with.
pub enum Seal {
    Rsa(KeyPair),
    Ec(EcdsaKeyPair),
    Hmac(Vec<u8>),
    Nothing,
}

/// An RSA key that is not ours. Primes take a while to find, so one serves all tests.
pub static FOREIGN_RSA: LazyLock<Seal> = LazyLock::new(|| Seal::Rsa(KeyPair::generate(KeySize::Rsa2048).unwrap()));

impl Seal {
    pub fn new_ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// As `alg` names it.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Seal::Rsa(_) => "RS256",
            Seal::Ec(_) => "ES256",
            Seal::Hmac(_) => "HS256",
            Seal::Nothing => "none",
        }
    }

    fn seal(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Seal::Rsa(key) => {
                let mut seal = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut seal).unwrap();
                seal
            }
            Seal::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Seal::Hmac(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec(),
            Seal::Nothing => vec![],
        }
    }

    /// The public half, as a JWK set has it.
    pub fn jwk(&self, kid: &str) -> Value {
        match self {
            Seal::Rsa(key) => {
                let public = key.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                json!({"kty": "RSA", "kid": kid, "use": "sig", "n": n, "e": e})
            }
            Seal::Ec(key) => {
                // Behind a byte that says that both coordinates follow.
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": encode(x), "y": encode(y)})
            }
            Seal::Hmac(_) | Seal::Nothing => panic!("it has no public half"),
        }
    }

    /// Everything that a careless verifier could take for the secret of an HMAC: the public key in its usual forms.
    pub fn public_forms(&self) -> Vec<Vec<u8>> {
        let Seal::Rsa(key) = self else { panic!("it has no such forms") };
        let public = key.public_key();
        let der: PublicKeyX509Der<'_> = public.as_der().unwrap();
        let lines = BASE64_STANDARD.encode(der.as_ref()).into_bytes();
        let lines: Vec<_> = lines.chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
        let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
        vec![
            format!("{pem}\n").into_bytes(),
            pem.into_bytes(),
            der.as_ref().to_vec(),
            public.as_ref().to_vec(),
            encode(&modulus).into_bytes(),
            modulus,
            vec![],
        ]
    }

    /// A token with this key's algorithm in its header.
    pub fn token(&self, kid: &str, claims: &Value) -> String {
        self.token_with(&json!({"typ": "JWT", "alg": self.algorithm(), "kid": kid}).to_string(), &claims.to_string())
    }

    /// A token whose header and claims are these texts.
    pub fn token_with(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let seal = self.seal(message.as_bytes());
        format!("{message}.{}", encode(&seal))
    }
}

/// A token with the same claims under the same key id, but another key has sealed it.
pub fn forged(token: &str) -> String {
    FOREIGN_RSA.token_with(&part_of(token, 0).to_string(), &part_of(token, 1).to_string())
}

pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A part of a token, as JSON: 0 is the header, 1 the claims.
pub fn part_of(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The thumbprint of an RSA key (RFC 7638), by its JWK.
pub fn thumbprint(jwk: &Value) -> String {
    let members = format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, jwk["e"], jwk["n"]);
    encode(digest::digest(&digest::SHA256, members.as_bytes()).as_ref())
}

impl TestApp {
    /// The key that signs our tokens, taken out of the vault, and its id. A forger who has it could claim anything; tests use
    /// it to see that the claims are looked at as well.
    pub async fn signing_key(&self) -> (String, Seal) {
        // The first look at the keys makes one.
        self.app.tokens.jwks(self.app.clock.now()).await.unwrap();
        let mut admin = self.admin().await;
        let (kid, sealed): (String, Vec<u8>) =
            sqlx::query_as("select kid, private_key from signing_keys where retired_at is null")
                .fetch_one(&mut admin)
                .await
                .unwrap();
        admin.close().await.unwrap();
        let place = Binding::new(&[b"signing key", kid.as_bytes()]);
        let sealed = Sealed::parse(sealed).unwrap();
        let keys = self.app.vault.data_keys(AccountId::OPERATOR, [&sealed]).await.unwrap();
        let pem = keys.open(AccountId::OPERATOR, &sealed, &place).unwrap();
        let body: String = pem.expose_secret().lines().filter(|line| !line.starts_with("-----")).collect();
        (kid, Seal::Rsa(KeyPair::from_pkcs8(&BASE64_STANDARD.decode(body).unwrap()).unwrap()))
    }
}
