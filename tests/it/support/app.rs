//! An application on a database of its own, with both routers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use chrono::{DateTime, TimeDelta};
use credenza::accounts::{NewAccount, Plan};
use credenza::api_credentials::NewKey;
use credenza::api_key::Kind;
use credenza::app::{App, Settings};
use credenza::clock::Clock;
use credenza::cluster::{Leases, Limits, Role, feed};
use credenza::config::{Config, Source};
use credenza::http::{ListenerService, internal_router, public_router};
use credenza::postgres;
use credenza::principal::Scope;
use credenza::sealed_pair::Place;
use credenza::types::{AccountId, Email, Environment, Name, Pair, Password, Service, SupplierCode, Username};
use serde_json::Value;
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::caller::Caller;
use super::cluster::{Database, database, in_tests};
use super::openapi::expect_documented;
use super::operator;
use super::program::{PATIENCE, a_moment};
use super::response::Answer;

/// The issuer and audience of our tokens.
pub const ISSUER: &str = "https://credenza.example";
/// The proxies whose `X-Forwarded-For` counts.
const TRUSTED_PROXIES: &str = "10.9.0.0/16";
/// A moment that tests start at: 2026-01-02T03:04:05Z.
const START: i64 = 1_767_323_045;

/// An application as `credenza serve` composes it, with a clock that stands still.
pub struct TestApp {
    pub app: Arc<App>,
    pub database: Database,
    pub public: ListenerService,
    pub internal: ListenerService,
    seconds: Arc<AtomicI64>,
    feed: tokio::task::JoinHandle<()>,
    recorder: tokio::task::JoinHandle<()>,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.feed.abort();
        self.recorder.abort();
    }
}

impl TestApp {
    /// A fresh installation whose change feed listens.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// The same with other settings than the usual ones.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_on(&[], change).await
    }

    /// The same with other variables than the usual ones.
    pub async fn start_on(variables: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Self {
        let app = Self::start_deaf(variables, change).await;
        while !app.app.cluster.trust().has_lease() {
            a_moment().await;
        }
        app
    }

    /// The same, but it may not receive changes yet.
    async fn start_deaf(variables: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Self {
        super::logs::capture();
        credenza::telemetry::metrics();
        let database = database().await;
        let seconds = Arc::new(AtomicI64::new(START));
        let app = Arc::new(compose(&database, clock_at(Arc::clone(&seconds)), variables, change));
        let feed = tokio::spawn(feed::run(app.cluster.clone(), database.application.clone(), Role::Member));
        let recorder =
            tokio::spawn(app.recorder.clone().run(database.application.clone(), database.application.clone()));
        Self {
            public: public_router(Arc::clone(&app)),
            internal: internal_router(Arc::clone(&app)),
            app,
            database,
            seconds,
            feed,
            recorder,
        }
    }

    /// A second application on the same database, as a command of another process would be: it shares nothing with this
    /// one but rows, and receives what this one acknowledges.
    pub async fn other_process(&self) -> App {
        self.other_process_on(&[], |_| ()).await
    }

    /// The same with other variables and settings than the usual ones.
    pub async fn other_process_on(&self, variables: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> App {
        let app = compose(&self.database, clock_at(Arc::clone(&self.seconds)), variables, change);
        // Ends with the test's runtime.
        tokio::spawn(feed::run(app.cluster.clone(), self.database.application.clone(), Role::Writer));
        app.cluster.connected().await;
        app
    }

    /// The same with a clock of its own.
    pub fn other_process_with(&self, clock: Clock) -> App {
        compose(&self.database, clock, &[], |_| ())
    }

    /// The public listener of a second application on the same database, with other settings.
    pub fn other_router(&self, settings: Settings) -> ListenerService {
        let clock = clock_at(Arc::clone(&self.seconds));
        public_router(Arc::new(compose(&self.database, clock, &[], |usual| *usual = settings)))
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.as_secs().try_into().unwrap(), Ordering::SeqCst);
    }

    /// A caller with a new account and a private key of the usual scopes.
    pub async fn account(&self, email: &str) -> Caller<'_> {
        let account = NewAccount {
            name: name(&format!("Account of {email}")),
            plan: Plan::Enterprise,
            subaccounts_enabled: true,
            owner_email: Email::parse(email).unwrap(),
        };
        let account = operator::create_account(&self.app, &account).await.unwrap();
        let key = self.key(account, Kind::Private, &Scope::DEFAULT, false).await;
        Caller::without_key(self, account).with_key(&key)
    }

    /// A new key of an account, in plain.
    pub async fn key(&self, account: AccountId, kind: Kind, scopes: &[Scope], is_operator: bool) -> String {
        let new = NewKey { is_operator, ..NewKey::new(name("test"), kind, scopes.to_vec()) };
        let (_, key) = operator::create_key(&self.app, account, &new).await.unwrap();
        key.expose().to_owned()
    }

    /// A caller who presents nothing.
    pub fn nobody(&self) -> Caller<'_> {
        Caller::without_key(self, AccountId(0))
    }

    /// Sets a shared login, as the operator does on the command line.
    pub async fn set_default(
        &self,
        supplier: &str,
        environment: Environment,
        services: &[Service],
        pair: (&str, &str),
    ) {
        let pair = pair_of(pair.0, pair.1);
        operator::set_default(&self.app, &code(supplier), environment, services, &pair).await.unwrap();
    }
}

