//! A moka cache that a write cannot leave stale, wherever it was made.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use moka::future::Cache;
use tokio::time::timeout;
use tracing::{Instrument, debug_span};

use super::cache_metrics::CacheMetrics;
use super::generations::Generation;
use super::owner::Owner;
use super::pinned::{Pinned, Readings};
use super::stale::{self, Outage};
use super::trust::{Reading, Trust};
use crate::error::{self, Error};
use crate::postgres::{STATEMENT_LIMIT, no_answer};

/// The overhead of an entry: moka's key, hash, list nodes and counters, and what the allocator rounds up. So
/// much that a full cache is about as large as its budget (`benches/run --only 9`).
const OVERHEAD: usize = 512;

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
    trust: Arc<Trust>,
    entries: Cache<(Generation, K), V, RandomState>,
    metrics: CacheMetrics,
}

impl<K, V> Clone for Coherent<K, V> {
    fn clone(&self) -> Self {
        Self { trust: Arc::clone(&self.trust), entries: self.entries.clone(), metrics: self.metrics.clone() }
    }
}

impl<K, V> Coherent<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty cache; metrics know it by its name. `weigh` returns the bytes of an entry, without the cache's own overhead.
    pub fn new(
        trust: &Arc<Trust>,
        name: &'static str,
        limits: Limits,
        weigh: impl Fn(&K, &V) -> usize + Send + Sync + 'static,
    ) -> Self {
        let entries = Cache::builder()
            .max_capacity(limits.bytes)
            .time_to_live(limits.ttl)
            .weigher(move |(_, key): &(Generation, K), value| {
                u32::try_from(weigh(key, value) + OVERHEAD).unwrap_or(u32::MAX)
            })
            .build_with_hasher(RandomState::default());
        let sizes = entries.clone();
        trust.sizes.add(name, move || {
            let cache = sizes.clone();
            async move {
                // What was done since moka last looked is not in its figures yet.
                cache.run_pending_tasks().await;
                (cache.weighted_size(), cache.entry_count())
            }
        });
        Self { trust: Arc::clone(trust), entries, metrics: CacheMetrics::of(name) }
    }

    /// The value of `key`, which belongs to `owner`: from memory, or by `load`. Callers that miss together share one
    /// load. The value was current at some moment of the call (`docs/CONSISTENCY.md`).
    pub async fn get<L>(&self, owner: &Owner, key: K, load: impl Fn() -> L) -> Result<V, Error>
    where
        L: Future<Output = Result<V, Error>> + Send + 'static,
    {
        Ok(self.read(owner, key, load).await?.0)
    }

    /// The same for a caller that is going to pin what it makes of the value, with the readings that this rests on.
    pub async fn get_on<L>(
        &self,
        readings: &mut Readings,
        owner: &Owner,
        key: K,
        load: impl Fn() -> L,
    ) -> Result<V, Error>
    where
        L: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let (value, reading) = self.read(owner, key, load).await?;
        readings.note(reading);
        Ok(value)
    }

    /// Returns what the work makes of the value in memory and of what is pinned to it, if all of that is current when the work
    /// is done. Counts as a hit of this cache only.
    pub async fn answer<H, T>(
        &self,
        owner: &Owner,
        key: K,
        pinned: impl FnOnce(&V) -> &Pinned<H>,
        work: impl FnOnce(&V, &H) -> Option<T>,
    ) -> Option<T> {
        let reading = self.trust.begin(owner)?;
        let value = self.entries.get(&(reading.generation, key)).await?;
        let answer = pinned(&value).with(&self.trust, Some(reading), |pinned| work(&value, pinned))?;
        self.metrics.hits.increment(1);
        Some(answer)
    }

    /// Returns what the work makes of something that is pinned in place of values of this cache, if that is current.
    pub fn pinned<H, T>(&self, pinned: &Pinned<H>, work: impl FnOnce(&H) -> Option<T>) -> Option<T> {
        let done = pinned.with(&self.trust, None, work)?;
        self.metrics.hits.increment(1);
        Some(done)
    }

    /// Pins something, made with what is pinned if that is current.
    pub fn pin<H>(&self, pinned: &Pinned<H>, readings: Readings, value: impl FnOnce(Option<&H>) -> H) {
        pinned.pin(&self.trust, readings, value);
    }

    /// The value, with the reading that it came by unless it came past the cache.
    async fn read<L>(&self, owner: &Owner, key: K, load: impl Fn() -> L) -> Result<(V, Option<Reading>), Error>
    where
        L: Future<Output = Result<V, Error>> + Send + 'static,
    {
        // First of all: a load that begins after this line sees every write that was committed before it.
        let Some(reading) = self.trust.begin(owner) else {
            return Ok((Box::pin(self.bypass(load())).await?, None));
        };
        let key = (reading.generation, key);
        let found = self.entries.get(&key).await;
        if let Some(value) = &found
            && self.trust.confirms(reading)
        {
            self.metrics.hits.increment(1);
            return Ok((value.clone(), Some(reading)));
        }
        // On the heap: every reading would carry the state of a load, and most are hits.
        match found {
            Some(value) => Ok((Box::pin(self.current_or_stale(self.bypass(load()), value)).await?, None)),
            None => Box::pin(self.load(reading, key, load)).await,
        }
    }

    /// The value of a key that is not in memory.
    async fn load<L>(
        &self,
        reading: Reading,
        key: (Generation, K),
        load: impl Fn() -> L,
    ) -> Result<(V, Option<Reading>), Error>
    where
        L: Future<Output = Result<V, Error>> + Send + 'static,
    {
        if self.trust.has_lease() {
            let value = self.shared_load(key, load()).await?;
            // The load may have been somebody else's, from before the lease ended.
            if self.trust.confirms(reading) {
                return Ok((value, Some(reading)));
            }
        }
        Ok((self.bypass(load()).await?, None))
    }

    async fn bypass(&self, load: impl Future<Output = Result<V, Error>>) -> Result<V, Error> {
        self.metrics.bypasses.increment(1);
        within_limit(&self.trust, load).await
    }

    /// The value of `key`, if it is in memory and can be trusted.
    pub async fn peek(&self, owner: &Owner, key: K) -> Option<V> {
        let reading = self.trust.begin(owner)?;
        let value = self.entries.get(&(reading.generation, key)).await?;
        self.trust.confirms(reading).then(|| self.metrics.hits.increment(1))?;
        Some(value)
    }

    async fn shared_load<L>(&self, key: (Generation, K), load: L) -> Result<V, Error>
    where
        L: Future<Output = Result<V, Error>> + Send + 'static,
    {
        // A task of its own: a caller that stops polling, or goes away, must not hold up those who share its load.
        let entries = self.entries.clone();
        let loads = self.metrics.loads.clone();
        let trust = Arc::clone(&self.trust);
        let load = async move {
            loads.increment(1);
            within_limit(&trust, load).await
        };
        let span = debug_span!(target: "credenza::traces", "load", cache = self.metrics.cache);
        let loaded = tokio::spawn(async move { entries.try_get_with(key, load).await }.instrument(span)).await;
        loaded.map_err(error::stopped)?.map_err(Error::Shared)
    }

    /// Without a lease: the value of the database, or the old one if the operator prefers it to none.
    async fn current_or_stale(&self, load: impl Future<Output = Result<V, Error>>, old: V) -> Result<V, Error> {
        let Some(ended_for) = self.trust.stale_for() else {
            return load.await;
        };
        let (outage, lease) = (&self.trust.outage, &self.trust.lease);
        if !outage.is_recent(lease.now()) {
            match timeout(Outage::PATIENCE, load).await {
                Ok(Err(error)) if error.is_unavailable() => {}
                Ok(answer) => return answer,
                Err(_too_slow) => {}
            }
            outage.begin(lease.now());
        }
        stale::note(ended_for);
        Ok(old)
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

/// Waits for a load no longer than its statement may take: on a network that is gone it would never end, and its other
/// callers would wait with it.
async fn within_limit<V>(trust: &Trust, load: impl Future<Output = Result<V, Error>>) -> Result<V, Error> {
    timeout(STATEMENT_LIMIT, load).await.unwrap_or_else(|_| {
        trust.doubt_connections();
        Err(Error::Unavailable(no_answer()))
    })
}

/// Values that follow from their keys, and so are never stale: kept only to save the work of making them. Cheap to clone.
pub struct Memo<K, V>(Cache<K, V, RandomState>);

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
    /// An empty one. `weigh` returns the bytes of an entry, without the cache's own overhead.
    pub fn new(limits: Limits, weigh: impl Fn(&K, &V) -> usize + Send + Sync + 'static) -> Self {
        let entries = Cache::builder()
            .max_capacity(limits.bytes)
            .time_to_live(limits.ttl)
            .weigher(move |key, value| u32::try_from(weigh(key, value) + OVERHEAD).unwrap_or(u32::MAX))
            .build_with_hasher(RandomState::default());
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
