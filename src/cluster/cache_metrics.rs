//! Counters of caches. The handles are made with the cache, so that counting a hit is one addition.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, counter, gauge};

/// The counters of one cache.
#[derive(Clone)]
pub(super) struct CacheMetrics {
    /// The name of the cache.
    pub cache: &'static str,
    /// Readings answered from memory.
    pub hits: Counter,
    /// Readings asked of the database and kept. Those that share a load are one.
    pub loads: Counter,
    /// Readings asked of the database and not kept: without a lease, or while the owner was held.
    pub bypasses: Counter,
}

impl CacheMetrics {
    /// Makes the counters of the cache with this name.
    pub fn of(cache: &'static str) -> Self {
        Self {
            cache,
            hits: counter!("credenza_cache_hits_total", "cache" => cache),
            loads: counter!("credenza_cache_loads_total", "cache" => cache),
            bypasses: counter!("credenza_cache_bypasses_total", "cache" => cache),
        }
    }
}

/// Reports the sizes of every cache of a process on request: moka counts them itself.
#[derive(Default)]
pub(super) struct Sizes(Mutex<Vec<Tell>>);

type Tell = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl Sizes {
    /// Adds a cache, whose function returns its weight in bytes and the number of its entries.
    pub fn add<F>(&self, cache: &'static str, sizes: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = (u64, u64)> + Send + 'static,
    {
        let weight = gauge!("credenza_cache_weight_bytes", "cache" => cache);
        let entries = gauge!("credenza_cache_entries", "cache" => cache);
        let tell: Tell = Arc::new(move || {
            let (sizes, weight, entries) = (sizes(), weight.clone(), entries.clone());
            Box::pin(async move {
                let (bytes, count) = sizes.await;
                weight.set(as_f64(bytes));
                entries.set(as_f64(count));
            })
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tell);
    }

    /// Sets the gauges.
    pub async fn tell(&self) {
        let caches = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for tell in caches {
            tell().await;
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53, which no memory holds")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
