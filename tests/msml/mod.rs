//! Shared by the MSML tests: xmllint's verdict on documents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of these files validate against `schemas/`, or `None` where xmllint is not installed (a failure in CI).
pub(crate) fn valid(paths: &[PathBuf]) -> Option<BTreeSet<PathBuf>> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/msml.xsd");
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet", "--schema"]).arg(schema).args(paths);
    let Ok(output) = command.output() else {
        assert!(std::env::var_os("CI").is_none(), "CI needs xmllint (Debian: libxml2-utils)");
        eprintln!("skipped: xmllint missing");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("failed to compile"), "{said}");
    Some(said.lines().filter_map(|line| line.strip_suffix(" validates")).map(PathBuf::from).collect())
}
