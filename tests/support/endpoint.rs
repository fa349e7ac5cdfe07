//! The endpoint in Python: what moves octets, or bodies, without a line of our own code.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Where it is.
pub(crate) const ENDPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/endpoint.py");

/// A recording that it may send: several chunks, and not a whole number of them.
pub(crate) const WAV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/message.wav");

/// Runs it to its end and gives what it has to tell.
pub(crate) fn endpoint(dir: &Path, words: &[&str]) -> Value {
    let result = dir.join("endpoint-result");
    let _ = fs::remove_file(&result);
    let output =
        Command::new("python3").arg(ENDPOINT).args(words).arg("--result").arg(&result).output().expect("python runs");
    let told = fs::read(result).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(told["error"], Value::Null, "{words:?}: {told}");
    told
}
