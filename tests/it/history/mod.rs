//! The promise across instances, put to the test: three real instances on one Postgres, clients that write and read at all
//! of them, and a nemesis that pauses, kills and cuts off. All answers have to be linearizable, register by
//! register.
//!
//! A short run is part of `cargo test`. A long one:
//!
//! ```text
//! CREDENZA_HISTORY_SECONDS=600 CREDENZA_HISTORY_SEED=7 cargo test --test it history::three -- --nocapture
//! ```
//!
//! The seed decides what each client does and what fails when. The operating system decides who is first, so a seed makes
//! a violation likely to come again and not certain.

mod clients;
mod faults;
#[allow(clippy::module_inception, reason = "it is one")]
mod history;
mod instance;
mod linearizable;
mod linearizable_tests;
mod postgres;
pub mod proxy;
mod questions;
mod stale;
mod verdict;
mod world;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use self::faults::Kind;
use self::postgres::Postgres;
use self::questions::Parent;
use self::verdict::Verdict;
use self::world::World;
use crate::support::cluster::setting;
use crate::support::program::eventually;

/// How long the run of `cargo test` lasts.
const SHORT: Duration = Duration::from_secs(12);
/// How long a mutant may go unnoticed, and how often: the operating system can be kind to one.
const LIMIT: Duration = Duration::from_secs(20);
const ATTEMPTS: u64 = 3;

/// Ways to break the promise, which `serve` knows in debug builds (`CREDENZA_TEST_MUTANT`), each with the faults that
/// bring it to light.
const MUTANTS: &[(&str, &[Kind])] = &[
    ("release-before-commit", &[Kind::Delay]),
    ("no-generation", &[]),
    ("no-lease-check", &[Kind::Stall, Kind::Pause]),
    ("acknowledge-first", &[Kind::Delay]),
    ("no-wait", &[Kind::Delay, Kind::Stall, Kind::Pause]),
    ("ignore-lost-listener", &[Kind::Refuse]),
];

/// One run at a time: two would only make each other slow.
static TURN: Mutex<()> = Mutex::const_new(());

/// A run.
struct Run<'a> {
    seed: u64,
    lasts: Duration,
    kinds: &'a [Kind],
    mutant: Option<&'a str>,
}

impl Run<'_> {
    /// Plays until the time is over, or something is known to be broken.
    async fn play(&self, postgres: &Arc<Postgres>, parent: &Parent) -> Verdict {
        let world = Arc::new(World::start(self.seed, Arc::clone(postgres), parent, self.mutant).await);
        let mut clients = clients::start(&world);
        let mut nemeses = faults::start(&world, self.kinds);
        let begin = Instant::now();
        let mut next = Duration::ZERO;
        let mut is_broken = false;
        while next < self.lasts && !is_broken {
            // Judging takes the longer the more there is.
            next = (next + (next / 2).max(Duration::from_secs(1))).min(self.lasts);
            sleep_until(begin + next).await;
            is_broken = judge(&world).await.is_broken();
        }
        world.end();
        while let Some(ended) = nemeses.join_next().await {
            ended.expect("a nemesis fails nothing but what it is to fail");
        }
        clients.abort_all();
        while let Some(ended) = clients.join_next().await {
            assert!(ended.is_err_and(|error| error.is_cancelled()), "a client fails");
        }
        if !is_broken {
            self.read_once_more(&world).await;
        }
        let verdict = judge(&world).await;
        if verdict.is_broken() && self.mutant.is_none() {
            say_last_words(&world).await;
        }
        verdict
    }

    /// When all is well again, everybody has to agree.
    async fn read_once_more(&self, world: &World) {
        for (number, instance) in world.instances.iter().enumerate() {
            let ready = async || {
                instance
                    .public()
                    .send("GET", "/readyz", None)
                    .await
                    .is_ok_and(|answer| answer.status == 200 && !answer.body.contains("degraded"))
            };
            eventually("an instance is ready again", ready).await;
            for question in world.questions() {
                world.read(number, &question, Duration::from_secs(10)).await;
            }
        }
    }
}

async fn say_last_words(world: &World) {
    for (number, instance) in world.instances.iter().enumerate() {
        println!("the log of instance {number} ends with:\n{}", instance.last_words().await);
    }
}

async fn judge(world: &Arc<World>) -> Verdict {
    let world = Arc::clone(world);
    tokio::task::spawn_blocking(move || Verdict::on(&world.history, world.seed)).await.unwrap()
}

/// A number that the environment sets.
fn number(name: &str) -> Option<u64> {
    setting(name).map(|value| value.to_str().and_then(|value| value.parse().ok()).expect("a number"))
}

fn seed() -> u64 {
    number("CREDENZA_HISTORY_SEED").unwrap_or_else(|| u64::from(rand::random::<u16>()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_answer_as_one_during_faults() {
    let _turn = TURN.lock().await;
    let postgres = Arc::new(Postgres::start().await);
    let parent = world::furnish(&postgres.installation).await;
    let lasts = number("CREDENZA_HISTORY_SECONDS").map_or(SHORT, Duration::from_secs);
    let run = Run { seed: seed(), lasts, kinds: faults::ALL, mutant: None };
    let verdict = run.play(&postgres, &parent).await;
    println!("{verdict}");
    assert!(!verdict.is_broken(), "the promise is broken, seed {}", run.seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mutant_survives() {
    let _turn = TURN.lock().await;
    let postgres = Arc::new(Postgres::start().await);
    let parent = world::furnish(&postgres.installation).await;
    let only = setting("CREDENZA_HISTORY_MUTANT");
    let mut survivors = Vec::new();
    for (mutant, kinds) in MUTANTS {
        if only.as_ref().is_some_and(|only| only != mutant) {
            continue;
        }
        let mut is_found = false;
        for attempt in 0..ATTEMPTS {
            let run = Run { seed: seed() + attempt, lasts: LIMIT, kinds, mutant: Some(mutant) };
            let verdict = run.play(&postgres, &parent).await;
            println!("{mutant}: {verdict}");
            is_found = verdict.is_broken();
            if is_found {
                break;
            }
        }
        if !is_found {
            survivors.push(*mutant);
        }
    }
    assert!(survivors.is_empty(), "survived: {survivors:?}");
}
