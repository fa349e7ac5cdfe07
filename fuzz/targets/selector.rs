//! libFuzzer's door to the body of the same name.
#![no_main]

#[path = "../bodies/selector.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
