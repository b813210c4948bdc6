//! OAuth2 clients and their tokens, good ones and forged ones.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, decode_header, encode};
use serde_json::{Value, json};

use super::caller::Caller;

pub const CLIENTS: &str = "/extra/v2/oauth-clients";

/// A client, with the secret that was shown once.
pub struct Client {
    pub id: String,
    name: String,
    secret: String,
}

impl<'a> Caller<'a> {
    /// Makes a client of the caller's account with these scopes, separated by blanks.
    pub async fn client(&self, scopes: &str) -> Client {
        let body = json!({"name": "test", "scopes": scopes.split(' ').collect::<Vec<_>>()});
        let made = self.post(CLIENTS, body).await.expect(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Client { id: text("id"), name: text("client_id"), secret: text("client_secret") }
    }

    /// A token of a client, with these of its scopes.
    pub async fn token(&self, client: &Client, scopes: &str) -> String {
        let body = json!({
            "grant_type": "client_credentials", "scope": scopes,
            "client_id": client.name, "client_secret": client.secret,
        });
        let issued = self.post("/oauth/token", body).await.expect(200);
        issued["access_token"].as_str().unwrap().to_owned()
    }

    /// The same account with a token in place of a key.
    pub fn bearing(&self, token: &str) -> Caller<'a> {
        self.with_no_key().with_header("authorization", &format!("Bearer {token}"))
    }
}

/// A token that says the same under the same key id, but another key has signed it.
pub fn forged(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der.as_ref()));
    encode(&decode_header(token).unwrap(), &claims, &EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()).unwrap()
}
