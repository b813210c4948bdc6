//! Which changes are being committed just now, here or elsewhere, and whose entries are held because of that.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::generations::Generations;
use super::owner::Owner;

/// A hold whose end nobody tells ends by itself: its writer died. Until then the owners' reads go to the database.
/// Longer than a transaction of ours can stand idle and its commit can take together, and a writer that took longer than
/// this says so to everybody after its commit.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// The holds of this process's caches.
#[derive(Default)]
pub(super) struct Holds(Mutex<HashMap<Uuid, Hold>>);

struct Hold {
    owners: Vec<Owner>,
    ends: Duration,
}

impl Holds {
    /// Holds the owners for a change.
    pub fn hold(&self, generations: &Generations, change: Uuid, owners: Vec<Owner>, now: Duration) {
        let mut holds = self.lock();
        holds.entry(change).or_insert_with(|| {
            for owner in &owners {
                generations.hold(owner);
            }
            Hold { owners, ends: now + LONGEST }
        });
    }

    /// Ends the hold of a change, if there is one.
    pub fn release(&self, generations: &Generations, change: Uuid) {
        if let Some(hold) = self.lock().remove(&change) {
            hold.release(generations);
        }
    }

    /// Ends the holds that are overdue, and tells how many.
    pub fn expire(&self, generations: &Generations, now: Duration) -> usize {
        let mut holds = self.lock();
        let before = holds.len();
        holds.retain(|_, hold| {
            let stays = now < hold.ends;
            if !stays {
                hold.release(generations);
            }
            stays
        });
        before - holds.len()
    }

    /// Ends all holds.
    pub fn clear(&self, generations: &Generations) {
        for (_, hold) in self.lock().drain() {
            hold.release(generations);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Hold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    fn release(&self, generations: &Generations) {
        for owner in &self.owners {
            generations.release(owner);
        }
    }
}
