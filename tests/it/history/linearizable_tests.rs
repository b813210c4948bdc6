//! The checker, checked: by hand, and against a definition that tries every order.

use proptest::prelude::*;

use super::linearizable::{Action, Operation, Value, check, minimal};
use super::stale;

fn write(value: Value, start: u64, end: u64) -> Operation {
    Operation { action: Action::Write(value), start, end: Some(end) }
}

fn unknown(value: Value, start: u64) -> Operation {
    Operation { action: Action::Write(value), start, end: None }
}

fn read(value: Value, start: u64, end: u64) -> Operation {
    Operation { action: Action::Read(value), start, end: Some(end) }
}

#[test]
fn a_read_returns_a_value_current_at_some_moment_of_it() {
    let during = [write(1, 0, 1), write(2, 5, 8), read(1, 6, 7), read(2, 7, 9)];
    assert_eq!(check(0, &during), Ok(()));
    assert_eq!(stale::reads(0, &during), [0; 0]);
    let after = [write(1, 0, 1), write(2, 5, 8), read(1, 9, 10)];
    assert_eq!(check(0, &after), Err(2));
    assert_eq!(stale::reads(0, &after), [2]);
    let never = [write(1, 0, 1), read(7, 2, 3)];
    assert_eq!(check(0, &never), Err(1));
}

#[test]
fn two_reads_agree_about_the_order_of_writes() {
    // Neither read is stale, since the write is under way; but the register cannot go back.
    let back = [write(1, 0, 10), read(1, 1, 2), read(0, 3, 4)];
    assert_eq!(check(0, &back), Err(2));
    assert_eq!(stale::reads(0, &back), [0; 0]);
}

#[test]
fn a_write_of_unknown_outcome_may_happen_late_or_never_but_only_once() {
    assert_eq!(check(0, &[unknown(1, 0), read(0, 1, 2), read(1, 8, 9)]), Ok(()));
    assert_eq!(check(0, &[unknown(1, 0), write(2, 1, 2), read(2, 3, 4)]), Ok(()));
    assert_eq!(check(0, &[unknown(1, 5), read(1, 1, 2)]), Err(1));
    let twice = [unknown(0, 0), write(1, 1, 2), read(0, 3, 4), write(2, 5, 6), read(0, 7, 8)];
    assert_eq!(check(0, &twice[..3]), Ok(()));
    assert_eq!(check(0, &twice), Err(4));
}

#[test]
fn a_violation_is_shown_without_unrelated_operations() {
    let mut operations = vec![write(1, 0, 1), write(2, 10, 20), read(1, 30, 40)];
    for number in 0..200 {
        operations.push(write(100 + number, 1000 + 10 * number, 1001 + 10 * number));
        operations.push(read(100 + number, 1002 + 10 * number, 1003 + 10 * number));
        operations.push(read(1, 2, 9));
    }
    assert_eq!(minimal(0, &operations), [0, 1, 2]);
}

/// The definition: some order, in which every operation that ended before another began stands before it, explains every read.
fn explained(value: Value, operations: &[Operation], done: u32) -> bool {
    let open = |index: usize| done & (1 << index) == 0;
    let left = || operations.iter().enumerate().filter(|(index, _)| open(*index)).map(|(_, operation)| operation);
    if left().all(|operation| operation.end.is_none()) {
        return true;
    }
    operations.iter().enumerate().any(|(index, operation)| {
        let is_next = open(index) && left().all(|other| other.end.is_none_or(|end| end >= operation.start));
        is_next
            && match operation.action {
                Action::Write(value) => explained(value, operations, done | 1 << index),
                Action::Read(seen) => seen == value && explained(value, operations, done | 1 << index),
            }
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    (any::<bool>(), 0..3u64, 0..14u64, 0..6u64, 0..4u8).prop_map(|(writes, value, start, length, luck)| {
        match (writes, luck) {
            (true, 0) => unknown(value, start),
            (true, _) => write(value, start, start + length),
            (false, _) => read(value, start, start + length),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_checker_agrees_with_the_definition(operations in prop::collection::vec(operation(), 1..8)) {
        prop_assert_eq!(check(0, &operations).is_ok(), explained(0, &operations, 0));
    }

    #[test]
    fn a_stale_read_is_never_linearizable(operations in prop::collection::vec(operation(), 1..8)) {
        prop_assert!(stale::reads(0, &operations).is_empty() || check(0, &operations).is_err());
    }

    #[test]
    fn the_shown_part_of_a_violation_is_a_violation(operations in prop::collection::vec(operation(), 1..12)) {
        if check(0, &operations).is_err() {
            let shown: Vec<_> = minimal(0, &operations).into_iter().map(|index| operations[index]).collect();
            prop_assert!(check(0, &shown).is_err());
            prop_assert!(!explained(0, &shown, 0));
        }
    }
}
