//! `Disclosure::disclose` without HTTP around it: time and allocations of a call that is answered from memory and recorded,
//! at each level.
//! The allocator of this program counts.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use credenza::app::{App, Settings};
use credenza::audit::RecordSettings;
use credenza::clock::Clock;
use credenza::config::{Config, Source};
use credenza::postgres;
use credenza::disclosure::Recipient;
use credenza::principal::{Actor, AuthMethod, Grounds, Limits, Principal, Scope};
use credenza::resolver::Call;
use credenza::types::{AccountId, Environment, HalfPair, Service, SupplierCode};
use credenza_benches::furnish::SERVICE;
pub(crate) use credenza_benches::targets::IN_PROCESS as NAME;
use credenza_benches::targets::LevelCost;
use credenza_benches::world::World;
use nix::time::{ClockId, clock_gettime};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::time::sleep;

/// Passes over all calls in a round.
const PASSES: usize = 20;

/// Measures; writes what it found to a file.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [world, rounds, result] = arguments else { bail!("usage: bench in-process WORLD ROUNDS RESULT") };
    let (world, rounds) = (World::read(Path::new(world))?, rounds.parse()?);
    // Changes are heard on the other thread; this one only resolves.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (app, recipient) = (runtime.block_on(start())?, Recipient::new(operators_key())?);
    let mut costs = Vec::new();
    for (level, service, supplier) in [
        ("service", SERVICE, World::supplier as fn(usize) -> String),
        ("account", Service::Product, World::supplier),
        ("default", Service::Product, World::supplier_with_default),
    ] {
        let calls = calls(&world, service, supplier)?;
        // Loads all of them, and sees that the level is the one that is meant.
        runtime.block_on(expect(&app, &recipient, &calls, level))?;
        let mut cost = LevelCost { level: level.to_owned(), nanoseconds: Vec::new(), allocations: 0.0 };
        for _ in 0..rounds {
            let begin = processor_time()?;
            for _ in 0..PASSES {
                runtime.block_on(pass(&app, &recipient, &calls))?;
            }
            let used = processor_time()?.saturating_sub(begin);
            cost.nanoseconds.push(used.as_secs_f64() * 1e9 / count(calls.len() * PASSES));
            runtime.block_on(until_recorded(&app));
        }
        let counted = allocation_counter::measure(|| {
            // What fails here failed above.
            let _ = runtime.block_on(pass(&app, &recipient, &calls));
        });
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let allocations = counted.count_total as f64;
        cost.allocations = allocations / count(calls.len());
        costs.push(cost);
    }
    fs::write(result, serde_json::to_vec(&costs)?)?;
    runtime.block_on(app.close());
    Ok(())
}

/// What this thread has used so far. Nothing in a call waits, so it is the call's time on a machine that does nothing else.
fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// An application as `serve` has it, once it may answer from memory.
async fn start() -> Result<Arc<App>> {
    let config = Config::load(&Source::load(None)?)?;
    let pool = postgres::pool(&config.database, config.database_connections);
    // Room for a whole round: none waits for the writer, which has its time between two rounds.
    let audit = RecordSettings { backlog: 1 << 22, ..config.settings.audit };
    let settings = Settings { audit, ..config.settings };
    let app = Arc::new(App::new(pool, Clock::system(), config.secrets, settings));
    tokio::spawn(Arc::clone(&app).run_in_background(config.listener_database));
    let begin = Instant::now();
    while !app.cluster.trust().has_lease() {
        ensure!(begin.elapsed() < Duration::from_secs(10), "there is no lease");
        sleep(Duration::from_millis(1)).await;
    }
    Ok(app)
}

/// A call for every account and supplier, in an order that no cache likes; always the same one.
fn calls(world: &World, service: Service, supplier: fn(usize) -> String) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    for tenant in &world.tenants {
        for number in 1..=world.suppliers.len() {
            let supplier = SupplierCode::parse(&supplier(number))?;
            let environment = Environment::Production;
            calls.push(Call { account: AccountId(tenant.account), supplier, service, environment });
        }
    }
    calls.shuffle(&mut StdRng::seed_from_u64(1));
    Ok(calls)
}

/// An operator's key, which may be given the pairs of every account.
fn operators_key() -> Actor {
    let principal = Principal {
        method: AuthMethod::ApiKey,
        account: AccountId::OPERATOR,
        acting_account: AccountId::OPERATOR,
        user_email: "operator@example.com".to_owned(),
        key_id: None,
        scopes: vec![Scope::CredentialsResolve],
        is_operator: true,
        grounds: Grounds::OutsideToken { exp: i64::MAX, owner: "".into() },
        limits: Limits::default(),
    };
    Actor { principal: Some(Arc::new(principal)), ..Actor::default() }
}

async fn expect(app: &App, recipient: &Recipient, calls: &[Call], level: &str) -> Result<()> {
    for call in calls {
        let source = app.disclosure.disclose(recipient, call, &HalfPair::default()).await?.source;
        ensure!(source.as_str() == level, "{source:?} answered instead of {level}");
    }
    until_recorded(app).await;
    Ok(())
}

async fn pass(app: &App, recipient: &Recipient, calls: &[Call]) -> Result<()> {
    let request = HalfPair::default();
    for call in calls {
        black_box(app.disclosure.disclose(recipient, black_box(call), &request).await?);
    }
    Ok(())
}

async fn until_recorded(app: &App) {
    while app.recorder.backlog() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}
