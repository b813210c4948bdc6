#![no_main]
#![allow(dead_code)]

#[path = "../../crates/promostandards/tests/fuzz/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::order(input));
