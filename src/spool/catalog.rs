//! Published objects: finding their envelopes, checking them, and getting what is damaged out of the way.

use std::io;
use std::sync::Arc;

use crate::model::Ranges;

use super::envelope::Envelope;
use super::error::SpoolError;
use super::files::{File, Files};
use super::index::{Held, Index, Known};
use super::layout::{INDEX_FILES, Id};
use super::objects;
use super::receipt::Committed;
use super::record::Unreadable;
use super::shared::{Shared, locked};
use super::standing::Written;
use super::vault::{Keys, Vaulted};

/// So often a reader looks for records that a server replaces meanwhile.
const LOOKS: usize = 4;

/// The envelope of a published object.
pub(super) fn read_envelope(shared: &Shared, id: Id) -> io::Result<Result<Envelope, Unreadable>> {
    match objects::envelope(shared, id) {
        Ok(octets) => Ok(Envelope::decode(id, &octets, &shared.keys)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Err(Unreadable::Damaged)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(Unreadable::Damaged)),
        Err(error) => Err(error),
    }
}

/// Asks the index. If SQLite fails, the cache is made anew in memory and asked again.
///
/// # Errors
/// [`SpoolError::Index`] if memory fails too; [`SpoolError::Io`] if `queued/` can't be listed.
pub(super) fn ask<T>(shared: &Shared, question: impl Fn(&mut Index) -> rusqlite::Result<T>) -> Result<T, SpoolError> {
    let mut index = locked(&shared.index);
    match question(&mut index) {
        Ok(answer) => Ok(answer),
        Err(error) => {
            tracing::error!(%error, "the index failed; it goes on in memory and is made anew at the next start");
            *index = rebuilt(shared)?;
            *locked(&shared.index_lost) = Some(error.to_string());
            shared.usage.recount(index.held()?);
            Ok(question(&mut index)?)
        }
    }
}

/// Enters an object whose box has counted it, and has the one it replaces leave its box.
///
/// # Errors
/// As [`ask`].
pub(super) fn enter(shared: &Shared, envelope: &Envelope) -> Result<(), SpoolError> {
    let replaced = ask(shared, |index| index.publish(envelope))?;
    leave(shared, replaced);
    shared.stir.changed(envelope.uri.box_name());
    Ok(())
}

/// Has an object leave the index and its box.
///
/// # Errors
/// As [`ask`].
pub(super) fn forget(shared: &Shared, id: Id) -> Result<(), SpoolError> {
    let held = ask(shared, |index| index.forget(id.as_str()))?;
    leave(shared, held);
    Ok(())
}

/// Notes what has become of an object; one that is listed no longer leaves its box.
///
/// # Errors
/// As [`ask`].
pub(super) fn stand(shared: &Shared, id: Id, sum: u64, written: &Written) -> Result<(), SpoolError> {
    let held = ask(shared, |index| index.stand(id, sum, written))?;
    leave(shared, held.filter(|_| !written.standing.is_listed()));
    Ok(())
}

fn leave(shared: &Shared, held: Option<Held>) {
    if let Some(Held { mailbox, octets }) = held {
        shared.usage.leave(&mailbox, octets);
        shared.stir.changed(&mailbox);
    }
}

/// An index in memory of what is published.
pub(super) fn rebuilt(shared: &Shared) -> Result<Index, SpoolError> {
    let mut index = Index::in_memory();
    index.connect(&shared.keys.checks())?;
    index.begin_batch()?;
    let mut replaced = Vec::new();
    for id in objects::published(shared).map_err(SpoolError::io("listing the queue"))? {
        if let Ok(envelope) = read_envelope(shared, id).map_err(SpoolError::io("reading an envelope"))? {
            index.publish(&envelope)?;
            replaced.extend(envelope.replaces);
        }
    }
    for id in replaced {
        index.forget(&id)?;
    }
    enter_standings(shared, &mut index)?;
    index.end_batch()?;
    Ok(index)
}

/// Enters what has become of objects. Beside a server a record may be replaced while we look for it: then we look again.
fn enter_standings(shared: &Shared, index: &mut Index) -> Result<(), SpoolError> {
    for _ in 0..LOOKS {
        let mut missed = false;
        for (id, sum) in objects::states(shared).map_err(SpoolError::io("listing states"))?.standings {
            let written = match objects::standing(shared, id, sum) {
                Ok(octets) => Written::decode(sum, &octets),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missed = true;
                    continue;
                }
                Err(error) => return Err(SpoolError::io("reading a state")(error)),
            };
            // Of one that can't be read the next start says what it means.
            let Ok(written) = written else { continue };
            if index.standing(id)?.is_none_or(|(_, known)| known.turn < written.turn) {
                index.stand(id, sum, &written)?;
            }
        }
        if !missed {
            break;
        }
    }
    Ok(())
}

