//! OAuth2 as a client sees it.

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::types::AccountId;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::app::TestApp;
use super::caller::Caller;
use super::response::Answer;

pub const CLIENTS: &str = "/extra/v2/oauth-clients";
pub const BAD_TOKEN: &str = r#"{"detail":"Invalid access token"}"#;

/// A client, with the secret that was shown when it was made.
#[derive(Clone, Debug)]
#[allow(clippy::struct_field_names, reason = "named as in the RFC")]
pub struct Client {
    pub id: String,
    pub client_id: String,
    pub secret: String,
    pub account: AccountId,
}

impl Client {
    fn new(made: &Value, account: AccountId) -> Self {
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { id: text("id"), client_id: text("client_id"), secret: text("client_secret"), account }
    }

    /// The `Authorization` header of `client_secret_basic`.
    pub fn basic(&self) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", self.client_id, self.secret)))
    }

    /// The parameters of `client_secret_post`.
    pub fn post(&self) -> [(&str, &str); 2] {
        [("client_id", &self.client_id), ("client_secret", &self.secret)]
    }

    pub fn with_secret(&self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self.clone() }
    }
}

impl<'a> Caller<'a> {
    /// The same account with a token in place of a key.
    pub fn bearing(&self, token: &str) -> Caller<'a> {
        self.with_no_key().with_header("authorization", &format!("Bearer {token}"))
    }

    /// A token of a client, with these of its scopes, separated by blanks; all of them if none are named.
    pub async fn token(&self, client: &Client, scopes: &str) -> String {
        let body = json!({
            "grant_type": "client_credentials", "scope": scopes,
            "client_id": client.client_id, "client_secret": client.secret,
        });
        self.post("/oauth/token", body).await.expect(200)["access_token"].as_str().unwrap().to_owned()
    }

    /// A new client of these scopes, separated by blanks.
    pub async fn client_with(&self, scopes: &str) -> Client {
        self.client_of(json!({"name": "test", "scopes": scopes.split(' ').collect::<Vec<_>>()})).await
    }

    /// A new client of the usual scopes.
    pub async fn client(&self) -> Client {
        self.client_of(json!({"name": "nightly"})).await
    }

    pub async fn client_of(&self, body: Value) -> Client {
        Client::new(&self.post(CLIENTS, body).await.expect(201), self.account)
    }

    /// The client with the new secret of a rotation.
    pub async fn rotate_client(&self, client: &Client, overlap_seconds: u64) -> Client {
        let body = json!({"overlap_seconds": overlap_seconds});
        let made = self.post(&format!("{CLIENTS}/{}/rotate", client.id), body).await.expect(201);
        Client::new(&made, self.account)
    }
}

/// A form for an OAuth2 endpoint.
pub fn form(path: &str, authorization: Option<&str>, parameters: &[(&str, &str)]) -> Request<Body> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut request = Request::builder().method(Method::POST).uri(path);
    request = request.header("content-type", "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    request.body(Body::from(body)).unwrap()
}

/// A request for a path with these `Authorization` headers.
pub fn authorized(path: &str, headers: &[&[u8]]) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    for header in headers {
        request = request.header("authorization", axum::http::HeaderValue::from_bytes(header).unwrap());
    }
    request.body(Body::empty()).unwrap()
}

impl TestApp {
    pub async fn form(&self, path: &str, authorization: Option<&str>, parameters: &[(&str, &str)]) -> Answer {
        self.send(form(path, authorization, parameters)).await
    }

    /// Returns the token endpoint's answer to a client, with these parameters and the grant type.
    pub async fn ask_token(&self, client: &Client, parameters: &[(&str, &str)]) -> Answer {
        let parameters = [&[("grant_type", "client_credentials")], parameters].concat();
        self.form("/oauth/token", Some(&client.basic()), &parameters).await
    }

    /// Whether a client gets a token with the secret that it has here.
    pub async fn knows(&self, client: &Client) -> bool {
        let answer = self.ask_token(client, &[]).await;
        assert!(matches!(answer.status.as_u16(), 200 | 401), "{answer:?}");
        answer.status == 200
    }

    /// A new token of a client.
    pub async fn token(&self, client: &Client) -> String {
        self.ask_token(client, &[]).await.expect(200)["access_token"].as_str().unwrap().to_owned()
    }

    /// Asks who a token's bearer is.
    pub async fn me(&self, token: &str) -> Answer {
        self.send(authorized("/me", &[format!("Bearer {token}").as_bytes()])).await
    }

    pub async fn introspect(&self, client: &Client, token: &str) -> Value {
        self.form("/oauth/introspect", Some(&client.basic()), &[("token", token)]).await.expect(200)
    }

    pub async fn revoke_token(&self, client: &Client, token: &str) {
        self.form("/oauth/revoke", Some(&client.basic()), &[("token", token)]).await.expect(200);
    }
}
