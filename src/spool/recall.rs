//! What a start learns of the commits before it: who sends one of them again is told of the object that is there.

use rusqlite::params;

use super::catalog::ask;
use super::envelope::Envelope;
use super::error::SpoolError;
use super::index::Index;
use super::layout::Id;
use super::shared::{Shared, locked};
use super::staging::{StagePlan, fingerprint};
use crate::model::ObjectUri;
use crate::model::limits::REMEMBERED_COMMITS;

/// Learns what the last run has committed.
///
/// # Errors
/// [`SpoolError::Index`].
pub(super) fn recall(shared: &Shared) -> Result<(), SpoolError> {
    let mut latest = ask(shared, |index| index.latest(REMEMBERED_COMMITS))?;
    latest.reverse();
    let mut repeats = locked(&shared.repeats);
    for envelope in latest {
        if let (Some(key), Some(id)) = (key(&envelope), Id::parse(&envelope.id)) {
            repeats.enter(&fingerprint(&key), id);
        }
    }
    Ok(())
}

/// The key under which this object has come, if it is one of a sender's messages.
fn key(envelope: &Envelope) -> Option<String> {
    let (from, message_id) = (envelope.from.as_deref()?, envelope.message_id.as_deref()?);
    // Of a name that was minted here its sender knew nothing.
    let minted = envelope.uri.name() == Some(envelope.id.as_str());
    let mailbox = || ObjectUri::mailbox(envelope.uri.box_name()).ok();
    let object = if minted { mailbox()? } else { envelope.uri.clone() };
    Some(StagePlan::sender_key(from, message_id, &object))
}

impl Index {
    /// The envelopes that were entered last, the youngest first.
    fn latest(&mut self, limit: usize) -> rusqlite::Result<Vec<Envelope>> {
        let mut select = self.settled()?.prepare("SELECT envelope FROM objects ORDER BY id DESC LIMIT ?1")?;
        let envelopes = select.query_map(params![limit as i64], |row| row.get::<_, String>(0))?;
        envelopes.filter_map(|json| json.map(|json| Envelope::from_index(&json)).transpose()).collect()
    }
}
