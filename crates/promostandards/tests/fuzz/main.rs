//! Replays what the fuzzers have found.

#![allow(clippy::unwrap_used, missing_docs)]

mod checks;

use std::path::Path;

/// Runs a check on each input of a corpus: on the input itself, on it cut off at some places, and with some bits turned.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 5, "{target} has a corpus");
    for path in files {
        println!("{}", path.display());
        let input = std::fs::read(path).unwrap();
        check(&input);
        for cut in (0..input.len()).step_by(input.len() / 16 + 1) {
            check(&input[..cut]);
            let mut turned = input.clone();
            turned[cut] ^= 1 << (cut % 8);
            check(&turned);
        }
    }
}

#[test]
fn answers_of_the_corpus_keep_their_promises() {
    replay("supplier_answer", checks::answer);
}

#[test]
fn orders_of_the_corpus_keep_their_promises() {
    replay("order_body", checks::order);
}
