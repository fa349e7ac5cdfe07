//! The commit point and the end of an object, each a fixed order of steps of which every prefix is safe.

use std::io;

use serde::{Deserialize, Serialize};

use crate::model::limits::ENVELOPE_OCTETS;
use crate::model::{Now, Wall};

use super::ballast;
use super::carry;
use super::catalog::{ask, enter, forget, load, read_envelope};
use super::envelope::{Envelope, EnvelopeDraft, Facts};
use super::error::{CommitError, SpoolError, is_full};
use super::layout::Id;
use super::objects;
use super::receipt::{Committed, Sealed};
use super::record::{self, Kind, Unreadable};
use super::remote::Report;
use super::settle::settle;
use super::shared::{Shared, locked};

/// Publishes a sealed file.
///
/// # Errors
/// Each says what becomes of the octets.
pub(super) fn publish(mut sealed: Sealed, draft: EnvelopeDraft, now: Now) -> Result<Committed, CommitError> {
    let shared = &sealed.live.shared().clone();
    let id = sealed.live.id();
    shared.writable()?;
    let name = shared.claim(&sealed.object);
    let replaces = ask(shared, |index| index.find(&sealed.object))?;
    if replaces.is_some() && !sealed.overwrite {
        discard(shared, &mut sealed);
        return Err(CommitError::Exists(sealed.object.clone()));
    }
    let facts = Facts {
        id,
        uri: sealed.object.clone(),
        offset: sealed.offset,
        size: sealed.size,
        sha1: sealed.sha1,
        sha256: sealed.sha256,
        stored: now.wall,
        replaces,
    };
    let key = sealed.arrival.as_ref().and_then(|arrival| arrival.key.clone());
    let mut key = key.as_deref().map(|key| (key, locked(&shared.mint).fork()));
    let made = Envelope::new(draft, facts, key.as_mut().map(|(key, mint)| (*key, mint)));
    let Some((mut envelope, record)) = made else {
        discard(shared, &mut sealed);
        return Err(CommitError::EnvelopeTooLarge { limit: ENVELOPE_OCTETS });
    };
    let arrival = sealed.arrival.take().expect("a sealed file has its octets");
    let report = carry::report(shared, envelope.uri.box_name());
    let (mut arrival, settled) = match report {
        Report::Bucket => {
            // What is uploaded is read from the disk: octets that it could not write may come back as others, and only a sync
            // says so.
            let written = shared.sync(arrival.file.as_ref());
            let settled = written.and_then(|()| settle_in_bucket(shared, id, &mut envelope, &record));
            (arrival, settled)
        }
        Report::Disk | Report::DiskThenBucket => {
            let (arrival, settled) = settle(shared, arrival, &record);
            (arrival, settled.inspect_err(|_| undo(shared, id)))
        }
    };
    if let Err(error) = settled {
        arrival.broken = is_full(&error);
        sealed.arrival = Some(arrival); // it waits for its sender
        let (call_id, message_id) = (envelope.call_id.as_deref(), envelope.message_id.as_deref());
        tracing::warn!(object = %id, call_id, message_id, %error, "not committed");
        shared.note("committing", &error);
        return Err(if is_full(&error) { CommitError::Full } else { SpoolError::io("committing")(error).into() });
    }
    match (report, &shared.remote) {
        (Report::Bucket, _) => {
            shared.remove_stage(id);
            shared.remove_quietly(&id.upload());
        }
        // The journal has the wrapped key, too: a deletion could not take it along any more.
        _ if arrival.journal.is_some() && arrival.key.is_some() => shared.shred(id, &id.journal()),
        _ if arrival.journal.is_some() => shared.remove_quietly(&id.journal()),
        _ => {}
    }
    if let (Report::DiskThenBucket, Some(remote)) = (report, &shared.remote) {
        remote.carriage.follow(id);
    }
    // It is committed: from here on nothing may fail any more, only be left to the next start.
    match arrival.share.take() {
        Some(share) => share.settle(sealed.size),
        None => shared.usage.enter(envelope.uri.box_name(), sealed.size),
    }
    if let Err(error) = enter(shared, &envelope) {
        tracing::error!(object = %id, %error, "committed, but not in the index");
    }
    if let Some(replaced) = replaces
        && let Err(error) = bury(shared, replaced, REPLACED, now.wall)
    {
        tracing::warn!(object = %replaced, by = %id, %error, "replaced, but not yet removed");
    }
    drop(name);
    Ok(Committed::published(envelope))
}

