//! A moka cache that a write cannot leave stale.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::generations::{Generation, Generations};
use super::owner::Owner;
use crate::error::Error;

/// What moka keeps beside an entry: key, hash, list nodes, counters.
const OVERHEAD: usize = 200;

/// How long and how much a cache may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// An entry's longest life.
    pub ttl: Duration,
    /// Weight of all entries together, in bytes.
    pub bytes: u64,
}

/// Values loaded once and answered from memory until their owner changes. Absence is a value like any other; errors are
/// not kept. Cheap to clone.
pub struct Coherent<K, V> {
    generations: Arc<Generations>,
    entries: Cache<(Generation, K), V>,
}

impl<K, V> Clone for Coherent<K, V> {
    fn clone(&self) -> Self {
        Self { generations: Arc::clone(&self.generations), entries: self.entries.clone() }
    }
}

impl<K, V> Coherent<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty cache. `weigh` tells the bytes of an entry, without the cache's own overhead.
    pub fn new(
        generations: Arc<Generations>,
        limits: Limits,
        weigh: impl Fn(&K, &V) -> usize + Send + Sync + 'static,
    ) -> Self {
        let entries = Cache::builder()
            .max_capacity(limits.bytes)
            .time_to_live(limits.ttl)
            .weigher(move |(_, key), value| u32::try_from(weigh(key, value) + OVERHEAD).unwrap_or(u32::MAX))
            .build();
        Self { generations, entries }
    }

    /// The value of `key`, which belongs to `owner`: from memory, or by `load`. Callers that miss together share one
    /// load. No value is returned that an acknowledged write of this process had replaced before the call.
    pub async fn get<L>(&self, owner: &Owner, key: K, load: L) -> Result<V, Error>
    where
        L: Future<Output = Result<V, Error>> + Send + 'static,
    {
        // First of all: a load that begins after this line sees every write that was acknowledged before it.
        let Some(generation) = self.generations.of(owner) else {
            return load.await;
        };
        let key = (generation, key);
        if let Some(value) = self.entries.get(&key).await {
            return Ok(value);
        }
        // A task of its own: a caller that stops polling, or goes away, must not hold up those who share its load.
        let entries = self.entries.clone();
        match tokio::spawn(async move { entries.try_get_with(key, load).await }).await {
            Ok(loaded) => loaded.map_err(Error::Shared),
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that is shutting down cancels the task.
                Err(_cancelled) => Err(Error::Unavailable(sqlx::Error::PoolClosed)),
            },
        }
    }

    /// The value of `key`, if it is in memory and can be trusted.
    pub async fn peek(&self, owner: &Owner, key: K) -> Option<V> {
        let generation = self.generations.of(owner)?;
        self.entries.get(&(generation, key)).await
    }

    /// How many entries are held, of all generations. For tests and metrics; takes part in moka's housekeeping.
    pub async fn len(&self) -> u64 {
        self.entries.run_pending_tasks().await;
        self.entries.entry_count()
    }

    /// Whether nothing is held.
    pub async fn is_empty(&self) -> bool {
        self.len().await == 0
    }
}

/// Values that follow from their keys, and so are never stale: kept only to save the work of making them. Cheap to clone.
pub struct Memo<K, V>(Cache<K, V>);

impl<K, V> Clone for Memo<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Memo<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty one. `weigh` tells the bytes of an entry, without the cache's own overhead.
    pub fn new(limits: Limits, weigh: impl Fn(&K, &V) -> usize + Send + Sync + 'static) -> Self {
        let entries = Cache::builder()
            .max_capacity(limits.bytes)
            .time_to_live(limits.ttl)
            .weigher(move |key, value| u32::try_from(weigh(key, value) + OVERHEAD).unwrap_or(u32::MAX))
            .build();
        Self(entries)
    }

    /// The value of `key`, if it is in memory.
    pub async fn get(&self, key: &K) -> Option<V> {
        self.0.get(key).await
    }

    /// Keeps a value.
    pub async fn insert(&self, key: K, value: V) {
        self.0.insert(key, value).await;
    }
}