/// Removes the index, which nobody may have open.
pub(super) fn remove_index(files: &dyn Files) {
    for name in INDEX_FILES {
        let _ = files.remove(name); // what is not there need not go
    }
}

/// Opens the index the spool was given; one that can't be used is removed and made anew. Returns what it knows.
pub(super) fn connect(files: &dyn Files, mut index: Index, keys: &Keys) -> Result<(Index, Known), SpoolError> {
    let keys = keys.checks();
    let error = match index.connect(&keys) {
        Ok(known) => return Ok((index, known)),
        Err(error) => error,
    };
    tracing::warn!(%error, "the index can't be used and is made anew");
    remove_index(files);
    if index.connect(&keys).is_err() {
        index = Index::in_memory();
        index.connect(&keys)?;
    }
    Ok((index, Known::default()))
}

/// The object of this id.
///
/// # Errors
/// [`SpoolError::Gone`], [`SpoolError::Corrupt`], [`SpoolError::Newer`] and [`SpoolError::Io`].
pub(super) fn load(shared: &Shared, id: Id) -> Result<Committed, SpoolError> {
    match read_envelope(shared, id) {
        Ok(Ok(envelope)) => match envelope.waits_for() {
            Some(key) => Err(SpoolError::KeyMissing { id: id.to_string(), key: key.to_owned() }),
            None => Ok(Committed::published(envelope)),
        },
        Ok(Err(Unreadable::Newer)) => Err(SpoolError::Newer { id: id.to_string() }),
        // One that is being shredded has left its place before a letter of it was changed.
        Ok(Err(Unreadable::Damaged)) if objects::has_no_envelope(shared, id) => {
            Err(SpoolError::Gone { id: id.to_string() })
        }
        Ok(Err(Unreadable::Damaged)) => Err(quarantine(shared, id, "the envelope does not pass its checksum")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SpoolError::Gone { id: id.to_string() }),
        Err(error) => Err(SpoolError::io("reading an envelope")(error)),
    }
}

/// The body of an object, if it has the length its envelope gives.
///
/// # Errors
/// As [`load`].
pub(super) fn open_body(shared: &Shared, id: Id, envelope: &Envelope) -> Result<Box<dyn File>, SpoolError> {
    let file = open_stored(shared, id, envelope.stored_octets())?;
    let Some(wrapped) = envelope.wrapped() else { return Ok(file) };
    let key = shared.keys.unwrap(id, wrapped).map_err(|locked| locked.of(id))?;
    let mut there = Ranges::new();
    there.insert(0, envelope.body_octets(), 1).expect("one piece is one piece");
    Ok(Box::new(Vaulted::new(file, Arc::new(key), &there, None)))
}

/// The body as it lies on the disk.
fn open_stored(shared: &Shared, id: Id, size: u64) -> Result<Box<dyn File>, SpoolError> {
    let file = match objects::body(shared, id) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            load(shared, id)?; // deleted meanwhile: gone, not damaged
            return Err(quarantine(shared, id, "the body is missing"));
        }
        Err(error) => return Err(SpoolError::io("opening a body")(error)),
    };
    match file.size() {
        Ok(length) if length == size => Ok(file),
        Ok(_) => Err(quarantine(shared, id, "the body has another length than its envelope says")),
        Err(error) => Err(SpoolError::io("measuring a body")(error)),
    }
}

/// Moves an object that does not pass its checks to `corrupt/`, where it is kept and never served.
pub(super) fn quarantine(shared: &Shared, id: Id, what: &'static str) -> SpoolError {
    let corrupt = SpoolError::Corrupt { id: id.to_string(), what };
    let known = read_envelope(shared, id).ok().and_then(Result::ok);
    let call_id = known.as_ref().and_then(|envelope| envelope.call_id.as_deref());
    let message_id = known.as_ref().and_then(|envelope| envelope.message_id.as_deref());
    tracing::error!(object = %id, call_id, message_id, what, "object is damaged");
    if shared.writable().is_err() {
        return corrupt;
    }
    objects::set_aside(shared, id);
    let _ = forget(shared, id); // it is judged again at the next start
    corrupt
}