/// Publishes in the bucket: body, and then envelope. What the bucket leaves open is not taken back but settled by the next
/// try of this stage, or by the next start. If the try before has got through after all, its envelope is the one.
fn settle_in_bucket(shared: &Shared, id: Id, envelope: &mut Envelope, record: &[u8]) -> io::Result<()> {
    let Some(remote) = &shared.remote else { return Err(io::ErrorKind::Unsupported.into()) };
    match carry::publish(shared, remote, id, record) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = read_envelope(shared, id)?.map_err(|_| error)?;
            if (&there.uri, there.sha256(), there.offset) != (&envelope.uri, envelope.sha256(), envelope.offset) {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another object has this id in the bucket"));
            }
            *envelope = there;
            Ok(())
        }
        settled => settled,
    }
}

/// Takes back what an unfinished commit has done, as far as the disk lets us; recovery does the rest.
fn undo(shared: &Shared, id: Id) {
    shared.remove_quietly(&id.envelope());
    shared.remove_quietly(&id.envelope_draft());
    match shared.files.rename(&id.body(), &id.stage()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(object = %id, %error, "not taken back"),
        _ => {}
    }
}

fn discard(shared: &Shared, sealed: &mut Sealed) {
    sealed.arrival = None;
    shared.remove_stage(sealed.live.id());
}

/// What has become of an object.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) state: String,
    #[serde(default)]
    pub(super) by: String,
    #[serde(default)]
    pub(super) at: u64,
}

/// The state that outlives its object.
pub(super) const DELETED: &str = "deleted";

/// Who deletes an object whose name was given to another.
pub(super) const REPLACED: &str = "replaced";

impl State {
    pub(super) fn decode(octets: &[u8]) -> Result<Self, Unreadable> {
        serde_json::from_slice(record::decode(Kind::State, octets)?).map_err(|_| Unreadable::Damaged)
    }
}

/// Ends an object: first the durable word that it is deleted and by whom, then the files. An object it replaced and that
/// could not be removed then goes before it, or it would come back.
///
/// # Errors
/// [`SpoolError`] if the word could not be made durable; the object is then still there.
pub(super) fn bury(shared: &Shared, id: Id, by: &str, at: Wall) -> Result<(), SpoolError> {
    shared.writable()?;
    let mut line = vec![id];
    let mut last = id;
    while let Some(older) = replaced_by(shared, last)?.filter(|older| !line.contains(older)) {
        line.push(older);
        last = older;
    }
    for (generation, id) in line.into_iter().enumerate().rev() {
        let by = if generation == 0 { by } else { REPLACED };
        write_tombstone(shared, id, by, at).map_err(|error| {
            shared.note("writing down a deletion", &error);
            SpoolError::io("writing down a deletion")(error)
        })?;
        remove_buried(shared, id);
    }
    ballast::take_in(shared);
    Ok(())
}

/// The object that the published object `id` took the place of, if it is still there.
fn replaced_by(shared: &Shared, id: Id) -> Result<Option<Id>, SpoolError> {
    let envelope = |id| match read_envelope(shared, id) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(SpoolError::io("reading an envelope")),
    };
    let Some(Ok(Envelope { replaces: Some(older), .. })) = envelope(id)? else { return Ok(None) };
    let Some(older) = Id::parse(&older) else { return Ok(None) };
    Ok(envelope(older)?.map(|_| older))
}

fn write_tombstone(shared: &Shared, id: Id, by: &str, at: Wall) -> io::Result<()> {
    let state = State { state: DELETED.to_owned(), by: by.to_owned(), at: at.micros() };
    let json = serde_json::to_vec(&state).expect("a state is strings and numbers");
    objects::put_state(shared, id, &record::encode(Kind::State, &json))
}

/// Removes the files of an object that is deleted. What fails is done again at the next start.
pub(super) fn remove_buried(shared: &Shared, id: Id) {
    objects::erase(shared, id);
    if let Err(error) = forget(shared, id) {
        tracing::error!(object = %id, %error, "deleted, but still in the index");
    }
}

/// Deletes an object by the wish of `by`.
///
/// # Errors
/// [`SpoolError::Gone`] if somebody else was faster, or as [`bury`].
pub(super) fn delete(shared: &Shared, object: &Committed, by: &str, at: Wall) -> Result<(), SpoolError> {
    let envelope = object.envelope();
    let id = Id::parse(&envelope.id).ok_or_else(|| SpoolError::Gone { id: envelope.id.clone() })?;
    let _name = shared.claim(&envelope.uri);
    load(shared, id)?;
    bury(shared, id, by, at)
}
