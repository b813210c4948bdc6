//! Three instances on one Postgres, the accounts and keys that the operations are about, and the one way to read and to
//! write that leaves its trace in the history.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::history::{History, Outcome, Place, Register};
use super::instance::Instance;
use super::linearizable::Value;
use super::postgres::Postgres;
use super::questions::{ENVIRONMENTS, Learned, Names, POLICY, Parent, Question, SHARED, Tenant};
use crate::support::installation::Installation;
use crate::support::program::eventually;
use crate::support::response::Answer;

/// Shorter than by default, so that a run has more of them.
const LEASE: &str = "1s";
/// The accounts whose credentials change: several, because the writes of one wait for each other.
pub const TENANTS: usize = 3;
/// Keys and tokens that are still looked at. Some of them are revoked.
const SECRETS: usize = 4;
/// Most reads after writes that wait for their answer at a time.
const PROBES: usize = 300;

pub struct World {
    pub seed: u64,
    pub postgres: Arc<Postgres>,
    pub installation: Installation,
    pub instances: Vec<Instance>,
    pub names: Names,
    pub history: History,
    /// Registers that are read all the time, with the secrets.
    pub registers: Vec<Register>,
    secrets: Mutex<VecDeque<Question>>,
    probes: Arc<Semaphore>,
    over: watch::Sender<bool>,
}

/// Makes the parent account, and the supplier whose policy changes.
pub async fn furnish(installation: &Installation) -> Parent {
    let create =
        ["account", "create", "--name", "A", "--owner", "a@example.com", "--plan", "enterprise", "--subaccounts"];
    let account = installation.run(&create).await;
    let account = account.done();
    let key = installation.key(account, &[]).await;
    let operator = installation.key(account, &["--operator"]).await;
    let directory = format!("supplier_code,supplier_name,excluded_services\n{POLICY},Policy,\n");
    installation.run_with(&["suppliers", "import", "-"], &directory).await.done();
    let login = ["default-credentials", "set", "--supplier", POLICY, "--environment", "PROD"];
    let login = [&login[..], &["--username", "u", "--password-stdin"]].concat();
    installation.run_with(&login, "shared").await.done();
    Parent { account: account.parse().unwrap(), key, operator }
}

impl World {
    /// Starts the instances, with a mutant's name or none, and makes what the operations are about.
    pub async fn start(seed: u64, postgres: Arc<Postgres>, parent: &Parent, mutant: Option<&str>) -> Self {
        let mut installation = postgres
            .installation
            .with("CREDENZA_PUBLIC_URL", "http://history.example")
            .with("CREDENZA_TRUSTED_PROXIES", "127.0.0.0/8")
            .with("CREDENZA_LEASE", LEASE)
            .with("CREDENZA_LOG", "warn,credenza::cli=info");
        // As every register is at the beginning, whatever a run before this one left.
        let directory = format!("supplier_code,supplier_name,excluded_services\n{POLICY},Policy,\n");
        installation.run_with(&["suppliers", "import", "-"], &directory).await.done();
        installation.run(&["default-credentials", "remove", "--supplier", SHARED, "--environment", "PROD"]).await;
        if let Some(mutant) = mutant {
            installation = installation.with("CREDENZA_TEST_MUTANT", mutant);
        }
        let mut instances = Vec::new();
        for _ in 0..3 {
            instances.push(Instance::start(&installation, &postgres.socket()).await);
        }
        for instance in &instances {
            eventually("an instance is ready", async || instance.public().is_at_full_speed().await).await;
        }
        let public = instances[0].public().with_key(&parent.key);
        let mut subaccounts = Vec::new();
        for _ in 0..=TENANTS {
            let customer = format!("{:016x}", rand::random::<u64>());
            let made =
                public.post("/extra/v2/subaccounts", &json!({"name": "S", "external_customer_id": customer})).await;
            let account = made.expect(201)["id"].as_i64().unwrap();
            let made = public.post(&format!("/extra/v2/subaccounts/{account}/api-keys"), &json!({})).await;
            subaccounts.push(Tenant { account, key: made.expect(201)["key"].as_str().unwrap().to_owned() });
        }
        let Tenant { account: subaccount, key: subaccount_key } = subaccounts.remove(0);
        let names = Names { tenants: subaccounts, subaccount, subaccount_key, parent: parent.clone() };
        let mut registers = vec![Register::Shared, Register::Policy, Register::Status];
        for tenant in 0..TENANTS {
            for environment in ENVIRONMENTS {
                registers.extend([Register::Base(tenant, environment), Register::Service(tenant, environment)]);
            }
        }
        Self {
            seed,
            postgres,
            installation,
            instances,
            names,
            history: History::new(),
            registers,
            secrets: Mutex::default(),
            probes: Arc::new(Semaphore::new(PROBES)),
            over: watch::channel(false).0,
        }
    }

