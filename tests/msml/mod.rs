//! Shared by the MSML tests: xmllint's verdict on documents.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What xmllint says of these files, or `None` where it is not installed (a failure in CI).
pub(crate) fn xmllint(options: &[&str], paths: &[PathBuf]) -> Option<String> {
    let Ok(output) = Command::new("xmllint").arg("--noout").args(options).args(paths).output() else {
        assert!(std::env::var_os("CI").is_none(), "CI needs xmllint (Debian: libxml2-utils)");
        eprintln!("skipped: xmllint missing");
        return None;
    };
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Which of these files validate against `schemas/`.
pub(crate) fn valid(paths: &[PathBuf]) -> Option<BTreeSet<PathBuf>> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/msml.xsd");
    let said = xmllint(&["--nonet", "--schema", schema.to_str().expect("a readable path")], paths)?;
    assert!(!said.contains("failed to compile"), "{said}");
    Some(said.lines().filter_map(|line| line.strip_suffix(" validates")).map(PathBuf::from).collect())
}
