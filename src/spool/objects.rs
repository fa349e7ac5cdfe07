//! Where committed objects lie: on the disk, in the bucket, or in both for the moment in which they go from one to the other.
//!
//! Who asks does not have to know: an object is looked for on the disk first. What has become of an object is written
//! where its envelope is, and a deletion counts wherever it was written.

use std::io;

use super::file_store;
use super::files::File;
use super::layout::{Id, States, aside_as};
use super::shared::{Shared, locked};

/// The ids of all published envelopes, in no order.
///
/// # Errors
/// As reported by the file system or the bucket, like everything here.
pub(super) fn published(shared: &Shared) -> io::Result<Vec<Id>> {
    let mut ids = file_store::published(shared)?;
    if let Some(remote) = &shared.remote {
        ids.append(&mut remote.store.published()?);
        ids.sort_unstable();
        ids.dedup();
    }
    Ok(ids)
}

/// What is written down of what has become of objects, sorted.
pub(super) fn states(shared: &Shared) -> io::Result<States> {
    let mut states = file_store::states(shared)?;
    if let Some(remote) = &shared.remote {
        let mut there = remote.store.states()?;
        states.ended.append(&mut there.ended);
        states.standings.append(&mut there.standings);
    }
    let States { ended, standings } = &mut states;
    ended.sort_unstable();
    ended.dedup();
    standings.sort_unstable();
    standings.dedup();
    Ok(states)
}

/// The record of an envelope; [`io::ErrorKind::FileTooLarge`] and [`io::ErrorKind::UnexpectedEof`] mean that it is
/// damaged.
pub(super) fn envelope(shared: &Shared, id: Id) -> io::Result<Vec<u8>> {
    or_else(shared, file_store::envelope(shared, id), |remote| remote.store.envelope(id))
}

/// Puts this record in the place of an envelope, where that is. Durable when it returns. The caller has the claim of the
/// object's name.
pub(super) fn put_envelope(shared: &Shared, id: Id, record: &[u8]) -> io::Result<()> {
    match &shared.remote {
        Some(remote) if !file_store::is_published(shared, id) => remote.store.put_envelope(id, record),
        _ => file_store::put_envelope(shared, id, record),
    }
}

