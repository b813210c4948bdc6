//! The clients: each does one thing after the other, chosen by its own random numbers, until it is stopped. The work of
//! each depends only on the seed, apart from what it has to skip because something failed; who is first does not.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::history::{Outcome, Place, Register};
use super::linearizable::Value;
use super::questions::{ENVIRONMENTS, OWN, POLICY, Question, SHARED};
use super::world::{TENANTS, World, patience};

/// Per instance.
const READERS: u64 = 3;
/// Two of them for the first tenant.
const WRITERS: usize = TENANTS + 1;
/// Between two writes of a tenant's, in milliseconds. A register written without a pause shows a write that overtakes another;
/// one written seldom shows which value stays.
const PAUSES: [Range<u64>; TENANTS] = [1..40, 50..400, 400..1500];

/// A client's numbers: those that it throws, and those that it writes, which nobody else writes.
struct Client {
    world: Arc<World>,
    random: StdRng,
    number: u64,
    written: Value,
}

/// Starts all of them.
pub fn start(world: &Arc<World>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let mut number = 0;
    let mut client = || {
        number += 1;
        Client { world: Arc::clone(world), random: world.random(number), number, written: 0 }
    };
    for instance in 0..world.instances.len() {
        for _ in 0..READERS {
            clients.spawn(client().read_all_the_time(instance));
        }
    }
    for writer in 0..WRITERS {
        clients.spawn(client().change_credentials(writer % TENANTS));
    }
    clients.spawn(client().switch_the_subaccount());
    clients.spawn(client().make_and_revoke_keys());
    clients.spawn(client().make_and_revoke_tokens());
    clients.spawn(client().use_the_command_line());
    clients
}

impl Client {
    fn instance(&mut self) -> usize {
        self.random.random_range(0..self.world.instances.len())
    }

