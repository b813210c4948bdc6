#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| credenza::fuzz::run("credentials_csv", input));
