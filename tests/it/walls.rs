//! Two walls stand between tenants: the application's own conditions, and the row security of the tables. Each must do
//! by itself: the tests of tenancy run again with one of the two taken down. With both down they must fail, or they would
//! prove nothing.

use tokio::process::Command;

use crate::support::cluster::{FILTERS, ROW_SECURITY, WITHOUT};

/// The modules that tell whether tenants are kept apart.
const TENANCY: [&str; 7] = [
    "access_matrix::",
    "paths::",
    "subaccounts::",
    "subaccounts_acting::",
    "subaccounts_rules::",
    "tenancy::",
    "tenancy_accounts::",
];

/// Runs tests of this program in a process of their own: whether all passed, and its output.
async fn run(tests: &[&str], without: &str) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(tests).env(WITHOUT, without).kill_on_drop(true).output().await.unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn row_security_keeps_tenants_apart_without_the_filters() {
    let (passed, said) = run(&TENANCY, FILTERS).await;
    assert!(passed, "{said}");
}

#[tokio::test]
async fn the_filters_keep_tenants_apart_without_row_security() {
    let (passed, said) = run(&TENANCY, ROW_SECURITY).await;
    assert!(passed, "{said}");
}

#[tokio::test]
async fn with_neither_tenants_meet() {
    let (passed, said) = run(&["tenancy::", "tenancy_accounts::"], &format!("{FILTERS},{ROW_SECURITY}")).await;
    assert!(!passed, "the walls were not down: {said}");
    for test in [
        "tenancy::anothers_things_are_answered_like_things_that_do_not_exist_and_stay_as_they_are",
        "tenancy::two_accounts_with_the_same_supplier_change_each_their_own",
        "tenancy_accounts::anothers_things_are_answered_like_things_that_do_not_exist_and_stay_as_they_are",
        "tenancy_accounts::listings_contain_only_the_callers_rows",
    ] {
        assert!(said.contains(&format!("test {test} ... FAILED")), "{test} did not notice: {said}");
    }
}
