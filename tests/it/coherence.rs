//! The cache by itself: no read that begins after a write was acknowledged sees the older value, with any loads under
//! way. One script, played with the service's cache and with plain moka, so that it is known to notice the difference.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use credenza::clock::Monotonic;
use credenza::cluster::{Coherent, Limits, Owner, Trust};
use credenza::error::{Error, Missing};
use credenza::types::AccountId;
use tokio::sync::{Barrier, Semaphore};
use tokio::time::timeout;

const OWNER: Owner = Owner::Account(AccountId(7));

type Load = Pin<Box<dyn Future<Output = u32> + Send>>;

/// A store of one number, whose loads can be held between reading and returning.
#[derive(Clone)]
struct Store {
    value: Arc<AtomicU32>,
    loads: Arc<AtomicU32>,
    /// A permit for each load that has read.
    has_read: Arc<Semaphore>,
}

impl Store {
    fn new() -> Self {
        Self { value: Arc::new(AtomicU32::new(1)), loads: Arc::default(), has_read: Arc::new(Semaphore::new(0)) }
    }

    #[allow(clippy::unused_async, reason = "caches take futures")]
    async fn load(self) -> u32 {
        let value = self.value.load(Ordering::SeqCst);
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.has_read.add_permits(1);
        value
    }

    /// A load that returns what it read only when there is a permit.
    async fn held_load(self, permits: Arc<Semaphore>) -> u32 {
        let value = self.load().await;
        permits.acquire().await.unwrap().forget();
        value
    }

    /// Loads that take no time.
    fn at_once(&self) -> impl Fn() -> Load + Send + Sync + 'static {
        let store = self.clone();
        move || Box::pin(store.clone().load())
    }

    /// Loads that end when there is a permit for each.
    fn held(&self, permits: &Arc<Semaphore>) -> impl Fn() -> Load + Send + Sync + 'static {
        let (store, permits) = (self.clone(), Arc::clone(permits));
        move || Box::pin(store.clone().held_load(Arc::clone(&permits)))
    }

    /// Waits until a load has read.
    async fn a_load_has_read(&self) {
        self.has_read.acquire().await.unwrap().forget();
    }

    fn loads(&self) -> u32 {
        self.loads.load(Ordering::SeqCst)
    }
}

/// The interface of a cache of one entry that the script needs.
trait OneEntry: Clone + Send + 'static {
    fn read<L>(self, load: impl Fn() -> L + Send + Sync + 'static) -> impl Future<Output = u32> + Send
    where
        L: Future<Output = u32> + Send + 'static;
    /// The work of a write after its commit and before it is acknowledged.
    fn invalidate(&self) -> impl Future<Output = ()>;
}

#[derive(Clone)]
struct Ours {
    trust: Arc<Trust>,
    cache: Coherent<&'static str, u32>,
}

impl Ours {
    fn new() -> Self {
        let trust = Trust::new(Monotonic::system(), Duration::ZERO, None);
        trust.extend_lease(Duration::MAX);
        let limits = Limits { ttl: Duration::from_hours(1), bytes: 1 << 20 };
        Self { cache: Coherent::new(&trust, "test", limits, |_, _| 4), trust }
    }
}

