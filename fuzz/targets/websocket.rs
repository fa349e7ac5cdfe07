//! libFuzzer's door to the body of the same name.
#![no_main]

#[path = "../bodies/websocket.rs"]
mod body;
#[path = "../bodies/pieces.rs"]
mod pieces;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
