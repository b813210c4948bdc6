//! Tokens that nobody should accept. Most are sealed with our own key, taken out of the vault, so that what is wrong with
//! them is only one thing. Every refusal has the same bytes, and the log never repeats a token.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::principal::Scope;
use serde_json::{Value, json};

use crate::support::app::ISSUER;
use crate::support::forge::{FOREIGN_RSA, Seal, encode};
use crate::support::oauth::{BAD_TOKEN, Client, authorized};
use crate::support::{TestApp, logs};

/// The start of the tests' clock, in seconds since 1970.
const NOW: i64 = 1_767_323_045;

/// An application, a client of it, our signing key, and claims that are all right.
struct Forgery<'a> {
    app: &'a TestApp,
    client: Client,
    kid: String,
    ours: Seal,
}

impl<'a> Forgery<'a> {
    async fn new(app: &'a TestApp) -> Self {
        let client = app.account("devs@platform.example").await.client().await;
        let (kid, ours) = app.signing_key().await;
        let forgery = Self { app, client, kid, ours };
        // The proof that nothing but the change of a test makes a token bad.
        app.me(&forgery.ours.token(&forgery.kid, &forgery.claims())).await.expect(200);
        forgery
    }

    fn claims(&self) -> Value {
        json!({
            "iss": ISSUER, "aud": ISSUER, "sub": self.client.client_id, "iat": NOW, "exp": NOW + 60,
            "jti": uuid::Uuid::now_v7(), "scope": "credentials:read", "account_id": self.client.account,
        })
    }

    /// The good claims with other values; `null` takes one away.
    fn claims_with(&self, changes: &Value) -> Value {
        merged(self.claims(), changes)
    }

    /// A good token but for its header, which has other values; `null` takes one away.
    fn with_header(&self, changes: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": self.kid});
        self.ours.token_with(&merged(header, changes).to_string(), &self.claims().to_string())
    }

    async fn expect_refused(&self, tokens: impl IntoIterator<Item = String>) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for token in &tokens {
            let answer = self.app.me(token).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, BAD_TOKEN), "{token:.2000}");
        }
        let log = logs::so_far();
        for token in &tokens {
            // Claims and seal; a header alone says nothing.
            for part in token.split('.').skip(1).filter(|part| part.len() > 8) {
                assert!(!log.contains(part), "{part:.2000}");
            }
        }
    }
}

