//! A key-encryption key that stays where it is: Vault's or `OpenBao`'s *transit* secrets engine, over HTTP.
//!
//! Wrapping is `POST /v1/<mount>/encrypt/<key>`, unwrapping `…/decrypt/<key>`, both with `batch_input`. The engine's own
//! `rewrap` takes no associated data, so a new version of the key is taken up by unwrapping and wrapping again.
//!
//! A data key is bound to its place twice: by `associated_data`, so that the engine refuses it elsewhere, and by a hash
//! of the place inside the plaintext, so that an engine that confuses its answers is found out here.

use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::OpenError;
use super::kek::{Asked, DataKeyId, Kek, RawKey, WrappedKey};
use super::wrapped::{Ciphertext, TRANSIT, Wrapped};
use crate::error::{Error, KeyServiceError};
use crate::types::AccountId;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// Longest wait for an answer. Few calls wait for it while they hold a row: see docs/KEYS.md.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most data keys in one request.
const BATCH: usize = 250;

/// Where the key is, and how to be let in.
#[derive(Clone, Debug)]
pub struct TransitSettings {
    /// The server, such as `https://vault.example.com:8200`.
    pub address: Url,
    /// Where the engine is mounted.
    pub mount: String,
    /// Name of the key.
    pub key: String,
    /// The namespace, where there are such.
    pub namespace: Option<String>,
    /// File with the token. Read for every request, so that a token that is renewed in it counts at once.
    pub token_file: PathBuf,
    /// Certificates to trust instead of the system's, in PEM.
    pub ca: Option<Vec<u8>>,
}

/// A key of the transit engine.
pub struct Transit {
    client: Client,
    settings: TransitSettings,
    /// `transit:<namespace>/<mount>/<key>`; a stored id ends with `:v<version>`.
    name: String,
}

#[derive(Serialize)]
struct Request<'a> {
    batch_input: &'a [Item<'a>],
}

#[derive(Serialize)]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<&'a str>,
    associated_data: String,
}

#[derive(Deserialize)]
struct Answer {
    data: Batch,
}

#[derive(Deserialize)]
struct Batch {
    batch_results: Vec<Outcome>,
}

/// The outcome of one item. The text of an error is the engine's own; nothing but its kind is used.
#[derive(Deserialize)]
struct Outcome {
    ciphertext: Option<String>,
    plaintext: Option<SecretString>,
    #[serde(default)]
    error: String,
}