    fn environment(&mut self) -> &'static str {
        ENVIRONMENTS[self.random.random_range(0..ENVIRONMENTS.len())]
    }

    /// A number that nobody writes twice.
    fn fresh(&mut self) -> Value {
        self.written += 1;
        self.number * 1_000_000 + self.written
    }

    async fn rest(&mut self, milliseconds: Range<u64>) {
        sleep(Duration::from_millis(self.random.random_range(milliseconds))).await;
    }

    /// Writes through some instance, and asks all of them as soon as that is acknowledged.
    async fn write(&mut self, key: &str, request: (&str, &str, Option<Json>), values: &[(Register, Value)]) -> Outcome {
        let instance = self.instance();
        // A write may have to wait for a lease to end.
        let patience = Duration::from_millis([500, 3000, 3000, 8000][self.random.random_range(0..4)]);
        let outcome = self.world.write(instance, key, request, values, patience).await;
        if outcome == Outcome::Done {
            let questions: Vec<_> = values.iter().flat_map(|(register, _)| Question::about(*register)).collect();
            if !questions.is_empty() {
                self.world.probe(&questions, &mut self.random);
            }
        }
        outcome
    }

    async fn read_all_the_time(mut self, instance: usize) {
        loop {
            let questions = self.world.questions();
            let question = &questions[self.random.random_range(0..questions.len())];
            let patience = patience(&mut self.random);
            // Where nobody listens, failures come fast.
            let rest = if self.world.read(instance, question, patience).await { 0..4 } else { 50..100 };
            self.rest(rest).await;
        }
    }

    async fn change_credentials(mut self, tenant: usize) {
        let key = self.world.names.tenants[tenant].key.clone();
        let place = format!("/extra/v2/credentials/{OWN}");
        loop {
            let environment = self.environment();
            match self.random.random_range(0..100) {
                0..50 => {
                    let number = self.fresh();
                    let prefix = if environment == "PROD" { "production" } else { "staging" };
                    let mut body = json!({"supplier_code": OWN});
                    body[format!("{prefix}_username")] = "u".into();
                    body[format!("{prefix}_password")] = number.to_string().into();
                    let request = ("POST", "/extra/v2/credentials", Some(body));
                    self.write(&key, request, &[(Register::Base(tenant, environment), number)]).await;
                }
                50..75 => {
                    let number = self.fresh();
                    let body = json!({"service": "Product", "environment": environment, "username": "u",
                                      "password": number.to_string()});
                    let request = ("POST", &*format!("{place}/services"), Some(body));
                    self.write(&key, request, &[(Register::Service(tenant, environment), number)]).await;
                }
                75..90 => {
                    let request = ("DELETE", &*format!("{place}/services/Product/{environment}"), None);
                    self.write(&key, request, &[(Register::Service(tenant, environment), 0)]).await;
                }
                _ => {
                    let all = ENVIRONMENTS.map(|environment| {
                        [(Register::Base(tenant, environment), 0), (Register::Service(tenant, environment), 0)]
                    });
                    self.write(&key, ("DELETE", &place, None), all.as_flattened()).await;
                }
            }
            self.rest(PAUSES[tenant].clone()).await;
        }
    }

    async fn switch_the_subaccount(mut self) {
        let path = format!("/extra/v2/subaccounts/{}", self.world.names.subaccount);
        let key = self.world.names.parent.key.clone();
        loop {
            let active = self.random.random_bool(0.5);
            let request = ("PATCH", &*path, Some(json!({"is_active": active})));
            self.write(&key, request, &[(Register::Status, active.into())]).await;
            self.rest(20..200).await;
        }
    }

    async fn make_and_revoke_keys(mut self) {
        loop {
            // A sub-account for some keys, so that none ever has too many.
            let customer = self.fresh().to_string();
            let body = json!({"name": "S", "external_customer_id": customer});
            let Some(made) = self.make("/extra/v2/subaccounts", &body).await else { continue };
            let path = format!("/extra/v2/subaccounts/{}/api-keys", made["id"]);
            for _ in 0..5 {
                let Some(made) = self.make(&path, &json!({})).await else { continue };
                let register = Register::Key(self.fresh());
                let shown = self.show(register, made["key"].as_str().unwrap()).await;
                let path = format!("{path}/{}", made["id"].as_str().unwrap());
                self.revoke(("DELETE", &path, None), register, shown).await;
            }
        }
    }

    async fn make_and_revoke_tokens(mut self) {
        loop {
            let Some(made) = self.make("/extra/v2/oauth-clients", &json!({"name": "c"})).await else { continue };
            let client = json!({"client_id": made["client_id"], "client_secret": made["client_secret"]});
            let path = format!("/extra/v2/oauth-clients/{}", made["id"].as_str().unwrap());
            let mut grant = client.clone();
            grant["grant_type"] = "client_credentials".into();
            if let Some(token) = self.make("/oauth/token", &grant).await {
                let token = token["access_token"].as_str().unwrap();
                let register = Register::Token(self.fresh());
                let shown = self.show(register, token).await;
                if self.random.random_bool(0.5) {
                    let mut body = client.clone();
                    body["token"] = token.into();
                    self.revoke(("POST", "/oauth/revoke", Some(body)), register, shown.clone()).await;
                }
                self.revoke(("DELETE", &path, None), register, shown).await;
            } else {
                // Nobody has a token of it.
                let key = self.world.names.parent.key.clone();
                self.write(&key, ("DELETE", &path, None), &[]).await;
            }
        }
    }

    /// Makes something that is no register; nothing if that failed.
    async fn make(&mut self, path: &str, body: &Json) -> Option<Json> {
        let instance = self.instance();
        let mut endpoint = self.world.instances[instance].public();
        if !path.starts_with("/oauth/") {
            endpoint = endpoint.with_key(&self.world.names.parent.key);
        }
        let made = timeout(Duration::from_secs(3), endpoint.try_post(path, body)).await;
        let made = made.ok()?.ok().filter(|answer| answer.status.is_success()).map(|answer| answer.json());
        if made.is_none() {
            self.world.history.unavailable("nothing made".to_owned());
            self.rest(50..200).await;
        }
        made
    }

    /// Lets everybody read a new secret, for a moment.
    async fn show(&mut self, register: Register, secret: &str) -> Question {
        let question = Question::Secret { register, secret: secret.into() };
        self.world.show(question.clone());
        self.world.probe(std::slice::from_ref(&question), &mut self.random);
        self.rest(20..200).await;
        question
    }

    async fn revoke(&mut self, request: (&str, &str, Option<Json>), register: Register, shown: Question) {
        let key = self.world.names.parent.key.clone();
        // What is not known to be revoked is tried again, elsewhere perhaps.
        for _ in 0..3 {
            let outcome = self.write(&key, (request.0, request.1, request.2.clone()), &[(register, 0)]).await;
            self.world.probe(std::slice::from_ref(&shown), &mut self.random);
            if outcome != Outcome::Unknown {
                return;
            }
        }
    }

    async fn use_the_command_line(mut self) {
        loop {
            let login = ["--supplier", SHARED, "--environment", "PROD"];
            let (arguments, input, register, value) = match self.random.random_range(0..10) {
                0..5 => {
                    let number = self.fresh();
                    let set = ["default-credentials", "set", "--username", "u", "--password-stdin"];
                    ([&set[..], &login].concat(), number.to_string(), Register::Shared, number)
                }
                5..7 => {
                    let remove = ["default-credentials", "remove"];
                    ([&remove[..], &login].concat(), String::new(), Register::Shared, 0)
                }
                _ => {
                    let serves = self.random.random_bool(0.5);
                    let excluded = if serves { "" } else { "MED" };
                    let file = format!("supplier_code,supplier_name,excluded_services\n{POLICY},Policy,{excluded}\n");
                    (vec!["suppliers", "import", "-"], file, Register::Policy, serves.into())
                }
            };
            let pending = self.world.history.write(Place::CommandLine, &[(register, value)]);
            let finished = self.world.installation.run_with(&arguments, &input).await;
            let outcome = match finished.code {
                Some(0) => Outcome::Done,
                _ if finished.stderr.contains("there are no default credentials") => Outcome::Refused,
                _ => Outcome::Unknown,
            };
            self.world.history.written(pending, outcome);
            if outcome == Outcome::Done {
                self.world.probe(&Question::about(register), &mut self.random);
            }
            self.rest(50..500).await;
        }
    }
}
