//! Whether the spool can do its work: what has failed for good, what fails for now, and when that is over.

use std::io;

use crate::model::Wall;

use super::error::is_full;
use super::layout::{CORRUPT, Id, QUEUED, STAGE, STATE, shard};
use super::shared::{Shared, locked};

/// Why nothing new may be taken, if so. Where writing has failed it is tried again, so that the answer changes by itself.
pub(super) fn ailment(shared: &Shared) -> Option<String> {
    shared.failure().or_else(|| displaced(shared)).or_else(|| troubled(shared))
}

/// The directory is not where it was, or may not be written any more.
fn displaced(shared: &Shared) -> Option<String> {
    if let Err(error) = shared.is_in_place() {
        return Some(format!("its directory has gone: {error}"));
    }
    let dirs = [STAGE, QUEUED, STATE, CORRUPT].map(str::to_owned);
    dirs.into_iter().chain([shard(b'0')]).find_map(|dir| {
        let error = shared.files.may_write(&dir).err()?;
        Some(format!("{dir}/ can't be written: {error}"))
    })
}

fn troubled(shared: &Shared) -> Option<String> {
    let why = shared.trouble.why()?;
    match probe(shared) {
        Err(error) if !is_full(&error) => Some(why),
        _ => {
            tracing::info!(was = why, "the spool's directory can be written again");
            shared.trouble.end();
            None
        }
    }
}

/// Writes a draft of nothing and removes it.
fn probe(shared: &Shared) -> io::Result<()> {
    let path = Id::mint(&mut locked(&shared.mint), Wall::default()).envelope_draft();
    let written = shared.write_small(&path, b"probe");
    let _ = shared.files.remove(&path); // it may not be there; a sweep finds what is
    written
}
