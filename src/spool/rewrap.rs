//! From one master key to the next: the keys of bodies are wrapped anew, the bodies stay as they are.

use std::io;

use crate::model::limits::ENVELOPE_OCTETS;

use super::catalog::{ask, read_envelope};
use super::envelope::Envelope;
use super::error::SpoolError;
use super::layout::Id;
use super::objects;
use super::shared::{Shared, locked};

/// Wraps the key of every encrypted object with the first master key, as far as the one that wraps it now is at hand.
///
/// # Errors
/// [`SpoolError`] if the disk can't be read or written; whatever was wrapped until then is whole.
pub(super) fn rewrap(shared: &Shared) -> Result<u64, SpoolError> {
    shared.writable()?;
    let (mut done, mut mint) = (0, locked(&shared.mint).fork());
    for id in objects::published(shared).map_err(SpoolError::io("listing the queue"))? {
        let claim = envelope(shared, id)?.map(|envelope| envelope.uri);
        let Some(uri) = claim else { continue };
        let _name = shared.claim(&uri); // nobody deletes it meanwhile
        if let Some(mut envelope) = envelope(shared, id)?
            && let Some(wrapped) = envelope.wrapped()
            && let Ok(Some(key)) = shared.keys.rewrap(id, wrapped, &mut mint)
        {
            envelope.wrap(&key);
            let record = envelope.encode(Some((&key, &mut mint)));
            if record.len() > ENVELOPE_OCTETS {
                tracing::error!(object = %id, "it stays with its key: the name of the new one is too long for its envelope");
                continue;
            }
            objects::put_envelope(shared, id, &record).map_err(SpoolError::io("wrapping a key anew"))?;
            ask(shared, |index| index.renew(&envelope))?;
            done += 1;
        }
    }
    Ok(done)
}

/// An envelope that passes its checks and is open.
fn envelope(shared: &Shared, id: Id) -> Result<Option<Envelope>, SpoolError> {
    match read_envelope(shared, id) {
        Ok(read) => Ok(read.ok().filter(|envelope| envelope.waits_for().is_none())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SpoolError::io("reading an envelope")(error)),
    }
}
