//! The floor of what is answered from memory. A resolve: JSON in, the key's hash, one look for the key, one for the bundle,
//! one value opened, JSON out. A listing: the same without opening. No tenancy, no limits, no logs, no leases; with its
//! duties (`duties.rs`) a resolve is logged and recorded.

use std::collections::HashMap;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use anyhow::{Context, Result, anyhow};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use credenza_benches::furnish::SERVICE;
use credenza_benches::world::{World, password, username};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::duties::Duties;

const ENVIRONMENT: &str = "PROD";

struct Floor {
    keys: HashMap<[u8; 32], i64>,
    bundles: HashMap<(i64, String), Bundle>,
    listings: HashMap<i64, Vec<Listed>>,
    cipher: Aes256Gcm,
    duties: Option<Arc<Duties>>,
}

struct Bundle {
    username: String,
    nonce: [u8; 12],
    password: Vec<u8>,
}

#[derive(Deserialize)]
struct Call {
    account_id: i64,
    supplier_code: String,
    service: String,
    environment: String,
}

#[derive(Serialize)]
struct Resolved<'a> {
    source: &'static str,
    username: &'a str,
    password: &'a str,
    supplier_code: &'a str,
    service: &'a str,
    environment: &'a str,
}

#[derive(Serialize)]
struct Listing<'a> {
    count: usize,
    results: &'a [Listed],
}

#[derive(Serialize)]
struct Listed {
    supplier_code: String,
    supplier_name: String,
    has_staging_credentials: bool,
    has_production_credentials: bool,
    service_credentials: Vec<ListedService>,
}

#[derive(Serialize)]
struct ListedService {
    service: &'static str,
    environment: &'static str,
    username: String,
}

pub(crate) fn router(world: &World, duties: Option<Arc<Duties>>) -> Result<Router> {
    Ok(Router::new()
        .route("/internal/v1/resolve", post(resolve))
        .route("/extra/v2/credentials", get(list))
        .with_state(Arc::new(Floor::new(world, duties)?)))
}

impl Floor {
    fn new(world: &World, duties: Option<Arc<Duties>>) -> Result<Self> {
        let cipher = Aes256Gcm::new(&[7; 32].into());
        let keys = world.tenants.iter().map(|tenant| (hash(tenant.key.as_bytes()), tenant.account)).collect();
        let (mut bundles, mut listings) = (HashMap::new(), HashMap::<_, Vec<_>>::new());
        for (number, (tenant, supplier)) in (0_u64..).zip(world.entries()) {
            let (username, password) = (username(tenant.account, supplier), password(tenant.account, supplier));
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            let payload = Payload { msg: password.as_bytes(), aad: username.as_bytes() };
            let password = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| anyhow!("it cannot be sealed"))?;
            listings.entry(tenant.account).or_default().push(Listed::new(supplier, &username));
            bundles.insert((tenant.account, supplier.to_owned()), Bundle { username, nonce, password });
        }
        Ok(Self { keys, bundles, listings, cipher, duties })
    }

    fn account(&self, headers: &HeaderMap) -> Result<i64, StatusCode> {
        let key = headers.get("x-api-key").ok_or(StatusCode::UNAUTHORIZED)?;
        self.keys.get(&hash(key.as_bytes())).copied().ok_or(StatusCode::UNAUTHORIZED)
    }
}

impl Listed {
    fn new(supplier: &str, username: &str) -> Self {
        let service = SERVICE.as_str();
        let service = ListedService { service, environment: ENVIRONMENT, username: username.to_owned() };
        Self {
            supplier_code: supplier.to_owned(),
            supplier_name: format!("Supplier {supplier}"),
            has_staging_credentials: true,
            has_production_credentials: true,
            service_credentials: vec![service],
        }
    }
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

async fn resolve(
    State(floor): State<Arc<Floor>>,
    headers: HeaderMap,
    Json(call): Json<Call>,
) -> Result<Response, StatusCode> {
    let begun = floor.duties.as_ref().map(|_| Duties::request());
    let account = floor.account(&headers)?;
    if account != call.account_id || call.service != SERVICE.as_str() || call.environment != ENVIRONMENT {
        return Err(StatusCode::FORBIDDEN);
    }
    let entry = (account, call.supplier_code);
    let bundle = floor.bundles.get(&entry).ok_or(StatusCode::NOT_FOUND)?;
    let password = open(&floor.cipher, bundle).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    if let Some(duties) = &floor.duties {
        duties.record(account, &entry.1);
    }
    let resolved = Resolved {
        source: "service",
        username: &bundle.username,
        password: &password,
        supplier_code: &entry.1,
        service: &call.service,
        environment: &call.environment,
    };
    let answer = Json(resolved).into_response();
    if let Some(begun) = &begun {
        Duties::log(begun, "POST", "/internal/v1/resolve", account);
    }
    Ok(answer)
}

fn open(cipher: &Aes256Gcm, bundle: &Bundle) -> Result<String> {
    let payload = Payload { msg: &bundle.password, aad: bundle.username.as_bytes() };
    let opened = cipher.decrypt(&Nonce::from(bundle.nonce), payload).map_err(|_| anyhow!("it does not open"))?;
    String::from_utf8(opened).context("it is no text")
}

async fn list(State(floor): State<Arc<Floor>>, headers: HeaderMap) -> Result<Response, StatusCode> {
    let account = floor.account(&headers)?;
    let results = floor.listings.get(&account).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(Listing { count: results.len(), results }).into_response())
}
