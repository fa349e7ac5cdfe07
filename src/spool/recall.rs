//! What a start learns of the commits before it: who sends one of them again is told of the object that is there.

use rusqlite::params;

use super::came::{fingerprint, key};
use super::catalog::ask;
use super::envelope::Envelope;
use super::error::SpoolError;
use super::file_store;
use super::index::Index;
use super::layout::Id;
use super::shared::{Shared, locked};
use super::standing::Tombstone;
use crate::model::limits::{REMEMBERED_COMMITS, REMEMBERED_ENDS};

/// Learns what the last run has committed.
///
/// # Errors
/// [`SpoolError::Index`], [`SpoolError::Io`].
pub(super) fn recall(shared: &Shared) -> Result<(), SpoolError> {
    let mut latest = ask(shared, |index| index.latest(REMEMBERED_COMMITS))?;
    latest.reverse();
    let ends = ends(shared)?;
    let mut repeats = locked(&shared.repeats);
    for (under, id) in ends {
        repeats.enter(&under, id);
    }
    for envelope in latest {
        if let (Some(key), Some(id)) = (key(&envelope), Id::parse(&envelope.id)) {
            repeats.enter(&fingerprint(&key), id);
        }
    }
    Ok(())
}

/// Messages whose objects are at their end, the oldest first. Of what lies in a bucket each would have to be asked for: there
/// only the run that has committed it remembers.
fn ends(shared: &Shared) -> Result<Vec<(String, Id)>, SpoolError> {
    let mut ended = file_store::states(shared).map_err(SpoolError::io("listing states"))?.ended;
    ended.sort_unstable();
    let latest = ended.split_off(ended.len().saturating_sub(REMEMBERED_ENDS));
    // One that can't be read is judged, and told of, by whoever needs it.
    let tombstone =
        |id| file_store::state(shared, id).ok().and_then(|octets| Tombstone::decode(&octets).ok().flatten());
    Ok(latest.into_iter().filter_map(|id| Some((tombstone(id)?.came?.key()?.to_owned(), id))).collect())
}

impl Index {
    /// The envelopes that were entered last, the youngest first.
    fn latest(&mut self, limit: usize) -> rusqlite::Result<Vec<Envelope>> {
        let mut select = self.settled()?.prepare("SELECT envelope FROM objects ORDER BY id DESC LIMIT ?1")?;
        let envelopes = select.query_map(params![limit as i64], |row| row.get::<_, String>(0))?;
        envelopes.filter_map(|json| json.map(|json| Envelope::from_index(&json)).transpose()).collect()
    }
}