fn merged(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

#[tokio::test]
async fn a_token_without_a_seal_is_refused_however_it_writes_none() {
    let app = TestApp::start().await;
    let forgery = Forgery::new(&app).await;
    let claims = forgery.claims().to_string();
    let unsealed = |algorithm: &Value| {
        Seal::Nothing.token_with(&json!({"typ": "JWT", "alg": algorithm, "kid": forgery.kid}).to_string(), &claims)
    };
    let algorithms = ["none", "None", "NONE", "nOnE", "", "RS256"].map(Value::from);
    let tokens: Vec<_> = algorithms.iter().chain([&Value::Null, &json!(["none"])]).map(unsealed).collect();
    let without_last_dot: Vec<_> = tokens.iter().map(|token| token.trim_end_matches('.').to_owned()).collect();
    forgery.expect_refused(tokens.into_iter().chain(without_last_dot)).await;
}

#[tokio::test]
async fn the_public_key_is_no_secret_for_an_hmac() {
    let app = TestApp::start().await;
    let forgery = Forgery::new(&app).await;
    let forms = forgery.ours.public_forms();
    let tokens = forms.into_iter().map(|secret| Seal::Hmac(secret).token(&forgery.kid, &forgery.claims()));
    forgery.expect_refused(tokens).await;
}

#[tokio::test]
async fn another_key_does_not_count_under_any_key_id() {
    let app = TestApp::start().await;
    let forgery = Forgery::new(&app).await;
    let (claims, ec) = (forgery.claims(), Seal::new_ec());
    let twice = format!(r#"{{"alg": "RS256", "kid": "{0}", "kid": "{0}"}}"#, forgery.kid);
    let tokens = vec![
        FOREIGN_RSA.token(&forgery.kid, &claims),
        ec.token(&forgery.kid, &claims),
        FOREIGN_RSA.token("nowhere", &claims),
        // The second look at the same id goes to the same end.
        FOREIGN_RSA.token("nowhere", &claims),
        forgery.ours.token("nowhere", &claims),
        forgery.ours.token("", &claims),
        forgery.ours.token("../../dev/null", &claims),
        forgery.with_header(&json!({"kid": null})),
        forgery.with_header(&json!({"kid": [forgery.kid]})),
        forgery.ours.token_with(&twice, &claims.to_string()),
        // The right seal under the name of another algorithm.
        forgery.with_header(&json!({"alg": "ES256"})),
        forgery.with_header(&json!({"alg": "RS384"})),
        forgery.with_header(&json!({"alg": "PS256"})),
        forgery.with_header(&json!({"alg": "HS256"})),
        forgery.with_header(&json!({"alg": null})),
    ];
    forgery.expect_refused(tokens).await;
}

#[tokio::test]
async fn a_token_never_brings_its_own_key() {
    let app = TestApp::start().await;
    let forgery = Forgery::new(&app).await;
    let jwk = FOREIGN_RSA.jwk(&forgery.kid);
    let headers = [
        json!({"jku": "http://127.0.0.1:9/jwks.json"}),
        json!({"jku": format!("{ISSUER}/.well-known/jwks.json")}),
        json!({"x5u": "http://127.0.0.1:9/chain.pem"}),
        json!({"jwk": jwk}),
        json!({"x5c": [BASE64_STANDARD.encode("certificate")]}),
    ];
    for header in &headers {
        // Ours, so that the header alone decides; and the key that the header speaks of.
        let theirs = merged(json!({"alg": "RS256", "kid": forgery.kid}), header).to_string();
        let theirs = FOREIGN_RSA.token_with(&theirs, &forgery.claims().to_string());
        forgery.expect_refused([forgery.with_header(header), theirs]).await;
    }
}

#[tokio::test]
async fn every_claim_is_there_and_has_the_one_form_that_we_write() {
    let app = TestApp::start().await;
    let forgery = Forgery::new(&app).await;
    let other = app.account("other@elsewhere.example").await;
    let wrong = [
        json!({"exp": (NOW + 60).to_string()}),
        json!({"exp": 1_767_323_105.5}),
        json!({"exp": 1e300}),
        json!({"exp": null}),
        json!({"exp": NOW}),
        json!({"exp": NOW - 1}),
        json!({"exp": -1}),
        json!({"aud": [ISSUER]}),
        json!({"aud": ["https://elsewhere.example", ISSUER]}),
        json!({"aud": ["https://elsewhere.example"]}),
        json!({"aud": []}),
        json!({"aud": "https://elsewhere.example"}),
        json!({"aud": format!("{ISSUER}/")}),
        json!({"aud": null}),
        json!({"iss": "https://elsewhere.example"}),
        json!({"iss": [ISSUER]}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": forgery.client.id}),
        json!({"sub": "czc_\0"}),
        json!({"jti": null}),
        json!({"jti": "not a uuid"}),
        json!({"iat": null}),
        json!({"scope": null}),
        json!({"scope": ["credentials:read"]}),
        json!({"account_id": other.account}),
        json!({"account_id": 0}),
        json!({"account_id": forgery.client.account.to_string()}),
        json!({"account_id": null}),
    ];
    forgery.expect_refused(wrong.map(|change| forgery.ours.token(&forgery.kid, &forgery.claims_with(&change)))).await;
    let claims = forgery.claims().to_string();
    let twice = claims.replacen('{', &format!(r#"{{"account_id": {},"#, other.account), 1);
    let header = json!({"alg": "RS256", "kid": forgery.kid}).to_string();
    let odd = [twice.as_str(), "[]", "\"text\"", "{}", ""].map(|claims| forgery.ours.token_with(&header, claims));
    forgery.expect_refused(odd).await;
}

#[tokio::test]
async fn a_token_that_differs_from_the_issued_one_is_refused() {
    let app = TestApp::start().await;
    let forgery = Forgery::new(&app).await;
    let token = app.token(&forgery.client).await;
    let (signed, seal) = token.rsplit_once('.').unwrap();
    let header = signed.split('.').next().unwrap();
    let wider = encode(forgery.claims_with(&json!({"scope": "credentials:resolve"})).to_string().as_bytes());
    let mut tokens: Vec<_> = (0..token.len()).step_by(37).skip(1).map(|end| token[..end].to_owned()).collect();
    tokens.extend([
        format!("{header}.{wider}.{seal}"),
        format!("{signed}.{}", seal.to_lowercase()),
        format!("{token}="),
        format!("{token}."),
        format!("{token}.{seal}"),
        format!("{token}, {token}"),
        format!("{token} {token}"),
        format!(".{token}"),
        format!("{signed}.{seal}{}", "A".repeat(1 << 20)),
        "A".repeat(1 << 20),
        ".".repeat(10_000),
        format!("{}.{}", "[".repeat(100_000), signed),
        format!("{}.{}.{seal}", encode("[".repeat(100_000).as_bytes()), wider),
    ]);
    // Base64 has bits to spare at its end; another letter there is another token all the same.
    let (rest, last) = token.split_at(token.len() - 1);
    tokens.extend(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ".chars().map(|letter| format!("{rest}{letter}")).filter(|t| !t.ends_with(last)),
    );
    forgery.expect_refused(tokens).await;
    for bytes in [&b"Bearer \xff\xfe"[..], "Bearer é.é.é".as_bytes(), format!("Bearer {token}é").as_bytes()] {
        app.send(authorized("/me", &[bytes])).await.expect_text(403, BAD_TOKEN);
    }
    app.me(&token).await.expect(200);
}

#[tokio::test]
async fn two_authorization_headers_are_one_too_many() {
    let app = TestApp::start().await;
    let forgery = Forgery::new(&app).await;
    let bearer = format!("Bearer {}", app.token(&forgery.client).await);
    for second in [bearer.as_str(), "Bearer", "Basic YTpi", ""] {
        for headers in [[bearer.as_bytes(), second.as_bytes()], [second.as_bytes(), bearer.as_bytes()]] {
            app.send(authorized("/me", &headers)).await.expect_text(403, BAD_TOKEN);
        }
    }
}

#[tokio::test]
async fn a_scope_taken_from_a_client_is_taken_from_its_tokens() {
    let app = TestApp::start().await;
    let forgery = Forgery::new(&app).await;
    let token = app.token(&forgery.client).await;
    assert_eq!(app.me(&token).await.expect(200)["scopes"], json!(Scope::DEFAULT.map(Scope::as_str)));
    app.sql_authenticated("update oauth_clients set scopes = array['credentials:read']").await;
    app.feed_has_caught_up().await;
    assert_eq!(app.me(&token).await.expect(200)["scopes"], json!(["credentials:read"]));
    // And no token of ours has more than its client, whoever sealed it.
    let wider = forgery.claims_with(&json!({"scope": "credentials:resolve credentials:read unheard:of"}));
    assert_eq!(
        app.me(&forgery.ours.token(&forgery.kid, &wider)).await.expect(200)["scopes"],
        json!(["credentials:read"])
    );
    app.sql("delete from oauth_clients").await;
    app.feed_has_caught_up().await;
    forgery.expect_refused([token]).await;
}
