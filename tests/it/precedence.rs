//! Which level answers a call: random states against an oracle that is written from the English rules over plain strings
//! and shares no line with the service. Every state goes through the public operations and is asked about through both
//! listeners, all services and environments of it.

use std::collections::BTreeSet;

use credenza::types::{Environment, Service};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

const SERVICES: [&str; 8] = ["Product", "MED", "INV", "PPC", "PO", "OSN", "OSTAT", "Invoice"];
const ENVIRONMENTS: [&str; 2] = ["PROD", "STAGING"];
const LEVELS: [&str; 4] = ["request", "service", "account", "default"];

/// Every call there is, in listing order.
fn calls() -> impl Iterator<Item = (&'static str, &'static str)> {
    SERVICES.into_iter().flat_map(|service| ENVIRONMENTS.map(|environment| (service, environment)))
}

/// Which services a default login may serve.
#[derive(Clone, Debug)]
enum Policy {
    /// The operator named none.
    Unnamed,
    Named(Vec<&'static str>),
}

#[derive(Clone, Debug)]
struct World {
    /// Environments with a base pair; `None` if there is not even a base row.
    base: Option<Vec<&'static str>>,
    /// Service credentials, stored only if there is a base row.
    services: BTreeSet<(&'static str, &'static str)>,
    defaults: Vec<(&'static str, Policy)>,
    excluded: Vec<&'static str>,
    /// Halves that come with the call; `None` if it does not even have the field.
    request: Option<Vec<&'static str>>,
    /// Whether the account has a parent who stored everything there is.
    has_rich_parent: bool,
}

fn worlds() -> impl Strategy<Value = World> {
    let some_of = |all: &[&'static str]| subsequence(all.to_vec(), 0..=all.len());
    let policy = prop_oneof![Just(Policy::Unnamed), some_of(&SERVICES).prop_map(Policy::Named)];
    let services = proptest::collection::btree_set((select(&SERVICES), select(&ENVIRONMENTS)), 0..6);
    (
        proptest::option::weighted(0.8, some_of(&ENVIRONMENTS)),
        services,
        (some_of(&ENVIRONMENTS), proptest::collection::vec(policy, 2)),
        prop_oneof![2 => Just(vec![]), 1 => some_of(&SERVICES)],
        prop_oneof![2 => Just(None), 2 => some_of(&["username", "password"]).prop_map(Some)],
        any::<bool>(),
    )
        .prop_map(|(base, services, (defaults, policies), excluded, request, has_rich_parent)| {
            let services = if base.is_some() { services } else { BTreeSet::new() };
            let defaults = defaults.into_iter().zip(policies).collect();
            World { base, services, defaults, excluded, request, has_rich_parent }
        })
}

/// The outcome of each level of a call, by the rules. The one that is `used` answers.
fn rules(world: &World, with_request: bool, service: &str, environment: &str) -> [&'static str; 4] {
    let request = match world.request.as_ref().filter(|_| with_request).map_or(0, Vec::len) {
        0 => "not_provided",
        1 => "incomplete",
        _ => "used",
    };
    let own = if world.services.contains(&(service, environment)) { "used" } else { "not_configured" };
    let base = world.base.iter().flatten().any(|with_pair| *with_pair == environment);
    let base = if base { "used" } else { "not_configured" };
    let default = match world.defaults.iter().find(|(of, _)| *of == environment) {
        None => "not_configured",
        Some(_) if world.excluded.contains(&service) => "not_allowed",
        // An order, an order status, a shipment notice or an invoice never runs under the shared login by itself.
        Some((_, Policy::Unnamed)) if ["PO", "OSTAT", "OSN", "Invoice"].contains(&service) => "not_allowed",
        Some((_, Policy::Named(services))) if !services.contains(&service) => "not_allowed",
        Some(_) => "used",
    };
    let mut trace = [request, own, base, default];
    if let Some(winner) = trace.iter().position(|outcome| *outcome == "used") {
        trace[winner + 1..].fill("not_reached");
    }
    trace
}

/// The pair that is stored at a place, named after it.
fn pair(level: &str, service: &str, environment: &str) -> (String, String) {
    let place = match level {
        "request" => "request".to_owned(),
        "service" => format!("service/{service}/{environment}"),
        level => format!("{level}/{environment}"),
    };
    (format!("user of {place}"), format!("password of {place}"))
}

fn base_body(supplier: &str, environments: &[&str], whose: &str) -> Value {
    let mut body = json!({"supplier_code": supplier});
    for environment in environments {
        let (username, password) = pair(whose, "", environment);
        let prefix = if *environment == "PROD" { "production" } else { "staging" };
        body[format!("{prefix}_username")] = username.into();
        body[format!("{prefix}_password")] = password.into();
    }
    body
}

async fn store_service(caller: &Caller<'_>, supplier: &str, service: &str, environment: &str) {
    let (username, password) = pair("service", service, environment);
    let body = json!({"service": service, "environment": environment, "username": username, "password": password});
    caller.post(&format!("/extra/v2/credentials/{supplier}/services"), body).await.expect(201);
}

/// Builds the world around a supplier and an account of its own.
async fn build<'a>(app: &'a TestApp, world: &World, supplier: &str) -> Caller<'a> {
    app.supplier(supplier, &format!("Supplier {supplier}"), &world.excluded.join(" ")).await;
    for (environment, policy) in &world.defaults {
        let services: Vec<_> = match policy {
            Policy::Unnamed => credenza::types::DEFAULT_SERVICES.to_vec(),
            Policy::Named(services) => services.iter().map(|code| Service::parse(code).unwrap()).collect(),
        };
        let (username, password) = pair("default", "", environment);
        app.set_default(supplier, Environment::parse(environment).unwrap(), &services, (&username, &password)).await;
    }
    let caller = app.account_that_resolves(&format!("{supplier}@child.example")).await;
    if world.has_rich_parent {
        let parent = app.account(&format!("{supplier}@parent.example")).await;
        app.sql_authenticated(&format!(
            "update accounts set external_customer_id = id::text, parent_id = {} where id = {}",
            parent.account, caller.account
        ))
        .await;
        parent.post("/extra/v2/credentials", base_body(supplier, &ENVIRONMENTS, "parent")).await.expect(201);
        store_service(&parent, supplier, "INV", "PROD").await;
    }
    if let Some(environments) = &world.base {
        caller.post("/extra/v2/credentials", base_body(supplier, environments, "account")).await.expect(201);
    }
    for (service, environment) in &world.services {
        store_service(&caller, supplier, service, environment).await;
    }
    caller
}

/// Asks the internal listener about every call, in one batch and the last one by itself.
async fn resolve_all(caller: &Caller<'_>, world: &World, supplier: &str) -> Vec<Value> {
    let request = world.request.as_ref().map(|halves| {
        let (username, password) = pair("request", "", "");
        let half = |name, value| if halves.contains(&name) { json!(value) } else { Value::Null };
        json!({"username": half("username", username), "password": half("password", password)})
    });
    let call = |service, environment| {
        json!({"account_id": caller.account, "supplier_code": supplier, "service": service,
               "environment": environment, "request_credentials": request})
    };
    let answers = caller
        .post("/internal/v1/resolve/batch", calls().map(|(service, environment)| call(service, environment)).collect())
        .await
        .expect(200);
    let alone = caller.post("/internal/v1/resolve", call("Invoice", "STAGING")).await;
    let mut in_batch = answers[15].clone();
    assert_eq!(in_batch.as_object_mut().unwrap().remove("status"), Some(alone.status.as_u16().into()));
    assert_eq!(in_batch, alone.json());
    answers.as_array().unwrap().clone()
}

async fn check(app: &TestApp, world: &World, supplier: &str) -> Result<(), TestCaseError> {
    let caller = build(app, world, supplier).await;
    let resolved = resolve_all(&caller, world, supplier).await;
    let explained = caller.get(&format!("/extra/v2/credentials/{supplier}/resolution")).await;
    prop_assert!(!explained.body.contains("password of"), "{}", explained.body);
    let explained = explained.expect(200);
    for (index, (service, environment)) in calls().enumerate() {
        let trace = rules(world, true, service, environment);
        let expected = match trace.iter().position(|outcome| *outcome == "used") {
            Some(level) => {
                let (username, password) = pair(LEVELS[level], service, environment);
                json!({"status": 200, "source": LEVELS[level], "username": username, "password": password,
                       "supplier_code": supplier, "service": service, "environment": environment})
            }
            None => json!({"status": 403, "detail": format!(
                "Supplier {supplier} requires your own credentials for the {service} service. \
                 Please add your Supplier {supplier} credentials to your account."
            )}),
        };
        prop_assert_eq!(&resolved[index], &expected);

        let trace = rules(world, false, service, environment);
        let source = trace.iter().position(|outcome| *outcome == "used").map(|level| LEVELS[level]);
        let own = source.filter(|level| *level != "default").map(|level| pair(level, service, environment).0);
        let steps: Vec<_> =
            LEVELS.iter().zip(trace).map(|(level, outcome)| json!({"level": level, "outcome": outcome})).collect();
        let expected = json!({"supplier_code": supplier, "service": service, "environment": environment,
                              "source": source, "username": own, "trace": steps});
        let mut explained = explained[index].clone();
        let health = explained.as_object_mut().unwrap().remove("health").unwrap();
        prop_assert_eq!(health.is_null(), source.is_none());
        prop_assert_eq!(&explained, &expected);
    }
    prop_assert_eq!((resolved.len(), explained.as_array().unwrap().len()), (16, 16));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_is_resolved_and_explained_by_the_rules() {
    let app = TestApp::start().await;
    let runtime = tokio::runtime::Handle::current();
    // A supplier and an account of its own for each case, so that nothing has to be reset.
    let cases = std::cell::Cell::new(0);
    let config = Config { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    tokio::task::block_in_place(|| {
        let result = TestRunner::new(config).run(&worlds(), |world| {
            cases.set(cases.get() + 1);
            runtime.block_on(check(&app, &world, &format!("S{}", cases.get())))
        });
        result.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

#[tokio::test]
async fn sanmars_own_prices_and_stock_never_come_from_a_shared_login() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    app.set_default("SanMar", Environment::Production, &Service::ALL, ("shared", "shared")).await;
    for service in SERVICES {
        let answer = caller.resolve("SanMar", service, "PROD").await;
        if ["PPC", "INV"].contains(&service) {
            let sentence = format!(
                "SanMar requires your own credentials for the {service} service. \
                 Please add your SanMar credentials to your account."
            );
            answer.expect_error(403, &sentence);
        } else {
            assert_eq!(answer.expect(200)["source"], "default");
        }
    }
}
