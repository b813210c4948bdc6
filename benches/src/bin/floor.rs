//! The floor: the least that a server can do for a cached resolve. JSON in, the key's hash, one look for the key, one for the
//! bundle, one value opened, JSON out. No tenancy, no limits, no logs, no leases.

use std::collections::HashMap;
use std::env;
use std::path::Path;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use anyhow::{Context, Result, anyhow};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use credenza_benches::furnish::SERVICE;
use credenza_benches::world::{World, password, username};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

const ENVIRONMENT: &str = "PROD";

struct Floor {
    keys: HashMap<[u8; 32], i64>,
    bundles: HashMap<(i64, String), Bundle>,
    cipher: Aes256Gcm,
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
struct Resolved {
    source: &'static str,
    username: String,
    password: String,
    supplier_code: String,
    service: String,
    environment: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(world)) = (arguments.next(), arguments.next()) else {
        return Err(anyhow!("usage: floor ADDRESS WORLD"));
    };
    let floor = Floor::new(&World::read(Path::new(&world))?)?;
    let router = Router::new()
        .route("/internal/v1/resolve", post(resolve))
        .route("/readyz", get(async || "ready"))
        .with_state(Arc::new(floor));
    Ok(axum::serve(TcpListener::bind(address).await?, router).await?)
}

impl Floor {
    fn new(world: &World) -> Result<Self> {
        let cipher = Aes256Gcm::new(&[7; 32].into());
        let keys = world.tenants.iter().map(|tenant| (hash(tenant.key.as_bytes()), tenant.account)).collect();
        let mut bundles = HashMap::new();
        for (number, (tenant, supplier)) in (0_u64..).zip(world.entries()) {
            let (username, password) = (username(tenant.account, supplier), password(tenant.account, supplier));
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            let payload = Payload { msg: password.as_bytes(), aad: username.as_bytes() };
            let password = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| anyhow!("it cannot be sealed"))?;
            bundles.insert((tenant.account, supplier.to_owned()), Bundle { username, nonce, password });
        }
        Ok(Self { keys, bundles, cipher })
    }
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

async fn resolve(
    State(floor): State<Arc<Floor>>,
    headers: HeaderMap,
    Json(call): Json<Call>,
) -> Result<Json<Resolved>, StatusCode> {
    let key = headers.get("x-api-key").ok_or(StatusCode::UNAUTHORIZED)?;
    let account = floor.keys.get(&hash(key.as_bytes())).ok_or(StatusCode::UNAUTHORIZED)?;
    if *account != call.account_id || call.service != SERVICE.as_str() || call.environment != ENVIRONMENT {
        return Err(StatusCode::FORBIDDEN);
    }
    let entry = (call.account_id, call.supplier_code);
    let bundle = floor.bundles.get(&entry).ok_or(StatusCode::NOT_FOUND)?;
    let password = open(&floor.cipher, bundle).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(Resolved {
        source: "service",
        username: bundle.username.clone(),
        password,
        supplier_code: entry.1,
        service: call.service,
        environment: call.environment,
    }))
}

fn open(cipher: &Aes256Gcm, bundle: &Bundle) -> Result<String> {
    let payload = Payload { msg: &bundle.password, aad: bundle.username.as_bytes() };
    let opened = cipher.decrypt(&Nonce::from(bundle.nonce), payload).map_err(|_| anyhow!("it does not open"))?;
    String::from_utf8(opened).context("it is no text")
}
