//! The places of one host, without time and without tasks.

use std::collections::{HashMap, VecDeque};

use super::NotNow;
use crate::calls::breaker::Breaker;
use crate::types::AccountId;

/// Most callers of an account that wait for the same places.
pub(super) const WAITING_OF_ACCOUNT: usize = 64;
/// Most callers of all accounts that wait for the same places.
pub(super) const WAITING: usize = 512;

/// The end of a call, as far as it shows whether the host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Failed,
    /// The caller went away, or never called.
    Unknown,
}

/// The result of asking for a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered<P, W> {
    Granted(P),
    Waiting(W),
    Refused(NotNow),
}

/// A host. `T` is handed back when the turn of a caller has come.
pub(super) struct Host<T> {
    breaker: Breaker,
    lanes: Vec<Lane<T>>,
}

/// The places of a host that rows with the same limit share. It exists while it has calls.
struct Lane<T> {
    limit: usize,
    under_way: usize,
    waiting: usize,
    accounts: HashMap<AccountId, Share<T>>,
    /// Accounts that wait: the one whose last turn was longest ago is first.
    order: VecDeque<AccountId>,
}

/// Calls of one account. It exists while there are any.
struct Share<T> {
    under_way: usize,
    waiting: VecDeque<(u64, T)>,
}

impl<T> Default for Host<T> {
    fn default() -> Self {
        Self { breaker: Breaker::default(), lanes: Vec::new() }
    }
}

impl<T> Host<T> {
    /// Takes a place, or the last place in the queue of the account.
    pub(super) fn enter(&mut self, limit: usize, account: AccountId, ticket: u64, caller: T) -> Entered<(), ()> {
        if self.breaker.is_open() && self.under_way() > 0 {
            return Entered::Refused(NotNow::DOWN);
        }
        let lane = self.lane(limit);
        // Nobody waits while a place is free.
        if lane.under_way < limit {
            lane.grant(account);
            return Entered::Granted(());
        }
        if lane.wait(account, ticket, caller) { Entered::Waiting(()) } else { Entered::Refused(NotNow::BUSY) }
    }

    /// Gives a place back, and returns those whose turn comes by that, with a place or a refusal.
    pub(super) fn leave(&mut self, limit: usize, account: AccountId, outcome: Outcome) -> Vec<(T, Result<(), NotNow>)> {
        match outcome {
            Outcome::Answered => self.breaker.answered(),
            Outcome::Failed => self.breaker.failed(),
            Outcome::Unknown => {}
        }
        self.lane(limit).give_back(account);
        let mut turns = Vec::new();
        if self.breaker.is_open() {
            if self.under_way() == 0
                && let Some(caller) = self.lanes.iter_mut().find_map(Lane::next)
            {
                turns.push((caller, Ok(())));
            }
            let refused = self.lanes.iter_mut().flat_map(Lane::take_waiting);
            turns.extend(refused.map(|caller| (caller, Err(NotNow::DOWN))));
        } else {
            turns.extend(self.lane(limit).next().map(|caller| (caller, Ok(()))));
        }
        self.tidy();
        turns
    }

    /// Takes a caller out of the queue. Returns whether it was in it.
    pub(super) fn withdraw(&mut self, limit: usize, account: AccountId, ticket: u64) -> bool {
        let was_waiting = self.lane(limit).withdraw(account, ticket);
        self.tidy();
        was_waiting
    }

    /// Counts the calls that wait.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting).sum()
    }

    /// Whether no call is under way or waiting.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Whether nothing is lost without it.
    pub(super) fn is_forgettable(&self) -> bool {
        self.is_idle() && self.breaker.is_clear()
    }

    fn under_way(&self) -> usize {
        self.lanes.iter().map(|lane| lane.under_way).sum()
    }

    fn lane(&mut self, limit: usize) -> &mut Lane<T> {
        let at = self.lanes.iter().position(|lane| lane.limit == limit).unwrap_or_else(|| {
            self.lanes.push(Lane { limit, under_way: 0, waiting: 0, accounts: HashMap::new(), order: VecDeque::new() });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }

    fn tidy(&mut self) {
        self.lanes.retain(|lane| lane.under_way + lane.waiting > 0);
    }
}

impl<T> Lane<T> {
    fn share(&mut self, account: AccountId) -> &mut Share<T> {
        self.accounts.entry(account).or_insert_with(|| Share { under_way: 0, waiting: VecDeque::new() })
    }

    fn grant(&mut self, account: AccountId) {
        self.under_way += 1;
        self.share(account).under_way += 1;
    }

    fn wait(&mut self, account: AccountId, ticket: u64, caller: T) -> bool {
        let of_account = self.accounts.get(&account).map_or(0, |share| share.waiting.len());
        if self.waiting >= WAITING || of_account >= WAITING_OF_ACCOUNT {
            return false;
        }
        if of_account == 0 {
            self.order.push_back(account);
        }
        self.waiting += 1;
        self.share(account).waiting.push_back((ticket, caller));
        true
    }

    fn give_back(&mut self, account: AccountId) {
        self.under_way -= 1;
        let share = self.share(account);
        share.under_way -= 1;
        self.forget(account);
    }

    /// Gives a free place to the account that has the fewest calls under way; of several, to the one whose last turn was
    /// longest ago.
    fn next(&mut self) -> Option<T> {
        if self.under_way >= self.limit {
            return None;
        }
        let fewest = |account: &&AccountId| self.accounts.get(account).map_or(0, |share| share.under_way);
        let account = *self.order.iter().min_by_key(fewest)?;
        self.order.retain(|other| *other != account);
        let share = self.share(account);
        let (_, caller) = share.waiting.pop_front()?;
        if !share.waiting.is_empty() {
            self.order.push_back(account);
        }
        self.waiting -= 1;
        self.grant(account);
        Some(caller)
    }

    fn withdraw(&mut self, account: AccountId, ticket: u64) -> bool {
        let share = self.share(account);
        let before = share.waiting.len();
        share.waiting.retain(|(other, _)| *other != ticket);
        let was_waiting = share.waiting.len() < before;
        if was_waiting {
            self.waiting -= 1;
        }
        if self.share(account).waiting.is_empty() {
            self.order.retain(|other| *other != account);
        }
        self.forget(account);
        was_waiting
    }

    fn take_waiting(&mut self) -> Vec<T> {
        self.waiting = 0;
        let mut callers = Vec::new();
        for account in std::mem::take(&mut self.order) {
            callers.extend(self.share(account).waiting.drain(..).map(|(_, caller)| caller));
            self.forget(account);
        }
        callers
    }

    fn forget(&mut self, account: AccountId) {
        if self.accounts.get(&account).is_some_and(|share| share.under_way == 0 && share.waiting.is_empty()) {
            self.accounts.remove(&account);
        }
    }
}