/// Whether there is no envelope of this id, or not any more.
pub(super) fn has_no_envelope(shared: &Shared, id: Id) -> bool {
    matches!(envelope(shared, id), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// A body, to be read.
pub(super) fn body(shared: &Shared, id: Id) -> io::Result<Box<dyn File>> {
    or_else(shared, file_store::body(shared, id), |remote| remote.store.body(id))
}

/// Whether there is an envelope or a body of this id.
pub(super) fn is_there(shared: &Shared, id: Id) -> io::Result<bool> {
    let there = || shared.remote.as_ref().map_or(Ok(false), |remote| remote.store.is_there(id));
    if file_store::is_there(shared, id)? { Ok(true) } else { there() }
}

/// The last record of an object.
pub(super) fn state(shared: &Shared, id: Id) -> io::Result<Vec<u8>> {
    match &shared.remote {
        Some(remote) if !file_store::is_published(shared, id) => match remote.store.state(id) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => file_store::state(shared, id),
            found => found,
        },
        _ => file_store::state(shared, id),
    }
}

/// Every last record there is of an object: more than one while it goes into the bucket.
pub(super) fn all_states(shared: &Shared, id: Id) -> io::Result<Vec<Vec<u8>>> {
    let remote = shared.remote.as_ref().map(|remote| remote.store.state(id));
    let all = [Some(file_store::state(shared, id)), remote].into_iter().flatten();
    all.filter(|read| !matches!(read, Err(error) if error.kind() == io::ErrorKind::NotFound)).collect()
}

/// Puts this record in the place of the one there may be. Durable when it returns. The caller has the claim of the
/// object's name.
pub(super) fn put_state(shared: &Shared, id: Id, record: &[u8]) -> io::Result<()> {
    match &shared.remote {
        Some(remote) if !file_store::is_published(shared, id) => remote.store.put_state(id, record),
        _ => file_store::put_state(shared, id, record),
    }
}

/// Forgets what has become of an object.
pub(super) fn forget_state(shared: &Shared, id: Id) {
    file_store::forget_state(shared, id);
    quietly(shared, id, |remote| remote.store.forget_state(id));
}

/// The record of what has become of an object that is there.
pub(super) fn standing(shared: &Shared, id: Id, sum: u64) -> io::Result<Vec<u8>> {
    or_else(shared, file_store::standing(shared, id, sum), |remote| remote.store.standing(id, sum))
}

/// Writes down what has become of an object that is there, beside what is written down already. Durable when it returns.
/// The caller has the claim of the object's name.
pub(super) fn put_standing(shared: &Shared, id: Id, sum: u64, record: &[u8]) -> io::Result<()> {
    match &shared.remote {
        Some(remote) if !file_store::is_published(shared, id) => remote.store.put_standing(id, sum, record),
        _ => file_store::put_standing(shared, id, sum, record),
    }
}

/// Forgets what had become of an object that is there.
pub(super) fn forget_standing(shared: &Shared, id: Id, sum: u64) {
    file_store::forget_standing(shared, id, sum);
    quietly(shared, id, |remote| remote.store.forget_standing(id, sum));
}

/// Moves records of this name that do not pass their checksum to `corrupt/`. A second one of an id takes nobody's place: its
/// name has its sum, too.
pub(super) fn set_state_aside(shared: &Shared, id: Id, path: &str) -> io::Result<()> {
    match file_store::set_state_aside(shared, id, path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let Some(remote) = &shared.remote else { return Ok(()) };
    let kind = aside_as(path, remote.store.is_aside(id, "state")?);
    remote.store.set_aside(id, path, &kind)
}

/// Removes envelope and body of a deleted object. What fails is done again by the next sweep, and by the next start.
pub(super) fn erase(shared: &Shared, id: Id) {
    file_store::erase(shared, id);
    let Some(remote) = &shared.remote else { return };
    remote.carriage.forget(id);
    if let Err(error) = remote.store.erase(id) {
        tracing::warn!(object = %id, %error, "not removed from the bucket: the next sweep tries again");
        locked(&remote.unerased).insert(id);
    }
}

/// Removes from the bucket what could not be removed before, and says how many of them are left.
pub(super) fn erase_again(shared: &Shared) -> usize {
    let Some(remote) = &shared.remote else { return 0 };
    let unerased = std::mem::take(&mut *locked(&remote.unerased));
    unerased.into_iter().for_each(|id| erase(shared, id));
    locked(&remote.unerased).len()
}

/// Makes durable what [`erase`] has done on the disk; in a bucket it is.
pub(super) fn settle_erasures(shared: &Shared) -> io::Result<()> {
    file_store::settle_erasures(shared)
}

/// Moves an object that does not pass its checks to `corrupt/`, where it is kept and never served.
pub(super) fn set_aside(shared: &Shared, id: Id) {
    let was_here = file_store::is_there(shared, id).unwrap_or(true);
    file_store::set_aside(shared, id);
    if !was_here {
        quietly(shared, id, |remote| remote.store.set_aside(id, &id.envelope(), "envelope"));
    }
}

/// What lies under `corrupt/`, by name.
pub(super) fn aside(shared: &Shared) -> io::Result<Vec<String>> {
    file_store::aside(shared)
}

/// Takes an envelope back whose commit was.
pub(super) fn retract(shared: &Shared, id: Id) -> io::Result<()> {
    file_store::retract(shared, id)?;
    shared.remote.as_ref().map_or(Ok(()), |remote| remote.store.retract(id))
}

fn or_else<T>(
    shared: &Shared,
    here: io::Result<T>,
    there: impl FnOnce(&super::remote::Remote) -> io::Result<T>,
) -> io::Result<T> {
    match (here, &shared.remote) {
        (Err(error), Some(remote)) if error.kind() == io::ErrorKind::NotFound => there(remote),
        (here, _) => here,
    }
}

fn quietly(shared: &Shared, id: Id, there: impl FnOnce(&super::remote::Remote) -> io::Result<()>) {
    if let Some(Err(error)) = shared.remote.as_ref().map(there) {
        tracing::warn!(object = %id, %error, "not removed from the bucket: it will be at the next start");
    }
}
