//! How many file descriptors are left: a call that brings a file needs three, and who has none can't even refuse well.

use rustix::process::{Resource, getrlimit, setrlimit};

/// A file that arrives takes its connection, its stage and its journal.
const PER_FILE: u64 = 3;

/// From this share in use on no new file is taken, in percent.
const SCARCE_PERCENT: u64 = 90;

/// Lets the process have as many descriptors as it may: systems start it with a quarter of what they would allow.
pub(super) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of descriptors stays as it is");
    }
}

/// MSRP connections for which there are descriptors, so that they leave some for signalling and for the operator's door.
pub(super) fn for_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((limit - limit / 4) / PER_FILE).unwrap_or(usize::MAX)
}

/// Why nothing new may begin, if descriptors are about to run out. Where nobody counts them, they find out themselves.
pub(super) fn scarcity() -> Option<String> {
    let limit = getrlimit(Resource::Nofile).current?;
    let used = used()?;
    (used.saturating_mul(100) >= limit.saturating_mul(SCARCE_PERCENT))
        .then(|| format!("{used} of {limit} file descriptors are in use"))
}

/// Linux counts them in the size of the directory that lists them, since 6.2; before, they have to be listed.
fn used() -> Option<u64> {
    const OURS: &str = "/proc/self/fd";
    match std::fs::metadata(OURS).ok()?.len() {
        0 => Some(std::fs::read_dir(OURS).ok()?.count() as u64),
        count => Some(count),
    }
}