impl OneEntry for Ours {
    async fn read<L>(self, load: impl Fn() -> L + Send + Sync + 'static) -> u32
    where
        L: Future<Output = u32> + Send + 'static,
    {
        let load = || {
            let load = load();
            async { Ok(load.await) }
        };
        self.cache.get(&OWNER, "key", load).await.unwrap()
    }

    async fn invalidate(&self) {
        self.trust.bump(&OWNER);
    }
}

/// The obvious way, which is wrong.
#[derive(Clone)]
struct PlainMoka(moka::future::Cache<&'static str, u32>);

impl OneEntry for PlainMoka {
    async fn read<L>(self, load: impl Fn() -> L + Send + Sync + 'static) -> u32
    where
        L: Future<Output = u32> + Send + 'static,
    {
        let load = load();
        self.0.try_get_with("key", async { Ok::<_, std::convert::Infallible>(load.await) }).await.unwrap()
    }

    async fn invalidate(&self) {
        self.0.invalidate("key").await;
    }
}

/// The values of readers that began after the write of 2 was acknowledged: one while the older load was still under way, one
/// when it had ended.
async fn a_load_that_outlasts_a_write(cache: impl OneEntry) -> [u32; 2] {
    let store = Store::new();
    let permits = Arc::new(Semaphore::new(0));
    let older = tokio::spawn(cache.clone().read(store.held(&permits)));
    store.a_load_has_read().await;
    store.value.store(2, Ordering::SeqCst);
    cache.invalidate().await;

    let during = tokio::spawn(cache.clone().read(store.at_once()));
    // On one thread this lets the reader go as far as it can without the older load.
    tokio::task::yield_now().await;
    // The older reader may see 1, because it began before the write; ours notices that it loaded too early.
    permits.add_permits(2);
    older.await.unwrap();
    let during = during.await.unwrap();
    [during, cache.read(store.at_once()).await]
}

#[tokio::test]
async fn a_load_begun_before_a_write_answers_no_caller_after_it() {
    assert_eq!(a_load_that_outlasts_a_write(Ours::new()).await, [2, 2]);
}

#[tokio::test]
async fn the_script_above_notices_a_cache_without_generations() {
    assert_eq!(a_load_that_outlasts_a_write(PlainMoka(moka::future::Cache::new(9))).await, [1, 1]);
}

#[tokio::test]
async fn a_load_begun_before_a_gap_in_the_feed_answers_no_caller_after_it() {
    let (cache, store, permits) = (Ours::new(), Store::new(), Arc::new(Semaphore::new(0)));
    let older = tokio::spawn(cache.clone().read(store.held(&permits)));
    store.a_load_has_read().await;
    // Another process writes, and nobody tells this one.
    cache.trust.end_lease();
    store.value.store(2, Ordering::SeqCst);
    assert_eq!(cache.clone().read(store.at_once()).await, 2);
    cache.trust.start_over();
    cache.trust.extend_lease(Duration::MAX);
    permits.add_permits(2);
    older.await.unwrap();
    assert_eq!(cache.read(store.at_once()).await, 2);
}

#[tokio::test]
async fn concurrent_misses_share_one_load() {
    let (cache, store, permits) = (Ours::new(), Store::new(), Arc::new(Semaphore::new(0)));
    let everybody_is_here = Arc::new(Barrier::new(101));
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (cache, here) = (cache.clone(), Arc::clone(&everybody_is_here));
            let load = store.held(&permits);
            tokio::spawn(async move {
                here.wait().await;
                cache.read(load).await
            })
        })
        .collect();
    everybody_is_here.wait().await;
    store.a_load_has_read().await;
    permits.add_permits(100);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 1);
    }
    assert_eq!(store.loads(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_delay_those_that_share_its_load() {
    let (cache, store, permits) = (Ours::new(), Store::new(), Arc::new(Semaphore::new(0)));
    let first = tokio::spawn(cache.clone().read(store.held(&permits)));
    store.a_load_has_read().await;
    let second = tokio::spawn(cache.clone().read(store.at_once()));
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    permits.add_permits(1);
    assert_eq!(second.await.unwrap(), 1);
    assert_eq!(store.loads(), 1, "the second caller took over the first one's load");
}

#[tokio::test]
async fn a_caller_that_stops_polling_does_not_delay_those_that_share_its_load() {
    let (cache, store, permits) = (Ours::new(), Store::new(), Arc::new(Semaphore::new(0)));
    let mut first = Box::pin(cache.clone().read(store.held(&permits)));
    let poll = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    permits.add_permits(1);
    let second = timeout(Duration::from_secs(10), cache.read(store.at_once()));
    assert_eq!(second.await.expect("the second caller waits for the first"), 1);
    assert_eq!(store.loads(), 1);
    drop(first);
}

#[tokio::test]
async fn a_load_that_panics_takes_only_its_own_caller_along() {
    let (cache, store) = (Ours::new(), Store::new());
    let failing = tokio::spawn(cache.clone().read(|| async { panic!("a load that panics, on purpose") }));
    assert!(failing.await.unwrap_err().is_panic());
    assert_eq!(cache.read(store.at_once()).await, 1);
}

#[tokio::test]
async fn errors_are_not_kept_and_absence_is() {
    let Ours { cache: _, trust } = Ours::new();
    let limits = Limits { ttl: Duration::from_hours(1), bytes: 1 << 20 };
    let cache: Coherent<u8, Option<u8>> = Coherent::new(&trust, "test", limits, |_, _| 1);
    let failed = cache.get(&OWNER, 1, || async { Err(Error::missing(Missing::Path)) }).await;
    assert!(matches!(failed, Err(Error::Shared(_))));
    assert_eq!(cache.get(&OWNER, 1, || async { Ok(None) }).await.unwrap(), None);
    assert_eq!(cache.get(&OWNER, 1, || async { panic!("absence was not kept") }).await.unwrap(), None);
    assert_eq!(cache.len().await, 1);
}

#[tokio::test]
async fn while_the_feed_is_down_every_read_loads() {
    let (cache, store) = (Ours::new(), Store::new());
    cache.trust.end_lease();
    for expected in 1..=3 {
        cache.clone().read(store.at_once()).await;
        assert_eq!(store.loads(), expected);
    }
    assert!(cache.cache.is_empty().await);
}

/// A trust whose clock a test moves, with a lease until second 10.
fn trust_at_zero() -> (Arc<Trust>, Arc<AtomicU32>) {
    let seconds = Arc::new(AtomicU32::new(0));
    let clock = Arc::clone(&seconds);
    let clock = Monotonic::from_fn(move || Duration::from_secs(clock.load(Ordering::SeqCst).into()));
    let trust = Trust::new(clock, Duration::ZERO, None);
    trust.extend_lease(Duration::from_secs(10));
    (trust, seconds)
}

#[tokio::test]
async fn nothing_is_answered_from_memory_after_the_lease_ended_nor_kept() {
    let (trust, seconds) = trust_at_zero();
    let limits = Limits { ttl: Duration::from_hours(1), bytes: 1 << 20 };
    let (cache, store) = (Ours { cache: Coherent::new(&trust, "test", limits, |_, _| 4), trust }, Store::new());
    for (second, loads) in [(0, 1), (9, 1), (10, 2), (11, 3)] {
        seconds.store(second, Ordering::SeqCst);
        cache.clone().read(store.at_once()).await;
        assert_eq!(store.loads(), loads, "at second {second}");
    }
    // What was cached under a lease that ended in good order is still current when there is a new one.
    cache.trust.extend_lease(Duration::from_secs(20));
    cache.clone().read(store.at_once()).await;
    assert_eq!(store.loads(), 3);
    // A lease that was given up is not one that lasts a little longer.
    cache.trust.end_lease();
    cache.clone().read(store.at_once()).await;
    assert_eq!(store.loads(), 4);
}

#[tokio::test]
async fn a_held_owner_is_read_from_the_store_and_nothing_of_it_is_kept() {
    let (cache, store, change) = (Ours::new(), Store::new(), uuid::Uuid::new_v4());
    cache.clone().read(store.at_once()).await;
    cache.trust.hold(change, vec![OWNER]);
    for loads in 2..=3 {
        cache.clone().read(store.at_once()).await;
        assert_eq!(store.loads(), loads);
    }
    // The change is committed, and told.
    store.value.store(2, Ordering::SeqCst);
    cache.trust.release(change);
    assert_eq!(cache.clone().read(store.at_once()).await, 2);
    assert_eq!(cache.read(store.at_once()).await, 2);
    assert_eq!(store.loads(), 4);
}

#[test]
fn a_reading_that_a_change_and_a_new_lease_overtook_is_not_confirmed() {
    let (trust, seconds) = trust_at_zero();
    let reading = trust.begin(&OWNER).unwrap();
    assert!(trust.confirms(reading));
    // The process stands still for longer than its lease. A change of the owner is committed meanwhile, without waiting for
    // it. Then the feed hears of the change, and its renewal comes back; and only then the reading goes on.
    seconds.store(60, Ordering::SeqCst);
    assert!(!trust.confirms(reading));
    let change = uuid::Uuid::new_v4();
    trust.hold(change, vec![OWNER]);
    trust.release(change);
    trust.extend_lease(Duration::from_secs(70));
    assert!(trust.has_lease() && !trust.confirms(reading));
    assert!(trust.confirms(trust.begin(&OWNER).unwrap()));
}

#[test]
fn a_hold_repeated_after_its_end_has_no_effect() {
    let (trust, _) = trust_at_zero();
    let change = uuid::Uuid::new_v4();
    trust.hold(change, vec![OWNER]);
    trust.release(change);
    trust.hold(change, vec![OWNER]);
    assert!(trust.begin(&OWNER).is_some());
}

#[test]
fn a_hold_without_an_end_message_expires() {
    let (trust, seconds) = trust_at_zero();
    trust.hold(uuid::Uuid::new_v4(), vec![OWNER, Owner::Everything]);
    for (second, is_held) in [(29, true), (30, false)] {
        seconds.store(second, Ordering::SeqCst);
        trust.expire_holds();
        assert_eq!(trust.begin(&OWNER).is_none(), is_held, "at second {second}");
    }
}
