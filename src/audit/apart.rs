//! Keeps the events of accounts whose chains cannot be extended just now apart from the others, so that one account's chain
//! stops that account only: because somebody else holds the head, or because the chain is damaged.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use tokio::time::Instant;

use super::queue::{MAX_AGE, Refusal, Waiter, Waiting};
use crate::types::AccountId;

/// First pause before a damaged chain is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause before a damaged chain is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Events by account.
#[derive(Default)]
pub(super) struct Apart {
    accounts: BTreeMap<AccountId, Account>,
    /// The account that was tried last, so that each has its turn.
    tried: Option<AccountId>,
}

#[derive(Default)]
struct Account {
    events: VecDeque<Waiting>,
    damage: Option<Damage>,
}

/// The state of an account whose chain refused an event.
#[derive(Clone, Copy)]
struct Damage {
    pause: Duration,
    retry_at: Instant,
}

impl Account {
    fn is_due(&self, now: Instant) -> bool {
        !self.events.is_empty() && self.damage.is_none_or(|damage| damage.retry_at <= now)
    }

    fn refusal(&self) -> Option<Refusal> {
        let oldest = self.events.front().map(|waiting| waiting.since);
        match (self.damage, oldest) {
            (None, None) => None,
            (None, Some(oldest)) => Some(Refusal { from: oldest + MAX_AGE, until: None }),
            (Some(_), Some(oldest)) => Some(Refusal { from: oldest, until: None }),
            // Nothing is left to try with: the next resolve does.
            (Some(damage), None) => {
                Some(Refusal { from: damage.retry_at - damage.pause, until: Some(damage.retry_at) })
            }
        }
    }
}

impl Apart {
    /// Returns whether events are kept.
    pub fn is_empty(&self) -> bool {
        self.accounts.values().all(|account| account.events.is_empty())
    }

    /// Adds the event if its account is set apart; else gives it back.
    pub fn add(&mut self, waiting: Waiting) -> Option<Waiting> {
        match self.accounts.get_mut(&waiting.resolve.account) {
            Some(account) => {
                account.events.push_back(waiting);
                None
            }
            None => Some(waiting),
        }
    }

    /// Sets events of an account apart, which come before those that are here already.
    pub fn set(&mut self, events: Vec<Waiting>) {
        for waiting in events.into_iter().rev() {
            self.accounts.entry(waiting.resolve.account).or_default().events.push_front(waiting);
        }
    }

    /// Notes that an account's chain is damaged, and drops the events whose answers have not left. Returns how many these
    /// are, and whether the damage is new.
    pub fn set_damaged(&mut self, account: AccountId, now: Instant) -> (usize, bool) {
        let account = self.accounts.entry(account).or_default();
        let before = account.events.len();
        account.events.retain(|waiting| matches!(waiting.waiter, Waiter::Answered));
        let is_new = account.damage.is_none();
        let pause = account.damage.map_or(FIRST_PAUSE, |damage| (damage.pause * 2).min(LONGEST_PAUSE));
        account.damage = Some(Damage { pause, retry_at: now + pause });
        (before - account.events.len(), is_new)
    }

    /// Notes that an account's chain was extended. Returns whether it was damaged before.
    pub fn set_sound(&mut self, account: AccountId) -> bool {
        let Some(kept) = self.accounts.get_mut(&account) else { return false };
        let was_damaged = kept.damage.take().is_some();
        if kept.events.is_empty() {
            self.accounts.remove(&account);
        }
        was_damaged
    }

    /// Drops events that nobody needs any more. Returns how many.
    pub fn drop_unneeded(&mut self) -> usize {
        let mut dropped = 0;
        self.accounts.retain(|_, account| {
            let before = account.events.len();
            account.events.retain(|waiting| waiting.waiter.needs_the_event());
            dropped += before - account.events.len();
            account.damage.is_some() || !account.events.is_empty()
        });
        dropped
    }

    /// Lists the accounts that wait for their heads to be free.
    pub fn undamaged(&self) -> impl Iterator<Item = AccountId> {
        self.accounts.iter().filter(|(_, account)| account.damage.is_none()).map(|(id, _)| *id)
    }

    /// Moves out the first events of an account.
    pub fn take(&mut self, account: AccountId, most: usize) -> impl Iterator<Item = Waiting> {
        let events = self.accounts.get_mut(&account).map(|account| {
            let count = most.min(account.events.len());
            account.events.drain(..count)
        });
        events.into_iter().flatten()
    }

    /// Returns the next account that may be tried again, in turn.
    pub fn next_due(&mut self, now: Instant) -> Option<AccountId> {
        let after = self.tried.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.accounts.range((after, Bound::Unbounded));
        let (next, _) = later.chain(self.accounts.iter()).find(|(_, account)| account.is_due(now))?;
        self.tried = Some(*next);
        self.tried
    }

    /// Lists the accounts whose resolves are, or will be, refused.
    pub fn refusals(&self) -> impl Iterator<Item = (AccountId, Refusal)> {
        self.accounts.iter().filter_map(|(id, account)| Some((*id, account.refusal()?)))
    }

    /// Lists the events.
    pub fn events(&self) -> impl Iterator<Item = &Waiting> {
        self.accounts.values().flat_map(|account| &account.events)
    }
}