fn clock_at(seconds: Arc<AtomicI64>) -> Clock {
    Clock::from_fn(move || DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds.load(Ordering::SeqCst)))
}

fn compose(database: &Database, clock: Clock, variables: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> App {
    let usual = [
        ("DATABASE_URL", "postgres://unused@localhost/unused"),
        ("CREDENZA_KEY_ENCRYPTION_KEYS", "test:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
        ("CREDENZA_KEY_PEPPER", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="),
        ("CREDENZA_AUDIT_KEY", "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="),
        ("CREDENZA_TRUSTED_PROXIES", TRUSTED_PROXIES),
    ];
    let settings = Source::from_pairs(usual.into_iter().chain(variables.iter().copied()));
    let config = Config::load(&settings).unwrap();
    let cache = Limits { ttl: Duration::from_hours(24), bytes: 8 << 20 };
    // Long enough for machines that are busy.
    let leases = Leases { lease: Duration::from_secs(5), ..config.settings.leases };
    let mut settings = Settings { public_url: ISSUER.to_owned(), cache, leases, ..config.settings };
    change(&mut settings);
    // So is the wait for a connection.
    let pool = postgres::pool(&database.application, 8);
    let pool = pool.waiting(PATIENCE);
    App::new(pool, clock, config.secrets, settings)
}

impl TestApp {
    /// Sends any request to the listener that its path belongs to.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        self.send_to(self.listener_of(request.uri().path()), request).await
    }

    /// The listener that a path belongs to.
    pub fn listener_of(&self, path: &str) -> &ListenerService {
        if path.starts_with("/internal") || path == "/metrics" { &self.internal } else { &self.public }
    }

    /// Sends a request to one of several listeners.
    pub async fn send_to(&self, router: &ListenerService, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = Answer::read(router.clone().oneshot(request).await.unwrap()).await;
        expect_documented(&method, &path, &answer);
        answer
    }

    /// Sends requests to the public listener without waiting in between; the answers come as they finish. Requests that
    /// found no room, as on a busy machine, are sent again, as `Retry-After` asks for.
    pub async fn send_at_once(&self, requests: impl IntoIterator<Item = Request<Body>>) -> Vec<Answer> {
        self.send_at_once_within(PATIENCE, requests).await
    }

    /// The same, but requests that found no room are not sent again.
    pub async fn send_each_once(&self, requests: impl IntoIterator<Item = Request<Body>>) -> Vec<Answer> {
        self.send_at_once_within(Duration::ZERO, requests).await
    }

    async fn send_at_once_within(
        &self,
        patience: Duration,
        requests: impl IntoIterator<Item = Request<Body>>,
    ) -> Vec<Answer> {
        let deadline = Instant::now() + patience;
        let mut tasks = JoinSet::new();
        for request in requests {
            let listener = self.public.clone();
            tasks.spawn(async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                loop {
                    let request = Request::from_parts(head.clone(), Body::from(body.clone()));
                    let answer = Answer::read(listener.clone().oneshot(request).await.unwrap()).await;
                    let found_no_room = matches!(answer.status.as_u16(), 429 | 503);
                    if !found_no_room || answer.header("retry-after").is_none() || Instant::now() >= deadline {
                        return answer;
                    }
                    a_moment().await;
                }
            });
        }
        tasks.join_all().await
    }

    /// Returns the rows of a query, as the superuser sees it: an array with one object for each row.
    pub async fn rows(&self, query: &str) -> Vec<Value> {
        let mut admin = self.database.admin.connect().await.unwrap();
        let query = in_tests(format!("select to_jsonb(found) from ({query}) found"));
        let rows = sqlx::query_scalar(query).fetch_all(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        rows
    }
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn code(text: &str) -> SupplierCode {
    SupplierCode::parse(text).unwrap()
}

pub fn pair_of(username: &str, password: &str) -> Pair {
    Pair { username: Username::parse(username.into()).unwrap(), password: Password::parse(password.into()).unwrap() }
}

/// The place of an account's pair, for tests that open what is stored.
pub fn place(supplier: &SupplierCode, storage: credenza::sealed_pair::Storage, environment: Environment) -> Place<'_> {
    Place { supplier, storage, environment }
}
