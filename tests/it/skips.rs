//! Tests of `skip!`: a test that skips names itself, and fails where skips are not allowed.

use std::process::Command;

use crate::support::skip::{function, skip};

#[tokio::test]
async fn a_skip_names_the_test_that_it_is_in() {
    fn here() {}
    assert_eq!(function(std::any::type_name_of_val(&here)), "skips::a_skip_names_the_test_that_it_is_in");
}

#[test]
fn a_skip_fails_under_the_strict_setting_unless_it_is_allowed() {
    let run = |allowed: &str| {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["skips::a_test_that_skips", "--exact", "--ignored"]);
        again.env("CREDENZA_TESTS", "strict").env("CREDENZA_TESTS_MAY_SKIP", allowed);
        let output = again.env_remove("CREDENZA_TESTS_SKIPPED").output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert!(!run("skips::another_test").0);
    let (passed, stderr) = run("skips::another_test skips::a_test_that_skips");
    assert!(passed && stderr.contains("skipped: skips::a_test_that_skips: nothing is missing"), "{stderr}");
}

#[test]
#[ignore = "run by `a_skip_fails_under_the_strict_setting_unless_it_is_allowed`"]
fn a_test_that_skips() {
    skip!("nothing is missing");
}
