//! RFC 5547 on the wire, against the real process: pushes, pulls, their ends, and files that go on after a break.

#[path = "file_transfer/commands.rs"]
mod commands;
#[path = "file_transfer/door.rs"]
mod door;
#[path = "file_transfer/icons.rs"]
mod icons;
#[path = "file_transfer/pull.rs"]
mod pull;
#[path = "file_transfer/push.rs"]
mod push;
#[path = "file_transfer/resume.rs"]
mod resume;
mod support;

use serde_json::Value;
use sha1::Digest as _;
use support::server::{House, json};
use tempfile::TempDir;

impl House {
    /// Every object of the spool.
    fn objects(&self) -> Vec<Value> {
        json(self.dir.path(), &["spool", "list", "--json"])
    }

    /// Every file that is still arriving.
    fn stages(&self) -> Vec<Value> {
        json(self.dir.path(), &["spool", "stages", "--json"])
    }
}

/// Octets that are different everywhere.
fn content(octets: u32) -> Vec<u8> {
    (0..octets).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// As a selector writes it.
fn sha1(octets: &[u8]) -> String {
    let octets: Vec<String> = sha1::Sha1::digest(octets).iter().map(|octet| format!("{octet:02X}")).collect();
    octets.join(":")
}

/// The port of each line of a description.
fn ports(description: &str) -> Vec<&str> {
    description.lines().filter_map(|line| line.strip_prefix("m=message ")?.split(' ').next()).collect()
}