impl Transit {
    /// A client for the key. Nothing is asked before the first data key.
    pub fn new(settings: TransitSettings) -> Result<Self, KeyServiceError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &settings.namespace {
            let namespace = HeaderValue::from_str(namespace);
            headers.insert("x-vault-namespace", namespace.map_err(|_| KeyServiceError::Settings("the namespace"))?);
        }
        let mut client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .default_headers(headers);
        if let Some(pem) = &settings.ca {
            let unusable = |_| KeyServiceError::Settings("the file of certificates");
            client = client.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(unusable)?);
        }
        let client = client.build().map_err(KeyServiceError::Unreachable)?;
        let path = settings.namespace.iter().chain([&settings.mount, &settings.key]).map(|part| part.trim_matches('/'));
        let name = format!("transit:{}", path.collect::<Vec<_>>().join("/"));
        Ok(Self { client, settings, name })
    }

    fn id_of(&self, version: u32) -> String {
        format!("{}:v{version}", self.name)
    }

    /// Runs one operation on items. As many outcomes as items, in the same order.
    async fn ask(&self, operation: &str, items: &[Item<'_>]) -> Result<Vec<Outcome>, KeyServiceError> {
        let token = self.token().await?;
        let answer = self.send(operation, items, &token).await;
        match answer {
            Err(KeyServiceError::Refused(403)) => {
                // It may have been renewed since it was read.
                let renewed = self.token().await?;
                let (renewed_bytes, bytes) = (renewed.expose_secret().as_bytes(), token.expose_secret().as_bytes());
                if verify_slices_are_equal(renewed_bytes, bytes).is_ok() {
                    return answer;
                }
                self.send(operation, items, &renewed).await
            }
            answer => answer,
        }
    }

    async fn token(&self) -> Result<SecretString, KeyServiceError> {
        let text = tokio::fs::read_to_string(&self.settings.token_file).await.map_err(KeyServiceError::TokenFile)?;
        Ok(Zeroizing::new(text).trim().into())
    }

    async fn send(
        &self,
        operation: &str,
        items: &[Item<'_>],
        token: &SecretString,
    ) -> Result<Vec<Outcome>, KeyServiceError> {
        let settings = &self.settings;
        let mut url = settings.address.clone();
        let path = format!(
            "{}/v1/{}/{operation}/{}",
            url.path().trim_end_matches('/'),
            settings.mount.trim_matches('/'),
            settings.key
        );
        url.set_path(&path);
        let mut token = HeaderValue::from_str(token.expose_secret())
            .map_err(|_| KeyServiceError::Settings("the token, which is not one line of text"))?;
        token.set_sensitive(true);
        let request = self.client.post(url).header("x-vault-token", token).json(&Request { batch_input: items });
        // The URL says nothing that the settings do not say; the message is shorter without it.
        let unreachable = |error: reqwest::Error| KeyServiceError::Unreachable(error.without_url());
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        // With 400 there are outcomes too, if the request was right and every item of it was wrong.
        if status != StatusCode::OK && status != StatusCode::BAD_REQUEST {
            return Err(KeyServiceError::Refused(status.as_u16()));
        }
        let body = Zeroizing::new(response.bytes().await.map_err(unreachable)?.to_vec());
        match serde_json::from_slice::<Answer>(&body) {
            Ok(answer) if answer.data.batch_results.len() == items.len() => Ok(answer.data.batch_results),
            _ if status == StatusCode::BAD_REQUEST => Err(KeyServiceError::Refused(400)),
            _ => Err(KeyServiceError::WrongAnswer("it is not of the form of the transit API")),
        }
    }

    async fn wrap_batch(&self, keys: &[(DataKeyId, RawKey)]) -> Result<Vec<WrappedKey>, KeyServiceError> {
        let bound: Vec<_> = keys.iter().map(|(id, key)| self.bind(*id, key)).collect();
        let items: Vec<_> = keys
            .iter()
            .zip(&bound)
            .map(|((id, _), bound)| Item {
                plaintext: Some(bound),
                ciphertext: None,
                associated_data: BASE64_STANDARD.encode(self.place(*id)),
            })
            .collect();
        let outcomes = self.ask("encrypt", &items).await?;
        let wrapped = keys.iter().zip(outcomes).map(|((id, _), outcome)| {
            let ciphertext = outcome.ciphertext.as_deref().and_then(Ciphertext::parse);
            let ciphertext = ciphertext.ok_or(match outcome.error.as_str() {
                "" => KeyServiceError::WrongAnswer("a ciphertext is not of the form of the transit API"),
                _ => KeyServiceError::Refused(400),
            })?;
            let kek_id = self.id_of(ciphertext.version);
            Ok(WrappedKey { id: *id, kek_id, bytes: Wrapped::Transit(ciphertext).to_bytes() })
        });
        wrapped.collect()
    }

    async fn unwrap_batch(&self, keys: &[&WrappedKey]) -> Result<Vec<Result<RawKey, OpenError>>, KeyServiceError> {
        let parsed: Vec<_> = keys.iter().map(|key| self.parse(key)).collect();
        let items: Vec<_> = keys
            .iter()
            .zip(&parsed)
            .filter_map(|(key, ciphertext)| {
                Some(Item {
                    plaintext: None,
                    ciphertext: Some(&ciphertext.as_ref().ok()?.text),
                    associated_data: BASE64_STANDARD.encode(self.place(key.id)),
                })
            })
            .collect();
        let outcomes = if items.is_empty() { Vec::new() } else { self.ask("decrypt", &items).await? };
        let mut outcomes = outcomes.into_iter();
        let mut unwrapped = Vec::with_capacity(keys.len());
        for (key, ciphertext) in keys.iter().zip(&parsed) {
            unwrapped.push(match ciphertext {
                Err(error) => Err(*error),
                Ok(_) => match outcomes.next() {
                    Some(outcome) => self.take(key.id, &outcome)?,
                    None => return Err(KeyServiceError::WrongAnswer("it is too short")),
                },
            });
        }
        Ok(unwrapped)
    }

    /// The ciphertext in a stored form, of the version that its id names.
    fn parse(&self, key: &WrappedKey) -> Result<Ciphertext, OpenError> {
        match Wrapped::parse(&key.bytes)? {
            Wrapped::Transit(ciphertext) if self.id_of(ciphertext.version) == key.kek_id => Ok(ciphertext),
            Wrapped::Transit(_) => Err(OpenError::Rejected),
            Wrapped::Local { .. } => Err(OpenError::UnknownFormat),
        }
    }

    /// The data key in an outcome. The outer error is the engine's fault, the inner one the row's.
    fn take(&self, id: DataKeyId, outcome: &Outcome) -> Result<Result<RawKey, OpenError>, KeyServiceError> {
        let Some(plaintext) = &outcome.plaintext else {
            return match outcome.error.as_str() {
                "" => Err(KeyServiceError::WrongAnswer("an outcome is neither a plaintext nor an error")),
                // "ciphertext or signature version is disallowed by policy (too old)"
                error if error.contains("too old") => Ok(Err(OpenError::NoKek)),
                _ => Ok(Err(OpenError::Rejected)),
            };
        };
        let bytes = BASE64_STANDARD.decode(plaintext.expose_secret()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| KeyServiceError::WrongAnswer("a plaintext is not base64"))?;
        let Some((hash, key)) = bytes.split_first_chunk::<32>() else {
            return Err(KeyServiceError::WrongAnswer("a plaintext has the wrong length"));
        };
        let key = <[u8; 32]>::try_from(key).map(Zeroizing::new);
        let key = key.map_err(|_| KeyServiceError::WrongAnswer("a plaintext has the wrong length"))?;
        Ok(if *hash == self.hash(id) { Ok(key) } else { Err(OpenError::Rejected) })
    }

    /// The binding of the data key. The version is not part of it: it is known only when the engine has answered.
    fn place(&self, id: DataKeyId) -> Vec<u8> {
        id.authenticated(TRANSIT, &self.name)
    }

    fn hash(&self, id: DataKeyId) -> [u8; 32] {
        Sha256::digest(self.place(id)).into()
    }

    /// The plaintext for the engine: a hash of the place, and the data key.
    fn bind(&self, id: DataKeyId, key: &RawKey) -> Zeroizing<String> {
        let mut plain = Zeroizing::new([0; 64]);
        plain[..32].copy_from_slice(&self.hash(id));
        plain[32..].copy_from_slice(key.as_slice());
        Zeroizing::new(BASE64_STANDARD.encode(*plain))
    }
}

impl Kek for Transit {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> Option<String> {
        None
    }

    fn owns(&self, kek_id: &str) -> bool {
        kek_id.strip_prefix(&self.name).is_some_and(|version| version.starts_with(":v"))
    }

    /// Asks for a wrapped form of nothing in particular, which needs no right that wrapping does not need.
    fn current_id(&self) -> Asked<'_, String> {
        Box::pin(async {
            let nobody = DataKeyId { account: AccountId(-1), generation: 0 };
            let wrapped = self.wrap_batch(&[(nobody, RawKey::default())]).await.map_err(Error::from)?;
            wrapped.into_iter().next().map(|key| key.kek_id).ok_or(KeyServiceError::WrongAnswer("it is empty").into())
        })
    }

    fn wrap<'a>(&'a self, keys: &'a [(DataKeyId, RawKey)]) -> Asked<'a, Vec<WrappedKey>> {
        Box::pin(async move {
            let mut wrapped = Vec::with_capacity(keys.len());
            for batch in keys.chunks(BATCH) {
                wrapped.extend(self.wrap_batch(batch).await?);
            }
            Ok(wrapped)
        })
    }

    fn unwrap<'a>(&'a self, keys: &'a [&'a WrappedKey]) -> Asked<'a, Vec<Result<RawKey, OpenError>>> {
        Box::pin(async move {
            let mut unwrapped = Vec::with_capacity(keys.len());
            for batch in keys.chunks(BATCH) {
                unwrapped.extend(self.unwrap_batch(batch).await?);
            }
            Ok(unwrapped)
        })
    }

    fn reachable(&self) -> Asked<'_, ()> {
        Box::pin(async { self.current_id().await.map(drop) })
    }
}
