//! Objects on the disk: their envelopes, bodies and states.

use std::io;

use crate::model::limits::ENVELOPE_OCTETS;

use super::ballast;
use super::files::{File, Mode, read_small};
use super::layout::{CORRUPT, Id, LETTERS, QUEUED, STATE, States, aside_as, shard};
use super::shared::Shared;

/// The ids of all published envelopes, in no order.
///
/// # Errors
/// As reported by the file system, like everything here.
pub(super) fn published(shared: &Shared) -> io::Result<Vec<Id>> {
    ids(shared, QUEUED)
}

/// The ids of all bodies.
pub(super) fn bodies(shared: &Shared) -> io::Result<Vec<Id>> {
    let mut all = Vec::new();
    for letter in LETTERS {
        all.append(&mut ids(shared, &shard(*letter))?);
    }
    Ok(all)
}

/// What is written down of what has become of objects.
pub(super) fn states(shared: &Shared) -> io::Result<States> {
    let mut states = States::default();
    shared.files.list(STATE)?.iter().for_each(|name| states.add(name));
    Ok(states)
}

fn ids(shared: &Shared, dir: &str) -> io::Result<Vec<Id>> {
    Ok(shared.files.list(dir)?.iter().filter_map(|name| Id::parse(name)).collect())
}

/// The record of an envelope; [`io::ErrorKind::FileTooLarge`] and [`io::ErrorKind::UnexpectedEof`] mean that it is
/// damaged.
pub(super) fn envelope(shared: &Shared, id: Id) -> io::Result<Vec<u8>> {
    read_small(shared.files.as_ref(), &id.envelope(), ENVELOPE_OCTETS)
}

/// Whether there is an envelope of this id.
pub(super) fn is_published(shared: &Shared, id: Id) -> bool {
    shared.files.open(&id.envelope(), Mode::Read).is_ok()
}

/// A body, to be read.
pub(super) fn body(shared: &Shared, id: Id) -> io::Result<Box<dyn File>> {
    shared.files.open(&id.body(), Mode::Read)
}

/// Whether there is an envelope or a body of this id.
pub(super) fn is_there(shared: &Shared, id: Id) -> io::Result<bool> {
    Ok(exists(shared, &id.envelope())? || exists(shared, &id.body())?)
}

/// Whether there is such a file. That it can't be opened for another reason says nothing.
pub(super) fn exists(shared: &Shared, path: &str) -> io::Result<bool> {
    match shared.files.open(path, Mode::Read) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The record of what has become of an object.
pub(super) fn state(shared: &Shared, id: Id) -> io::Result<Vec<u8>> {
    read_small(shared.files.as_ref(), &id.state(), ENVELOPE_OCTETS)
}

/// Gives a body a second name, under which it is another object's. Durable when it returns.
pub(super) fn link_body(shared: &Shared, from: Id, to: Id) -> io::Result<()> {
    shared.files.link(&from.body(), &to.body())?;
    shared.sync_dir(&to.shard())
}

/// Puts this record in the place of an envelope. Durable when it returns.
pub(super) fn put_envelope(shared: &Shared, id: Id, record: &[u8]) -> io::Result<()> {
    let put = || {
        shared.write_small(&id.envelope_draft(), record)?;
        shared.files.rename(&id.envelope_draft(), &id.envelope())?;
        shared.sync_dir(QUEUED)
    };
    put().inspect_err(|_| shared.remove_quietly(&id.envelope_draft()))
}

/// The record of what has become of an object that is there.
pub(super) fn standing(shared: &Shared, id: Id, sum: u64) -> io::Result<Vec<u8>> {
    read_small(shared.files.as_ref(), &id.standing(sum), ENVELOPE_OCTETS)
}

/// Puts the record of an object that is there beside the one there may be. Durable when it returns.
pub(super) fn put_standing(shared: &Shared, id: Id, sum: u64, record: &[u8]) -> io::Result<()> {
    put(shared, id, &id.standing(sum), record)
}

/// Forgets what had become of an object that is there.
pub(super) fn forget_standing(shared: &Shared, id: Id, sum: u64) {
    shared.remove_quietly(&id.standing(sum));
}

/// Puts the last record of an object. Durable when it returns.
pub(super) fn put_state(shared: &Shared, id: Id, record: &[u8]) -> io::Result<()> {
    put(shared, id, &id.state(), record)
}

/// A full disk does not keep it out.
fn put(shared: &Shared, id: Id, path: &str, record: &[u8]) -> io::Result<()> {
    let put = || {
        shared.write_small(&id.state_draft(), record)?;
        shared.files.rename(&id.state_draft(), path)?;
        shared.sync_dir(STATE)
    };
    ballast::within(shared, || put().inspect_err(|_| shared.remove_quietly(&id.state_draft())))
}

/// Forgets what has become of an object.
pub(super) fn forget_state(shared: &Shared, id: Id) {
    shared.remove_quietly(&id.state());
}

/// Moves a record that does not pass its checksum to `corrupt/`.
pub(super) fn set_state_aside(shared: &Shared, id: Id, from: &str) -> io::Result<()> {
    let taken = shared.files.open(&id.corrupt("state"), Mode::Read).is_ok();
    shared.files.rename(from, &id.corrupt(&aside_as(from, taken)))
}

/// Removes envelope and body of a deleted object. What fails is done again at the next start.
pub(super) fn erase(shared: &Shared, id: Id) {
    shared.shred(id, &id.envelope()); // first: an envelope without its body would look like damage
    shared.remove_quietly(&id.body());
}

/// Makes durable what [`erase`] has done.
pub(super) fn settle_erasures(shared: &Shared) -> io::Result<()> {
    shared.sync_dir(QUEUED)?;
    LETTERS.iter().try_for_each(|letter| shared.sync_dir(&shard(*letter)))
}

/// Takes an envelope back whose commit was.
pub(super) fn retract(shared: &Shared, id: Id) -> io::Result<()> {
    shared.remove_quietly(&id.envelope());
    shared.sync_dir(QUEUED)
}

/// What lies under `corrupt/`, by name.
pub(super) fn aside(shared: &Shared) -> io::Result<Vec<String>> {
    shared.files.list(CORRUPT)
}

/// Moves envelope and body to `corrupt/`, where they are kept and never served.
pub(super) fn set_aside(shared: &Shared, id: Id) {
    for (from, to) in [(id.envelope(), id.corrupt("envelope")), (id.body(), id.corrupt("body"))] {
        match shared.files.rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(object = %id, %error, "not moved to corrupt/");
            }
            _ => {}
        }
    }
    for dir in [CORRUPT, QUEUED] {
        let _ = shared.sync_dir(dir); // it is judged again at the next start
    }
}
