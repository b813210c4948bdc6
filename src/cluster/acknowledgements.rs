//! Counts which instances still have to acknowledge which change of ours.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use super::store::Member;

/// The changes of this process that wait for others.
#[derive(Clone, Default)]
pub(super) struct Acknowledgements(Arc<Mutex<HashMap<Uuid, Pending>>>);

struct Pending {
    /// Names of the instances that have not acknowledged yet.
    missing: BTreeMap<Uuid, String>,
    nobody_is_missing: Arc<Notify>,
}

/// The acknowledgements of one change. Dropping it ends the waiting.
pub(super) struct Expected {
    all: Acknowledgements,
    change: Uuid,
    nobody_is_missing: Arc<Notify>,
}

impl Acknowledgements {
    /// Expects every member to acknowledge the change. Called before the change is announced.
    pub fn expect(&self, change: Uuid, members: &[Member]) -> Expected {
        let nobody_is_missing = Arc::new(Notify::new());
        let missing = members.iter().map(|member| (member.id, member.name.clone())).collect();
        self.lock().insert(change, Pending { missing, nobody_is_missing: Arc::clone(&nobody_is_missing) });
        Expected { all: self.clone(), change, nobody_is_missing }
    }

    /// Notes that an instance acknowledged these changes.
    pub fn note(&self, instance: Uuid, changes: &[Uuid]) {
        let mut all = self.lock();
        for change in changes {
            if let Some(pending) = all.get_mut(change) {
                pending.without(instance);
            }
        }
    }

    /// Notes that an instance no longer answers from memory, so that its acknowledgement is not needed.
    pub fn note_gone(&self, instance: Uuid) {
        self.lock().values_mut().for_each(|pending| pending.without(instance));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn without(&mut self, instance: Uuid) {
        self.missing.remove(&instance);
        if self.missing.is_empty() {
            self.nobody_is_missing.notify_one();
        }
    }
}

impl Expected {
    /// Waits until nobody is missing.
    pub async fn all(&self) {
        while !self.missing().is_empty() {
            self.nobody_is_missing.notified().await;
        }
    }

    /// Returns the names of the instances that are missing.
    pub fn missing(&self) -> Vec<String> {
        let all = self.all.lock();
        all.get(&self.change).map(|pending| pending.missing.values().cloned().collect()).unwrap_or_default()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.all.lock().remove(&self.change);
    }
}
