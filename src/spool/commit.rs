//! The commit point: a fixed order of steps of which every prefix is safe.

use std::io;

use crate::model::limits::ENVELOPE_OCTETS;
use crate::model::{Now, Wall};

use super::came::Came;
use super::carry;
use super::catalog::{ask, enter, load, read_envelope};
use super::envelope::{Envelope, EnvelopeDraft, Facts};
use super::error::{CommitError, SpoolError, is_full};
use super::fates::{REPLACED, end, has_ended, may_be_replaced};
use super::layout::{Id, QUEUED, STAGE};
use super::outcome::{Outcome, plain};
use super::receipt::{Committed, Sealed};
use super::remote::Report;
use super::routing;
use super::settle::settle;
use super::shared::{Shared, locked};

/// Publishes a sealed file.
///
/// # Errors
/// Each says what becomes of the octets.
pub(super) fn publish(mut sealed: Sealed, mut draft: EnvelopeDraft, now: Now) -> Result<Committed, CommitError> {
    let shared = &sealed.live.shared().clone();
    let (clock, hops) = (now.wall, draft.hops);
    let now = shared.dated(now);
    // Whoever said until when it is wanted has read the same clock.
    draft.expires = draft.expires.map(|expires| expires.after(now.wall.since(clock)));
    let id = sealed.live.id();
    shared.writable()?;
    let _begun = shared.outcomes.begin(now.wall);
    let came_under = sealed.arrival.as_ref().and_then(|arrival| arrival.plan.resume.clone());
    let _alone = came_under.as_ref().map(|key| shared.repeating.claim(key));
    if let Some(before) = committed_before(shared, &sealed)? {
        return again(shared, sealed, draft, before);
    }
    let name = shared.claim(&sealed.object);
    let replaces = ask(shared, |index| index.find(&sealed.object))?;
    if replaces.is_some() && !sealed.overwrite {
        discard(shared, &mut sealed);
        return Err(CommitError::Exists(sealed.object.clone()));
    }
    if let Some(replaced) = replaces
        && !may_be_replaced(shared, replaced)?
    {
        discard(shared, &mut sealed);
        return Err(CommitError::Held(sealed.object.clone()));
    }
    let facts = facts(&sealed, id, now.wall, replaces);
    let key = sealed.arrival.as_ref().and_then(|arrival| arrival.key.clone());
    let mut key = key.as_deref().map(|key| (key, locked(&shared.mint).fork()));
    let made = Envelope::new(draft, facts, key.as_mut().map(|(key, mint)| (*key, mint)));
    let Some((mut envelope, record)) = made else {
        discard(shared, &mut sealed);
        return Err(CommitError::EnvelopeTooLarge { limit: ENVELOPE_OCTETS });
    };
    let arrival = sealed.arrival.take().expect("a sealed file has its octets");
    let report = carry::report(shared, envelope.uri.box_name());
    let (routed, unwritten) = match routing::prepare(shared, id, &envelope, (report, hops, clock)) {
        Ok(routed) => (routed, None),
        Err(error) => (None, Some(error)),
    };
    let (mut arrival, settled) = match (report, unwritten) {
        (_, Some(error)) => (arrival, Err(error)),
        (Report::Bucket, None) => {
            // What is uploaded is read from the disk: octets that it could not write may come back as others, and only a sync
            // says so.
            let written = shared.sync(arrival.file.as_ref());
            let settled = written.and_then(|()| settle_in_bucket(shared, id, &mut envelope, &record));
            (arrival, settled)
        }
        (Report::Disk | Report::DiskThenBucket, None) => {
            let (arrival, settled) = settle(shared, arrival, &record);
            (arrival, settled.inspect_err(|_| undo(shared, id)))
        }
    };
    if let Err(error) = settled {
        // What the bucket leaves open may be there after all.
        routed.filter(|_| report != Report::Bucket).into_iter().for_each(|routed| routed.withdraw(shared));
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
    shared.outcomes.tell(Outcome::Stored(Box::new(plain(&envelope))));
    if let Some(routed) = routed {
        routed.publish(shared);
    }
    if let Some(replaced) = replaces
        && let Err(error) = end(shared, replaced, REPLACED, now.wall)
    {
        tracing::warn!(object = %replaced, by = %id, %error, "replaced, but not yet removed");
    }
    if let Some(key) = &came_under {
        locked(&shared.repeats).enter(key, id);
    }
    drop(name);
    Ok(Committed::published(envelope))
}

fn facts(sealed: &Sealed, id: Id, stored: Wall, replaces: Option<Id>) -> Facts {
    // A minted name is the object's id.
    let minted = sealed.object.name() == Some(sealed.live.id().as_str());
    let named = minted.then(|| sealed.object.with_name(id.as_str()).expect("an id is a legal name"));
    let Sealed { object, offset, size, sha1, sha256, .. } = sealed;
    let (offset, size, sha1, sha256) = (*offset, *size, *sha1, *sha256);
    Facts { id, uri: named.unwrap_or_else(|| object.clone()), offset, size, sha1, sha256, stored, replaces }
}

/// Answers a sender that has missed the report of what it brings once more. Nobody is given that twice.
fn again(shared: &Shared, mut sealed: Sealed, draft: EnvelopeDraft, before: Before) -> Result<Committed, CommitError> {
    discard(shared, &mut sealed);
    match before {
        Before::There(object) => {
            tracing::info!(object = %object.envelope().id, message_id = draft.message_id, "came again, and is there already");
            Ok(object)
        }
        Before::Ended(id) => {
            tracing::info!(object = %id, message_id = draft.message_id, "came again, and was fetched or has ended already");
            let facts = facts(&sealed, id, id.minted(), None);
            let made = Envelope::new(draft, facts, None);
            made.map(|(envelope, _)| Committed::published(envelope))
                .ok_or(CommitError::EnvelopeTooLarge { limit: ENVELOPE_OCTETS })
        }
    }
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

/// Takes back what an unfinished commit has done, as far as the disk lets us; recovery does the rest. Its sender is told
/// that it has failed, so a power cut must not bring the envelope again: that it is gone is synced, and if that can't be,
/// nothing more is taken.
fn undo(shared: &Shared, id: Id) {
    shared.remove_quietly(&id.envelope());
    shared.remove_quietly(&id.envelope_draft());
    match shared.files.rename(&id.body(), &id.stage()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(object = %id, %error, "not taken back"),
        _ => {}
    }
    for dir in [QUEUED, STAGE, &id.shard()] {
        if let Err(error) = shared.sync_dir(dir) {
            tracing::warn!(object = %id, dir, %error, "taken back, but not for good");
        }
    }
}

fn discard(shared: &Shared, sealed: &mut Sealed) {
    sealed.arrival = None;
    shared.remove_stage(sealed.live.id());
}

/// What this file has become already: the same octets under the same key.
fn committed_before(shared: &Shared, sealed: &Sealed) -> Result<Option<Before>, SpoolError> {
    let key = sealed.arrival.as_ref().and_then(|arrival| arrival.plan.resume.as_ref());
    let known = key.and_then(|key| Some((key, locked(&shared.repeats).of(key)?)));
    let Some((key, id)) = known else { return Ok(None) };
    let object = match load(shared, id) {
        Ok(object) => object,
        Err(SpoolError::Gone { .. }) => {
            let came = Came::new(key.clone(), &sealed.sha256(), sealed.offset);
            let ended = has_ended(shared, id, &came).map_err(SpoolError::io("reading a state"))?;
            return Ok(ended.then_some(Before::Ended(id)));
        }
        Err(error) => return Err(error),
    };
    let envelope = object.envelope();
    let is_same = envelope.uri.box_name() == sealed.object.box_name()
        && *envelope.sha256() == sealed.sha256()
        && envelope.offset == sealed.offset;
    Ok(is_same.then_some(Before::There(object)))
}

/// An object that came before.
enum Before {
    /// It is there, if only for as long as it can still be brought back.
    There(Committed),
    /// It is at its end.
    Ended(Id),
}
