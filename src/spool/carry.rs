//! Carrying octets into the bucket, one part at a time: of bodies that still arrive, and of objects that follow.

use std::io;
use std::time::Duration;

use super::carriage::Task;
use super::catalog::{ask, read_envelope};
use super::envelope::Envelope;
use super::error::SpoolError;
use super::file_store;
use super::files::Mode;
use super::layout::Id;
use super::remote::{Remote, Report};
use super::shared::Shared;
use super::survey::Survey;
use super::upload::Route;

/// What a call of [`super::Spool::carry`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// There was nothing to do.
    Nothing,
    /// One part, or one object that has followed.
    Something,
    /// The bucket or the disk failed: whoever carries should wait a little.
    Failed,
}

/// Takes something that is due, waiting for it at most for `patience`, and carries it one step further.
pub(super) fn carry(shared: &Shared, patience: Duration) -> Carried {
    let Some(remote) = &shared.remote else { return Carried::Nothing };
    let Some(task) = remote.carriage.take(patience) else {
        if remote.store.trouble().is_some() {
            remote.store.knock();
        }
        return Carried::Nothing;
    };
    let carried = if task.follows { follow(shared, remote, &task) } else { stream(shared, remote, &task) };
    match carried {
        Ok(due) => {
            remote.carriage.done(task.id, due);
            Carried::Something
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_gone(shared, &task) => {
            remote.carriage.forget(task.id);
            Carried::Something
        }
        Err(error) => {
            tracing::warn!(object = %task.id, %error, "not yet in the bucket");
            remote.carriage.done(task.id, None);
            Carried::Failed
        }
    }
}

/// Committed, deleted or given up meanwhile. Else it is the bucket that has lost something.
fn is_gone(shared: &Shared, task: &Task) -> bool {
    let path = if task.follows { task.id.envelope() } else { task.id.stage() };
    file_store::exists(shared, &path).is_ok_and(|is_there| !is_there)
}

pub(super) fn route<'a>(shared: &'a Shared, remote: &'a Remote) -> Route<'a> {
    Route { files: shared.files.as_ref(), store: &remote.store }
}

/// The next part of a body that still arrives. Returns from how many octets on there is another.
fn stream(shared: &Shared, remote: &Remote, task: &Task) -> io::Result<Option<u64>> {
    let body = shared.files.open(&task.id.stage(), Mode::Read)?;
    let mut upload = task.upload();
    upload.step(route(shared, remote), body.as_ref(), task.settled)?;
    Ok(Some(upload.uploaded() + upload.part_octets()))
}

/// The next part of an object that is committed on the disk, or its arrival in the bucket.
fn follow(shared: &Shared, remote: &Remote, task: &Task) -> io::Result<Option<u64>> {
    let id = task.id;
    let record = file_store::envelope(shared, id)?;
    let body = file_store::body(shared, id)?;
    let total = body.size()?;
    let mut upload = task.upload();
    upload.declare(total);
    if upload.step(route(shared, remote), body.as_ref(), total)? {
        return Ok(None);
    }
    upload.finish(route(shared, remote), body.as_ref(), total)?;
    drop(upload);
    match read_envelope(shared, id)? {
        Ok(envelope) => hand_over(shared, remote, id, &envelope, &record)?,
        Err(why) => tracing::error!(object = %id, ?why, "not taken into the bucket: its envelope can't be read"),
    }
    remote.carriage.forget(id);
    Ok(None)
}

/// From here on the bucket has the object, and the disk does not. Until the last line both may, and say the same.
fn hand_over(shared: &Shared, remote: &Remote, id: Id, envelope: &Envelope, record: &[u8]) -> io::Result<()> {
    let _name = shared.claim(&envelope.uri);
    if !file_store::exists(shared, &id.envelope())? {
        return remote.store.delete_body(id); // deleted while it was on its way
    }
    match file_store::state(shared, id) {
        Ok(state) => remote.store.put_state(id, &state)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let standing = ask(shared, |index| index.standing(id)).map_err(io::Error::other)?;
    if let Some((sum, _)) = standing {
        match file_store::standing(shared, id, sum) {
            Ok(record) => remote.store.put_standing(id, sum, &record)?,
            // It was handed over before, and has left the disk with the envelope that a power cut has brought back.
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(remote.store.standing(id, sum)?),
            Err(error) => return Err(error),
        }
    }
    match remote.store.publish(id, record) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = Envelope::decode(id, &remote.store.envelope(id)?, &shared.keys);
            if !there.is_ok_and(|there| there.is_of_object(envelope)) {
                return Err(error);
            }
            remote.store.put_envelope(id, record)?; // its key was wrapped anew before it left the disk
        }
        published => published?,
    }
    file_store::erase(shared, id);
    file_store::forget_state(shared, id);
    standing.into_iter().for_each(|(sum, _)| file_store::forget_standing(shared, id, sum));
    shared.remove_quietly(&id.upload());
    tracing::debug!(object = %id, "in the bucket");
    Ok(())
}

/// Publishes a sealed stage in the bucket. The local octets are still there afterwards.
///
/// # Errors
/// As reported. [`io::ErrorKind::AlreadyExists`] if an earlier try of the same stage got through after all.
pub(super) fn publish(shared: &Shared, remote: &Remote, id: Id, record: &[u8]) -> io::Result<()> {
    let body = shared.files.open(&id.stage(), Mode::Read)?;
    let total = body.size()?;
    let task = remote.carriage.claim(id, total);
    task.upload().finish(route(shared, remote), body.as_ref(), total)?;
    remote.store.publish(id, record)
}

/// Lets those objects follow into the bucket that an earlier process did not bring there. What is there already leaves
/// the disk.
///
/// # Errors
/// [`SpoolError::Index`], [`SpoolError::Io`].
pub(super) fn let_follow(shared: &Shared, survey: &Survey) -> Result<(), SpoolError> {
    let Some(remote) = &shared.remote else { return Ok(()) };
    for (id, traces) in survey.ids() {
        if traces.remote && traces.envelope != traces.body {
            file_store::erase(shared, id); // it had left, but for a part that a power cut brought back
            continue;
        }
        if !traces.envelope {
            continue;
        }
        let Some(mailbox) = ask(shared, |index| index.mailbox(id))? else { continue };
        if traces.remote || remote.report(&mailbox) == Report::DiskThenBucket {
            remote.carriage.follow(id);
        }
    }
    Ok(())
}

/// How objects of this box are reported.
pub(super) fn report(shared: &Shared, mailbox: &str) -> Report {
    shared.remote.as_ref().map_or(Report::Disk, |remote| remote.report(mailbox))
}
