//! The load generator: a fixed number of connections, each of which asks again as soon as it has its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use memchr::memmem;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::wire::Connection;

/// A request that is ready to be sent, and what its answer has to be.
pub struct Request {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// The status of the right answer.
    pub status: u16,
    /// A field of the right answer, as it stands there.
    pub field: Vec<u8>,
}

/// In which order requests are asked.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Any of them, for a time; the same ones in every run.
    AtRandom(Duration),
    /// Each of them once.
    Each,
}

/// What came of it.
pub struct Outcome {
    /// How many were answered.
    pub answered: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// How long answers took, in microseconds.
    pub micros: Histogram<u64>,
}

impl Outcome {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let answered = self.answered as f64;
        answered / self.elapsed.as_secs_f64()
    }

    /// How long the answer took that a part of all did not outlast, such as 0.5 or 0.99.
    pub fn quantile(&self, part: f64) -> Duration {
        Duration::from_micros(self.micros.value_at_quantile(part))
    }
}

/// Asks over several connections. A wrong answer is an error: a fast server that is wrong is of no use.
pub async fn drive(
    address: SocketAddr,
    requests: &Arc<Vec<Request>>,
    connections: usize,
    order: Order,
) -> Result<Outcome> {
    ensure!(!requests.is_empty(), "there is nothing to ask");
    let next = Arc::new(AtomicUsize::new(0));
    let mut opened = Vec::with_capacity(connections);
    for _ in 0..connections {
        opened.push(Connection::open(address).await.context("the server cannot be reached")?);
    }
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for (seed, connection) in (1..).zip(opened) {
        let choice = match order {
            Order::AtRandom(time) => Choice::AtRandom(Xoshiro256PlusPlus::seed_from_u64(seed), begin + time),
            Order::Each => Choice::Each(Arc::clone(&next)),
        };
        clients.spawn(client(connection, Arc::clone(requests), choice));
    }
    let mut micros = new_histogram()?;
    while let Some(client) = clients.join_next().await {
        micros.add(client??)?;
    }
    Ok(Outcome { answered: micros.len(), elapsed: begin.elapsed(), micros })
}

enum Choice {
    AtRandom(Xoshiro256PlusPlus, Instant),
    Each(Arc<AtomicUsize>),
}

impl Choice {
    fn next(&mut self, count: usize) -> Option<usize> {
        match self {
            Choice::AtRandom(random, until) => (Instant::now() < *until).then(|| random.random_range(..count)),
            Choice::Each(next) => Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count),
        }
    }
}

async fn client(mut connection: Connection, requests: Arc<Vec<Request>>, mut choice: Choice) -> Result<Histogram<u64>> {
    let mut micros = new_histogram()?;
    while let Some(index) = choice.next(requests.len()) {
        let request = &requests[index];
        let begin = Instant::now();
        let answer = connection.ask(&request.bytes).await?;
        micros.saturating_record(u64::try_from(begin.elapsed().as_micros())?);
        let is_right = answer.status == request.status && memmem::find(answer.body, &request.field).is_some();
        ensure!(
            is_right,
            "a wrong answer: {} {}, instead of {} with {}",
            answer.status,
            answer.body.escape_ascii(),
            request.status,
            request.field.escape_ascii(),
        );
    }
    Ok(micros)
}

/// Up to a minute, to three digits.
fn new_histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}
