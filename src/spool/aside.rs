//! What was set aside because it does not pass its checks, for people to look at.

use std::io;

use crate::model::limits::ENVELOPE_OCTETS;

use super::envelope::Envelope;
use super::error::SpoolError;
use super::files::{Mode, read_small};
use super::layout::{CORRUPT, Id, split};
use super::shared::Shared;

/// One file under `corrupt/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The object it belongs to.
    pub id: String,
    /// `envelope`, `body`, `state`; `orphan` is a body of an interrupted commit, of which nothing was reported.
    pub kind: String,
    /// Its length in octets.
    pub octets: u64,
    /// The object's name, where its envelope can still be read.
    pub uri: Option<String>,
}

/// Everything that was set aside, the oldest object first.
///
/// # Errors
/// [`SpoolError::Io`] if the directory can't be read.
pub(super) fn list(shared: &Shared) -> Result<Vec<Aside>, SpoolError> {
    let names = shared.files.list(CORRUPT).map_err(SpoolError::io("listing what is set aside"))?;
    let mut all: Vec<Aside> = names.iter().filter_map(|name| look(shared, name)).collect();
    all.sort_by(|one, two| (&one.id, &one.kind).cmp(&(&two.id, &two.kind)));
    Ok(all)
}

fn look(shared: &Shared, name: &str) -> Option<Aside> {
    let (id, suffix) = split(name)?;
    let kind = suffix.strip_prefix('.')?.to_owned();
    let octets = shared.files.open(&format!("{CORRUPT}/{name}"), Mode::Read).and_then(|file| file.size()).ok()?;
    let uri = envelope(shared, id).ok().flatten().map(|envelope| envelope.uri.to_string());
    Some(Aside { id: id.to_string(), kind, octets, uri })
}

fn envelope(shared: &Shared, id: Id) -> io::Result<Option<Envelope>> {
    let octets = read_small(shared.files.as_ref(), &id.corrupt("envelope"), ENVELOPE_OCTETS)?;
    Ok(Envelope::decode(id, &octets, &shared.keys).ok())
}
