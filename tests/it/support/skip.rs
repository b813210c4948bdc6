//! Leaves out a test, or a part of one, where the machine lacks something. A skip is never silent: it is printed past
//! libtest's capture and added to the file that `.ci/run` prints at its end; under `CREDENZA_TESTS=strict` it fails,
//! unless `CREDENZA_TESTS_MAY_SKIP` names the test.

use std::fs::OpenOptions;
use std::io::Write;

#[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Skips the rest of the enclosing function: `skip!("no curl to run"); return;`.
macro_rules! skip {
    ($lack:literal) => {{
        fn here() {}
        $crate::support::skip::report(std::any::type_name_of_val(&here), $lack);
    }};
}
pub(crate) use skip;

/// Reports a skip of the function that `here` stands in.
#[track_caller]
pub fn report(here: &str, lack: &str) {
    let text = |name| setting(name).unwrap_or_default();
    let name = function(here);
    let line = format!("skipped: {name}: {lack}\n");
    if text("CREDENZA_TESTS") == "strict" {
        let allowed = text("CREDENZA_TESTS_MAY_SKIP");
        assert!(
            allowed.split_whitespace().any(|other| other == name),
            "not allowed by CREDENZA_TESTS_MAY_SKIP: {line}"
        );
    }
    // Captured output of a test that passes is thrown away; what is written to the stream itself is not.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = setting("CREDENZA_TESTS_SKIPPED") {
        OpenOptions::new().create(true).append(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// The path of a function without the name of the crate, and without what a closure or an `async` body adds.
pub fn function(here: &str) -> String {
    let parts = here.split("::").skip(1).filter(|part| *part != "here" && !part.starts_with('{'));
    parts.collect::<Vec<_>>().join("::")
}
