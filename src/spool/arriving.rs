//! Files that are still arriving, as the disk shows them: for people to look at, and to get rid of.

use crate::model::Wall;

use super::error::SpoolError;
use super::files::Mode;
use super::journal;
use super::layout::{Id, STAGE};
use super::shared::{Holder, Shared, locked};

/// A file of which not everything has come yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arriving {
    /// The id its object will have.
    pub id: String,
    /// When its stage began, to the millisecond.
    pub begun: Wall,
    /// Its declared size in octets.
    pub declared: Option<u64>,
    /// How many octets are durable: what its sender was told, or may be told, that we have.
    pub durable: u64,
    /// Length of the stage in octets, holes included.
    pub length: u64,
}

/// Every stage on the disk, the oldest first.
///
/// # Errors
/// [`SpoolError::Io`] if the disk can't be read.
pub(super) fn list(shared: &Shared) -> Result<Vec<Arriving>, SpoolError> {
    let files = shared.files.as_ref();
    let names = files.list(STAGE).map_err(SpoolError::io("listing the stage"))?;
    let mut ids: Vec<Id> = names.iter().filter_map(|name| Id::parse(name)).collect();
    ids.sort_unstable();
    let mut all = Vec::new();
    for id in ids {
        let Ok(length) = files.open(&id.stage(), Mode::Read).and_then(|file| file.size()) else {
            continue; // committed or given up meanwhile
        };
        let claim = journal::read(files, id, &shared.keys).map_err(SpoolError::io("reading a journal"))?.ok();
        all.push(Arriving {
            id: id.to_string(),
            begun: id.minted(),
            declared: claim.as_ref().and_then(|claim| claim.plan.size()),
            durable: claim.as_ref().map_or(0, |claim| claim.durable.octets()),
            length,
        });
    }
    Ok(all)
}

/// Removes a stage that waits for its sender; one that is not there, or that a session writes to, is left alone.
///
/// # Errors
/// [`SpoolError::NotWritable`].
pub(super) fn forget(shared: &Shared, id: &str) -> Result<bool, SpoolError> {
    shared.writable()?;
    let Some(id) = Id::parse(id) else { return Ok(false) };
    let mut desk = locked(&shared.desk);
    let before = desk.holders.len();
    desk.holders.retain(|_, holder| !matches!(holder, Holder::Parked(parked) if parked.id == id));
    let waited = desk.holders.len() < before;
    drop(desk);
    if waited {
        shared.remove_stage(id);
    }
    Ok(waited)
}
