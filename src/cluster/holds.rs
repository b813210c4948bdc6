//! Which changes are being committed just now, here or elsewhere, and whose entries are held because of that.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::generations::Generations;
use super::owner::Owner;

/// A hold without an end message expires: its writer died. Until then the owners' reads go to the database. Longer than
/// a transaction of ours can stand idle and its commit can take together, and a writer that took longer than this
/// announces it after its commit.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// So many changes that are done are remembered, because a hold can be announced twice, the second time too late.
const REMEMBERED: usize = 1024;

/// The holds of this process's caches.
#[derive(Default)]
pub(super) struct Holds(Mutex<State>);

#[derive(Default)]
struct State {
    holds: HashMap<Uuid, Hold>,
    done: VecDeque<Uuid>,
}

struct Hold {
    owners: Vec<Owner>,
    ends: Duration,
}

impl Holds {
    /// Holds the owners for a change, unless it is done already.
    pub fn hold(&self, generations: &Generations, change: Uuid, owners: Vec<Owner>, now: Duration) {
        let mut state = self.lock();
        if state.done.contains(&change) {
            return;
        }
        state.holds.entry(change).or_insert_with(|| {
            for owner in &owners {
                generations.hold(owner);
            }
            Hold { owners, ends: now + LONGEST }
        });
    }

    /// A change is done: its hold ends, if there is one.
    pub fn release(&self, generations: &Generations, change: Uuid) {
        let mut state = self.lock();
        if let Some(hold) = state.holds.remove(&change) {
            hold.release(generations);
        }
        if !state.done.contains(&change) {
            state.done.truncate(REMEMBERED - 1);
            state.done.push_front(change);
        }
    }

    /// Ends the holds that are overdue, and returns how many.
    pub fn expire(&self, generations: &Generations, now: Duration) -> usize {
        let holds = &mut self.lock().holds;
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
        for (_, hold) in self.lock().holds.drain() {
            hold.release(generations);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
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
