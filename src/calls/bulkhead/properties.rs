use std::collections::BTreeMap;

use proptest::prelude::*;

use super::host::{Entered, Host, Outcome};
use super::*;

const FAILURES: u32 = 5;

#[derive(Clone, Debug)]
enum Step {
    Enter { limit: usize, account: i64 },
    Leave { which: usize, outcome: Outcome },
    Withdraw { which: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let limit = prop_oneof![Just(1), Just(3)];
    let outcome = prop_oneof![3 => Just(Outcome::Failed), 1 => Just(Outcome::Answered), 1 => Just(Outcome::Unknown)];
    let step = prop_oneof![
        5 => (limit, 0..4_i64).prop_map(|(limit, account)| Step::Enter { limit, account }),
        4 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::Leave { which, outcome }),
        1 => any::<usize>().prop_map(|which| Step::Withdraw { which }),
    ];
    prop::collection::vec(step, 1..200)
}

/// A caller, with or without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Caller {
    ticket: u64,
    limit: usize,
    account: i64,
}

/// The rules, in the plainest form: two lists.
#[derive(Default)]
struct Model {
    under_way: Vec<Caller>,
    waiting: Vec<Caller>,
    failures: u32,
    /// When an account, at a limit, began to wait or had its last turn.
    since: BTreeMap<(usize, i64), u64>,
    time: u64,
}

impl Model {
    fn of_limit(&self, limit: usize) -> usize {
        self.under_way.iter().filter(|caller| caller.limit == limit).count()
    }

    fn enter(&mut self, caller: Caller) -> Entered<(), ()> {
        self.time += 1;
        if self.failures >= FAILURES && !self.under_way.is_empty() {
            return Entered::Refused(NotNow::DOWN);
        }
        if self.of_limit(caller.limit) < caller.limit {
            self.under_way.push(caller);
            return Entered::Granted(());
        }
        let is_same = |other: &Caller| (other.limit, other.account) == (caller.limit, caller.account);
        if !self.waiting.iter().any(is_same) {
            self.since.insert((caller.limit, caller.account), self.time);
        }
        self.waiting.push(caller);
        Entered::Waiting(())
    }

    /// The one whose turn it is, if a place is free.
    fn next(&mut self, limit: usize) -> Option<Caller> {
        self.time += 1;
        if self.of_limit(limit) >= limit {
            return None;
        }
        let of_account =
            |account| self.under_way.iter().filter(|caller| (caller.limit, caller.account) == (limit, account)).count();
        let waiting = self.waiting.iter().filter(|caller| caller.limit == limit);
        let next = *waiting
            .min_by_key(|caller| (of_account(caller.account), self.since[&(limit, caller.account)], caller.ticket))?;
        self.since.insert((limit, next.account), self.time);
        self.waiting.retain(|caller| *caller != next);
        self.under_way.push(next);
        Some(next)
    }

    fn leave(&mut self, caller: Caller, outcome: Outcome) -> Vec<(Caller, Result<(), NotNow>)> {
        self.under_way.retain(|other| *other != caller);
        self.failures = match outcome {
            Outcome::Answered => 0,
            Outcome::Failed => self.failures + 1,
            Outcome::Unknown => self.failures,
        };
        if self.failures < FAILURES {
            return self.next(caller.limit).map(|next| (next, Ok(()))).into_iter().collect();
        }
        std::mem::take(&mut self.waiting).into_iter().map(|caller| (caller, Err(NotNow::DOWN))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn places_go_where_the_rules_send_them(steps in steps()) {
        let (mut host, mut model) = (Host::default(), Model::default());
        for (ticket, step) in (0_u64..).zip(steps) {
            match step {
                Step::Enter { limit, account } => {
                    let caller = Caller { ticket, limit, account };
                    let entered = host.enter(limit, AccountId(account), ticket, caller);
                    prop_assert_eq!(entered, model.enter(caller));
                }
                Step::Leave { which, outcome } if !model.under_way.is_empty() => {
                    let caller = model.under_way[which % model.under_way.len()];
                    let mut turns = host.leave(caller.limit, AccountId(caller.account), outcome);
                    let mut expected = model.leave(caller, outcome);
                    let granted = turns.iter().position(|(_, turn)| turn.is_ok());
                    if let Some(granted) = granted && model.failures >= FAILURES {
                        // The host is down and nobody is there: any one of those who wait goes.
                        prop_assert!(model.under_way.is_empty());
                        let (caller, _) = turns[granted];
                        model.under_way.push(caller);
                        expected.iter_mut().filter(|(other, _)| *other == caller).for_each(|(_, turn)| *turn = Ok(()));
                    } else if model.failures >= FAILURES {
                        prop_assert!(!model.under_way.is_empty() || expected.is_empty());
                    }
                    turns.sort_by_key(|(caller, _)| caller.ticket);
                    expected.sort_by_key(|(caller, _)| caller.ticket);
                    prop_assert_eq!(turns, expected);
                }
                Step::Withdraw { which } if !model.waiting.is_empty() => {
                    let caller = model.waiting.remove(which % model.waiting.len());
                    prop_assert!(host.withdraw(caller.limit, AccountId(caller.account), caller.ticket));
                    prop_assert!(!host.withdraw(caller.limit, AccountId(caller.account), caller.ticket));
                }
                Step::Leave { .. } | Step::Withdraw { .. } => {}
            }
            prop_assert_eq!(host.is_idle(), model.under_way.is_empty() && model.waiting.is_empty());
            prop_assert_eq!(host.is_forgettable(), host.is_idle() && model.failures == 0);
            prop_assert!([1, 3].iter().all(|limit| model.of_limit(*limit) <= *limit));
        }
        for caller in model.under_way.clone() {
            host.leave(caller.limit, AccountId(caller.account), Outcome::Answered);
        }
    }
}
