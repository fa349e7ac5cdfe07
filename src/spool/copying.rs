//! Copies: objects of their own with the same octets, which on a disk are not written again. The file system counts who
//! needs them: a body has a name for each of its objects, and goes with the last.

use std::io;
use std::sync::Arc;

use crate::model::limits::ENVELOPE_OCTETS;
use crate::model::{FileInfo, Now, ObjectUri, Wall};

use super::carry;
use super::catalog::{ask, enter, load, open_body};
use super::commit;
use super::envelope::{Envelope, of_copy};
use super::error::{CommitError, SpoolError, StageError};
use super::fates::standing;
use super::file_store;
use super::layout::Id;
use super::outcome::{Outcome, plain};
use super::receipt::Committed;
use super::remote::Report;
use super::routing;
use super::shared::{Live, Shared, locked};
use super::staging::{self, StagePlan};
use super::store::Body;

/// Octets that are in hand at once where they have to be written again.
const PIECE_OCTETS: usize = 256 * 1024;

/// Makes an object of that name, or of a name of its own in that box, with the octets of this one.
///
/// # Errors
/// [`SpoolError::Gone`] if there is nothing to copy; [`SpoolError::Held`] if an operator keeps it; [`SpoolError::Exists`],
/// [`SpoolError::Quota`], or the copy could not be made durable.
pub(super) fn copy(
    shared: &Arc<Shared>,
    object: &Committed,
    to: &ObjectUri,
    by: &str,
    now: Now,
) -> Result<Committed, SpoolError> {
    shared.writable()?;
    let clock = now.wall;
    let now = shared.dated(now);
    let gone = || SpoolError::Gone { id: object.envelope().id.clone() };
    let source = Id::parse(&object.envelope().id).ok_or_else(gone)?;
    let original = load(shared, source)?;
    let standing = standing(shared, source)?;
    if let Some(held) = standing.held {
        return Err(SpoolError::Held { id: source.to_string(), by: held.by });
    }
    if !standing.is_listed() {
        return Err(gone());
    }
    let copy = match linked(shared, source, original.envelope(), to, (now, clock))? {
        Some(copy) => copy,
        None => written_again(shared, source, original.envelope(), to, now)?,
    };
    let Envelope { id, uri, call_id, message_id, .. } = copy.envelope();
    tracing::info!(object = id, %uri, from = %original.envelope().uri, call_id, message_id, by, "copied");
    Ok(copy)
}

/// A second name for the body, and an envelope. `None` where that can't be: an encrypted body is bound to its id, a bucket
/// has one name for an object, and so have some file systems.
fn linked(
    shared: &Arc<Shared>,
    source: Id,
    original: &Envelope,
    to: &ObjectUri,
    (now, clock): (Now, Wall),
) -> Result<Option<Committed>, SpoolError> {
    let report = carry::report(shared, to.box_name());
    if original.is_encrypted() || shared.usage.is_encrypted(to.box_name()) || report == Report::Bucket {
        return Ok(None);
    }
    let _begun = shared.outcomes.begin(now.wall);
    let live = Live::new(shared, Id::mint(&mut locked(&shared.mint), now.wall));
    let id = live.id();
    let uri = if to.name().is_some() { to.clone() } else { to.with_name(id.as_str()).expect("an id is a legal name") };
    let _name = shared.claim(&uri);
    if ask(shared, |index| index.find(&uri))?.is_some() {
        return Err(SpoolError::Exists(uri));
    }
    let copy = Envelope {
        id: id.to_string(),
        uri,
        stored: now.wall,
        replaces: None,
        wrappers: of_copy(original.wrappers.clone()),
        ..original.clone()
    };
    let record = copy.encode(None);
    if record.len() > ENVELOPE_OCTETS {
        return Err(SpoolError::io("copying")(io::ErrorKind::FileTooLarge.into())); // its new name is too long for it
    }
    let share = shared.usage.promise(copy.uri.box_name(), copy.size())?;
    drop(open_body(shared, source, original)?);
    match file_store::link_body(shared, source, id) {
        Ok(()) => {}
        // It is in the bucket, or has as many names as may be, or can't have two.
        Err(_) if shared.failure().is_none() => {
            shared.remove_quietly(&id.body());
            return Ok(None);
        }
        Err(error) => return Err(SpoolError::io("copying")(error)),
    }
    let routed = routing::prepare(shared, id, &copy, (report, None, clock)).and_then(|routed| {
        match file_store::put_envelope(shared, id, &record) {
            Ok(()) => Ok(routed),
            Err(error) => {
                routed.into_iter().for_each(|routed| routed.withdraw(shared));
                Err(error)
            }
        }
    });
    let routed = routed.map_err(|error| {
        shared.remove_quietly(&id.envelope());
        shared.remove_quietly(&id.body());
        shared.note("copying", &error);
        SpoolError::io("copying")(error)
    })?;
    share.settle(copy.size());
    if let Err(error) = enter(shared, &copy) {
        tracing::error!(object = %id, %error, "copied, but not in the index");
    }
    shared.outcomes.tell(Outcome::Stored(Box::new(plain(&copy))));
    if let Some(routed) = routed {
        routed.publish(shared);
    }
    if let (Report::DiskThenBucket, Some(remote)) = (report, &shared.remote) {
        remote.carriage.follow(id);
    }
    Ok(Some(Committed::published(copy)))
}

/// The octets of the file once more, as if they had arrived.
fn written_again(
    shared: &Arc<Shared>,
    source: Id,
    original: &Envelope,
    to: &ObjectUri,
    now: Now,
) -> Result<Committed, SpoolError> {
    let body = Body::new(open_body(shared, source, original)?, original);
    let declared =
        FileInfo { size: Some(original.size()), digests: original.file.digests.clone(), ..FileInfo::default() };
    let plan = StagePlan { declared: declared.clone(), ..StagePlan::new(to.clone()) };
    let mut stage = staging::begin(shared, plan, now).map_err(refused)?;
    let (mut at, mut piece) = (0, vec![0; PIECE_OCTETS]);
    while at < original.size() {
        match body.read_at(at, &mut piece)? {
            0 => return Err(SpoolError::io("copying")(io::ErrorKind::UnexpectedEof.into())),
            octets => {
                stage.write(at, &piece[..octets]).map_err(refused)?;
                at += octets as u64;
            }
        }
    }
    let sealed = stage.seal(at, &declared).map_err(|error| SpoolError::io("copying")(io::Error::other(error)))?;
    commit::publish(sealed, original.clone().into(), now).map_err(|error| match error {
        CommitError::Exists(uri) | CommitError::Held(uri) => SpoolError::Exists(uri),
        CommitError::Spool(error) => error,
        error => SpoolError::io("copying")(io::Error::other(error)),
    })
}

fn refused(error: StageError) -> SpoolError {
    match error {
        StageError::Exists(uri) => SpoolError::Exists(uri),
        StageError::Quota(over) => SpoolError::Quota(over),
        StageError::Spool(error) => error,
        StageError::Full { .. } => SpoolError::io("copying")(io::ErrorKind::StorageFull.into()),
        error => SpoolError::io("copying")(io::Error::other(error)),
    }
}
