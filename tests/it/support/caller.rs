//! Somebody who calls: with a key, with other headers, from an address.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Method, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::api_key::Kind;
use credenza::principal::Scope;
use credenza::types::AccountId;
use serde_json::Value;
use uuid::Uuid;

use super::app::TestApp;
use super::response::Answer;

/// Somebody who calls, with the key that they present.
#[derive(Clone)]
pub struct Caller<'a> {
    app: &'a TestApp,
    pub account: AccountId,
    pub key: Option<String>,
    headers: Vec<(&'static str, String)>,
    address: Option<IpAddr>,
}

impl<'a> Caller<'a> {
    pub(super) fn without_key(app: &'a TestApp, account: AccountId) -> Self {
        Self { app, account, key: None, headers: vec![], address: None }
    }

    /// The same who sends a header along.
    pub fn with_header(&self, name: &'static str, value: &str) -> Caller<'a> {
        let mut caller = self.clone();
        caller.headers.push((name, value.to_owned()));
        caller
    }

    /// The same from this address. Requests have none otherwise.
    pub fn from(&self, address: &str) -> Caller<'a> {
        Caller { address: Some(address.parse().unwrap()), ..self.clone() }
    }

    /// The same account with another key.
    pub fn with_key(&self, key: &str) -> Caller<'a> {
        Caller { key: Some(key.to_owned()), ..self.clone() }
    }

    /// The same account without a key.
    pub fn with_no_key(&self) -> Caller<'a> {
        Caller { key: None, ..self.clone() }
    }

    /// The same key, to be used in what is about another account.
    pub fn about(&self, account: AccountId) -> Caller<'a> {
        Caller { account, ..self.clone() }
    }

    /// The same account with a new key of these scopes.
    pub async fn with_scopes(&self, scopes: &[Scope]) -> Caller<'a> {
        self.with_key(&self.app.key(self.account, Kind::Private, scopes, false).await)
    }

    /// The same account with this key in the reseller's form, in place of none or with the caller's own.
    pub fn with_reseller_key(&self, id: Uuid, key: &str) -> Caller<'a> {
        self.with_header("authorization", &BASE64_STANDARD.encode(format!("{id}:{key}")))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Imports a file; `query` begins with a question mark, or is empty.
    pub async fn import(&self, query: &str, file: impl Into<Body>) -> Answer {
        self.app.send(self.import_request(query, file)).await
    }

    /// The same, to be sent later or changed before.
    pub fn import_request(&self, query: &str, file: impl Into<Body>) -> Request<Body> {
        let mut request = self.request(Method::POST, &format!("/extra/v2/credentials/import{query}"), None);
        request.headers_mut().insert("content-type", HeaderValue::from_static("text/csv"));
        *request.body_mut() = file.into();
        request
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends a request to the listener that its path belongs to.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.app.send(self.request(method, path, body)).await
    }

    /// A request of this caller, to be sent later or changed before.
    pub fn request(&self, method: Method, path: &str, body: Option<Value>) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(address) = self.address {
            request = request.extension(ConnectInfo(SocketAddr::new(address, 4711)));
        }
        let request = match body {
            None => request.body(Body::empty()),
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        };
        request.unwrap()
    }

    /// Resolves a call of this account with this caller's key.
    pub async fn resolve(&self, supplier: &str, service: &str, environment: &str) -> Answer {
        let body = serde_json::json!({
            "account_id": self.account,
            "supplier_code": supplier,
            "service": service,
            "environment": environment,
        });
        self.post("/internal/v1/resolve", body).await
    }
}
