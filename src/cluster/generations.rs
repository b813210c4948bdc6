//! Generations: numbers that only grow. An entry is cached under its owner's generation; a change bumps the number, and
//! entries of older generations are never asked for again. That is the whole cure for the race that moka cannot see, a
//! load that began before a write and ends after it: the load's result lands under a number that nobody will read.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::owner::Owner;

/// Owners share this many numbers, by hash: bounded memory without a lock. Two owners on one number cost a needless load
/// now and then, never a wrong answer.
const STRIPES: usize = 1 << 14;

/// An owner's generation as it was read. Part of a cache key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(u64);

/// The generations of all owners, and whether they can be relied on.
pub struct Generations {
    stripes: Box<[AtomicU64]>,
    global: AtomicU64,
    hearing: AtomicBool,
    hasher: RandomState,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            global: AtomicU64::new(0),
            hearing: AtomicBool::new(false),
            hasher: RandomState::new(),
        }
    }
}

impl Generations {
    /// The owner's generation, to be read before anything that is cached under it; `None` while changes of other
    /// processes are not heard, so that nothing cached can be trusted.
    pub fn of(&self, owner: &Owner) -> Option<Generation> {
        if !self.hearing.load(Ordering::SeqCst) {
            return None;
        }
        // Both numbers only grow, so their sum changes whenever one of them does and never returns to an old value.
        let global = self.global.load(Ordering::SeqCst);
        Some(Generation(global + self.stripe(owner).load(Ordering::SeqCst)))
    }

    /// Makes every entry of the owner void. To be called after the commit and before the write is acknowledged.
    pub fn bump(&self, owner: &Owner) {
        match owner {
            Owner::Everything => self.global.fetch_add(1, Ordering::SeqCst),
            _ => self.stripe(owner).fetch_add(1, Ordering::SeqCst),
        };
    }

    /// Changes of other processes are heard from now on. What was missed until now is unknown, so everything is void.
    pub fn start_hearing(&self) {
        self.bump(&Owner::Everything);
        self.hearing.store(true, Ordering::SeqCst);
    }

    /// Changes of other processes may be missed from now on: caches are bypassed.
    pub fn stop_hearing(&self) {
        self.hearing.store(false, Ordering::SeqCst);
    }

    /// Whether changes of other processes are heard.
    pub fn hearing(&self) -> bool {
        self.hearing.load(Ordering::SeqCst)
    }

    fn stripe(&self, owner: &Owner) -> &AtomicU64 {
        let hash = self.hasher.hash_one(owner);
        // STRIPES is a power of two, so the mask keeps the index in range.
        &self.stripes[usize::try_from(hash & (STRIPES as u64 - 1)).unwrap_or(0)]
    }
}
