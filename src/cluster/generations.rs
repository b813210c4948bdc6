//! Generations: numbers that only grow. An entry is cached under its owner's generation; a change bumps the number, and
//! entries of older generations are never asked for again. That is the whole cure for the race that moka cannot see, a
//! load that began before a write and ends after it: the load's result lands under a number that nobody will read.
//!
//! While a write of the owner is being committed somewhere, the owner is *held*: it has no generation, so every read of
//! it goes to the database.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;

use super::owner::Owner;

/// Owners share this many numbers, by hash: bounded memory without a lock. Two owners on one number cost a needless load
/// now and then, never a wrong answer.
const STRIPES: u16 = 1 << 14;
/// A number and the count of holds on it are one atomic, so that they are read together: the count is in the low bits.
const COUNT_BITS: u32 = 20;
const ONE_HOLD: u64 = 1;
const ONE_GENERATION: u64 = 1 << COUNT_BITS;
const COUNT_MASK: u64 = ONE_GENERATION - 1;

/// An owner's generation as it was read. Part of a cache key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(pub(super) u64);

/// Where an owner's numbers are: its own, and that of the owner around it if there is one. Small, because it is held on to
/// in very many places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stripe {
    own: u16,
    around: u16,
}

/// The number of an owner that is never changed: what is around an owner that has nothing around it.
const NOTHING: u16 = STRIPES;

/// The generations of all owners.
pub(super) struct Generations {
    stripes: Box<[AtomicU64]>,
    global: AtomicU64,
    hasher: RandomState,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            stripes: (0..=STRIPES).map(|_| AtomicU64::new(0)).collect(),
            global: AtomicU64::new(0),
            hasher: RandomState::default(),
        }
    }
}

impl Generations {
    /// Where the owner's numbers are.
    pub fn stripe(&self, owner: &Owner) -> Stripe {
        let around = match owner {
            Owner::Bundle(account, _) => self.index(&Owner::Bundles(*account)),
            _ => NOTHING,
        };
        Stripe { own: self.index(owner), around }
    }

    fn index(&self, owner: &Owner) -> u16 {
        let hash = self.hasher.hash_one(owner);
        // STRIPES is a power of two, so the mask keeps the index in range.
        u16::try_from(hash & u64::from(STRIPES - 1)).unwrap_or(0)
    }

    /// The generation of a stripe's owners, to be read before anything that is cached under it; `None` while one of them
    /// is held.
    pub fn of(&self, stripe: Stripe) -> Option<Generation> {
        let global = self.global.load(Ordering::SeqCst);
        let own = self.stripes[usize::from(stripe.own)].load(Ordering::SeqCst);
        let around = self.stripes[usize::from(stripe.around)].load(Ordering::SeqCst);
        if (global | own | around) & COUNT_MASK != 0 {
            return None;
        }
        // The numbers only grow, so their sum changes whenever one of them does and never returns to an old value.
        Some(Generation((global >> COUNT_BITS) + (own >> COUNT_BITS) + (around >> COUNT_BITS)))
    }

    /// Makes every entry of the owner void.
    pub fn bump(&self, owner: &Owner) {
        self.add(owner, ONE_GENERATION);
    }

    /// Makes every entry of the owner void, and lets none be cached until the hold is released. Holds add up.
    pub fn hold(&self, owner: &Owner) {
        self.add(owner, ONE_GENERATION + ONE_HOLD);
    }

    /// Ends one hold.
    pub fn release(&self, owner: &Owner) {
        self.add(owner, ONE_GENERATION - ONE_HOLD);
    }

    fn add(&self, owner: &Owner, change: u64) {
        if matches!(owner, Owner::Account(_)) {
            self.number(&Owner::Accounts).fetch_add(change, Ordering::SeqCst);
        }
        self.number(owner).fetch_add(change, Ordering::SeqCst);
    }

    fn number(&self, owner: &Owner) -> &AtomicU64 {
        match owner {
            Owner::Everything => &self.global,
            _ => &self.stripes[usize::from(self.index(owner))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{AccountId, SupplierCode};

    #[test]
    fn a_held_owner_has_no_generation_and_a_released_one_has_a_new_one() {
        let generations = Generations::default();
        let (owner, other) = (Owner::Account(AccountId(1)), Owner::Account(AccountId(2)));
        let of = |owner| generations.of(generations.stripe(owner));
        let before = (of(&owner), of(&other));
        generations.hold(&owner);
        generations.hold(&owner);
        generations.release(&owner);
        assert_eq!((of(&owner), of(&other)), (None, before.1));
        generations.release(&owner);
        assert!(of(&owner).is_some() && of(&owner) != before.0);
        generations.hold(&Owner::Everything);
        assert_eq!((of(&owner), of(&other)), (None, None));
        generations.release(&Owner::Everything);
        assert!(of(&other).is_some() && of(&other) != before.1);
    }

    #[test]
    fn a_change_of_one_account_concerns_what_is_made_of_all_accounts() {
        let generations = Generations::default();
        let of = |owner| generations.of(generations.stripe(owner));
        let before = of(&Owner::Accounts);
        generations.hold(&Owner::Account(AccountId(1)));
        assert_eq!(of(&Owner::Accounts), None);
        generations.release(&Owner::Account(AccountId(1)));
        let after = of(&Owner::Accounts);
        assert!(after.is_some() && after != before);
        generations.bump(&Owner::Account(AccountId(2)));
        assert_ne!(of(&Owner::Accounts), after);
    }

    #[test]
    fn a_change_of_all_bundles_of_an_account_concerns_each_of_them_and_no_other_accounts() {
        let generations = Generations::default();
        let bundle = |account| Owner::Bundle(AccountId(account), SupplierCode::parse("HIT").unwrap());
        let of = |owner| generations.of(generations.stripe(owner));
        let (own, other, all) = (bundle(1), bundle(2), Owner::Bundles(AccountId(1)));
        let (before, others) = (of(&own), of(&other));
        generations.hold(&all);
        assert_eq!(of(&own), None);
        generations.release(&all);
        assert!(of(&own).is_some() && of(&own) != before);
        // Equal but for the few in which both share a number.
        let share = generations.index(&all) == generations.index(&other)
            || generations.index(&all) == generations.index(&Owner::Bundles(AccountId(2)));
        assert!(share || of(&other) == others);
        let before = of(&own);
        generations.bump(&all);
        assert_ne!(of(&own), before);
    }
}
