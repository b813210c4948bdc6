//! A key service of the tests' own: as much of the transit API of Vault and `OpenBao` as a client of `encrypt` and `decrypt`
//! can tell, with real seals; and it can be made to misbehave.

#![allow(clippy::disallowed_types, reason = "its handlers are not of the service")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, Generate, Key, KeyInit, Nonce, Payload};
use axum::Router;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::installation::file;

/// How it misbehaves.
#[derive(Clone, Debug)]
pub enum Mood {
    Well,
    /// Never answers.
    Silent,
    /// Answers with this status, as a sealed or overloaded one does.
    Status(u16),
    /// Answers 200 with this body.
    Body(&'static str),
    /// Answers `decrypt` with this plaintext, for every request.
    Plaintext(String),
    /// Answers each item of `decrypt` with the plaintext of the next one.
    Shifted,
    /// Answers `encrypt` with a good ciphertext of something else.
    EncryptsSomethingElse,
}

struct Keys {
    mood: Mood,
    token: String,
    /// The versions of the key, from 1.
    versions: Vec<Aes256Gcm>,
    oldest: usize,
    asked: Vec<String>,
}

/// A running service with a key `credenza` at `transit`.
pub struct KeyService {
    pub url: String,
    pub token_file: String,
    keys: Arc<Mutex<Keys>>,
    server: JoinHandle<()>,
}

impl Drop for KeyService {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn new_version() -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::generate())
}

impl KeyService {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Keys {
            mood: Mood::Well,
            token: "hvs.first".to_owned(),
            versions: vec![new_version()],
            oldest: 1,
            asked: vec![],
        };
        let keys = Arc::new(Mutex::new(keys));
        let router = Router::new().route("/v1/transit/{operation}/{key}", post(answer)).with_state(Arc::clone(&keys));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, token_file: file("token", "hvs.first\n"), keys, server }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings that lead here.
    pub fn variables(&self) -> [(&'static str, &str); 3] {
        [
            ("CREDENZA_TRANSIT_ADDR", &self.url),
            ("CREDENZA_TRANSIT_KEY", "credenza"),
            ("CREDENZA_TRANSIT_TOKEN_FILE", &self.token_file),
        ]
    }

    pub fn is_now(&self, mood: Mood) {
        self.keys().mood = mood;
    }

    /// Takes another token, and none other.
    pub fn expects_token(&self, token: &str) {
        token.clone_into(&mut self.keys().token);
    }

    /// Makes a new version of the key.
    pub fn rotate(&self) {
        self.keys().versions.push(new_version());
    }

    /// Opens nothing of older versions any more.
    pub fn min_decryption_version(&self, version: usize) {
        self.keys().oldest = version;
    }

    /// The requests so far, in the form `operation×items`.
    pub fn asked(&self) -> Vec<String> {
        self.keys().asked.clone()
    }
}

async fn answer(
    State(keys): State<Arc<Mutex<Keys>>>,
    Path((operation, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: axum::Json<Value>,
) -> Response {
    let mood = keys.lock().unwrap().mood.clone();
    if matches!(mood, Mood::Silent) {
        std::future::pending::<()>().await;
    }
    let mut keys = keys.lock().unwrap();
    let errors = |status, text: &str| (status, axum::Json(json!({ "errors": [text] }))).into_response();
    if headers.get("x-vault-token").is_none_or(|token| token != keys.token.as_str()) {
        return errors(StatusCode::FORBIDDEN, "permission denied");
    }
    if key != "credenza" {
        return errors(StatusCode::BAD_REQUEST, "encryption key not found");
    }
    let items = body["batch_input"].as_array().cloned().unwrap_or_default();
    keys.asked.push(format!("{operation}×{}", items.len()));
    match &mood {
        Mood::Status(status) => return errors(StatusCode::from_u16(*status).unwrap(), "Vault is sealed"),
        Mood::Body(body) => return (StatusCode::OK, *body).into_response(),
        _ => {}
    }
    let mut results: Vec<_> = items
        .iter()
        .map(|item| {
            let outcome = if operation == "encrypt" { encrypt(&keys, &mood, item) } else { decrypt(&keys, item) };
            outcome.unwrap_or_else(|error| json!({ "error": error }))
        })
        .collect();
    if operation == "decrypt" {
        match mood {
            Mood::Plaintext(plaintext) => results.fill(json!({ "plaintext": plaintext })),
            Mood::Shifted => results.rotate_left(1),
            _ => {}
        }
    }
    let all_failed = results.iter().all(|result| result["error"].is_string());
    let status = if all_failed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    (status, axum::Json(json!({ "data": { "batch_results": results } }))).into_response()
}

fn decoded(item: &Value, field: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(item[field].as_str().unwrap_or_default()).map_err(|error| error.to_string())
}

fn encrypt(keys: &Keys, mood: &Mood, item: &Value) -> Result<Value, String> {
    let mut plaintext = decoded(item, "plaintext")?;
    if matches!(mood, Mood::EncryptsSomethingElse) {
        *plaintext.last_mut().unwrap() ^= 1;
    }
    let aad = decoded(item, "associated_data")?;
    let nonce = Nonce::<Aes256Gcm>::generate();
    let sealed = keys.versions.last().unwrap().encrypt(&nonce, Payload { msg: &plaintext, aad: &aad });
    let text = BASE64_STANDARD.encode([nonce.as_slice(), &sealed.unwrap()].concat());
    let version = keys.versions.len();
    Ok(json!({ "ciphertext": format!("vault:v{version}:{text}"), "key_version": version }))
}

fn decrypt(keys: &Keys, item: &Value) -> Result<Value, String> {
    let text = item["ciphertext"].as_str().unwrap_or_default();
    let (version, text) = text.strip_prefix("vault:v").and_then(|text| text.split_once(':')).ok_or("no prefix")?;
    let version: usize = version.parse().map_err(|_| "no version")?;
    if version < keys.oldest {
        return Err("ciphertext or signature version is disallowed by policy (too old)".to_owned());
    }
    let cipher = keys.versions.get(version - 1).ok_or("no such version")?;
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| error.to_string())?;
    let (nonce, sealed) = bytes.split_first_chunk::<12>().ok_or("too short")?;
    let aad = decoded(item, "associated_data")?;
    let plain = cipher.decrypt(&Nonce::<Aes256Gcm>::from(*nonce), Payload { msg: sealed, aad: &aad });
    let plain = plain.map_err(|_| "cipher: message authentication failed")?;
    Ok(json!({ "plaintext": BASE64_STANDARD.encode(plain) }))
}