    /// The numbers of one client, which do not depend on what others do.
    pub fn random(&self, client: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_mul(1000).wrapping_add(client))
    }

    /// Lets no further fault begin, and ends those that last.
    pub fn end(&self) {
        self.over.send_replace(true);
    }

    /// Waits for [`World::end`].
    pub async fn is_over(&self) {
        // Cannot fail: the sender is here.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Adds a key or token to what is read all the time.
    pub fn show(&self, secret: Question) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.push_back(secret);
        if secrets.len() > SECRETS {
            secrets.pop_front();
        }
    }

    /// Everything that is read all the time.
    pub fn questions(&self) -> Vec<Question> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let registers = self.registers.iter().flat_map(|register| Question::about(*register));
        registers.chain(secrets.iter().cloned()).collect()
    }

    /// Reads from an instance, for so long at most; returns whether it answered.
    pub async fn read(&self, instance: usize, question: &Question, patience: Duration) -> bool {
        let (endpoint, method, path, body) = question.request(&self.instances[instance], &self.names);
        // Everybody comes from elsewhere, or one would be told to slow down for presenting what was revoked.
        let endpoint = endpoint.with_header("X-Forwarded-For", &random_address());
        let place = Place::Instance(instance);
        let start = self.history.now();
        let answer = timeout(patience, endpoint.send(method, path, body.as_ref())).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                self.history.unavailable(error.kind().to_string());
                return false;
            }
            Err(_) => {
                self.history.unavailable(format!("none within {patience:?}"));
                return false;
            }
        };
        match question.understand(&answer) {
            Learned::Values(values) => self.history.read(place, start, &values),
            Learned::Unavailable => self.history.unavailable(answer.status.as_u16().to_string()),
            Learned::Strange => {
                self.history.strange(place, &format!("{question:?}: {} {}", answer.status, answer.body));
            }
        }
        true
    }

    /// Asks every instance at once, and does not wait for the answers.
    pub fn probe(self: &Arc<Self>, questions: &[Question], random: &mut StdRng) {
        for instance in 0..self.instances.len() {
            let Ok(permit) = Arc::clone(&self.probes).try_acquire_owned() else { return };
            let question = questions[random.random_range(0..questions.len())].clone();
            let patience = patience(random);
            let world = Arc::clone(self);
            tokio::spawn(async move {
                world.read(instance, &question, patience).await;
                drop(permit);
            });
        }
    }

    /// Writes through an instance what changes these registers.
    pub async fn write(
        &self,
        instance: usize,
        key: &str,
        (method, path, body): (&str, &str, Option<Json>),
        values: &[(Register, Value)],
        patience: Duration,
    ) -> Outcome {
        let endpoint = self.instances[instance].public().with_key(key);
        let place = Place::Instance(instance);
        let pending = self.history.write(place, values);
        let answer = timeout(patience, endpoint.send(method, path, body.as_ref())).await;
        let outcome = answer.as_ref().map_or(Outcome::Unknown, outcome);
        self.history.written(pending, outcome);
        if let Ok(Ok(answer)) = answer
            && answer.status == StatusCode::FORBIDDEN
        {
            self.history.strange(place, &format!("{method} {path}: {}", answer.body));
        }
        outcome
    }
}

/// How an answer to a write ended it. An error of the server's leaves open whether the change was committed.
fn outcome(answer: &io::Result<Answer>) -> Outcome {
    match answer {
        Ok(answer) if answer.status.is_success() => Outcome::Done,
        Ok(answer) if answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT => {
            Outcome::Unknown
        }
        Ok(_) => Outcome::Refused,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Outcome::Refused,
        Err(_) => Outcome::Unknown,
    }
}

/// How long somebody waits. The impatient keep asking an instance that is paused, so that it finds questions younger than
/// any write; the patient get the answers.
pub fn patience(random: &mut StdRng) -> Duration {
    Duration::from_millis([300, 300, 300, 1000, 1000, 8000][random.random_range(0..6)])
}

fn random_address() -> String {
    let [a, b, c] = rand::rng().random::<[u8; 3]>();
    format!("10.{a}.{b}.{c}")
}
