//! What may be done with an object that is there, and how it ends. Each step is one record that is replaced whole.
//!
//! ```text
//!            mark, hold, release
//!               +--------+
//!               v        |   delete                  the grace of its class is over
//!   commit --> stored ---+-----------> deleted ----------------+--> ended: the tombstone, then the files
//!               |  ^                      |                    |
//!               |  +------ undelete ------+                    |
//!               +----------------------> expired --------------+
//!                 its time is over              after the notice of its class
//! ```
//! Who holds an object, be it an operator or the law, stands before every way that leads to the right.

use std::io;
use std::time::Duration;

use crate::model::limits::ENVELOPE_OCTETS;
use crate::model::{Now, Wall};

use super::ballast;
use super::came::Came;
use super::catalog::{ask, forget, load, read_envelope, stand};
use super::envelope::Envelope;
use super::error::SpoolError;
use super::layout::Id;
use super::locked::locked;
use super::news::BoxEvent;
use super::objects;
use super::receipt::Committed;
use super::record::Unreadable;
use super::shared::{Shared, Unsure};
use super::standing::{Deed, Fate, Hold, Mark, Standing, Tombstone, Written};

/// A change of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its reader has got so far.
    Mark(Mark),
    /// Its reader has got it: it is new no more.
    Read,
    /// Its reader should not wait, or may.
    Urgent(bool),
    /// Somebody holds it.
    Hold(Hold),
    /// The hold of this kind is over.
    Release(Hold),
    /// It is deleted, and can be brought back for as long as its class says.
    Delete,
    /// It ends at once, deleted before or not.
    Purge,
    /// It was deleted, and shall not be.
    Undelete,
    /// Its time is over, whatever its class says.
    Expire,
}

/// Why an object was replaced is no deed of anybody.
pub(super) const REPLACED: &str = "replaced";

/// What has become of an object since its commit.
///
/// # Errors
/// [`SpoolError::Index`].
pub(super) fn standing(shared: &Shared, id: Id) -> Result<Standing, SpoolError> {
    Ok(written(shared, id)?.map(|(_, written)| written.standing).unwrap_or_default())
}

fn written(shared: &Shared, id: Id) -> Result<Option<(u64, Written)>, SpoolError> {
    ask(shared, |index| index.standing(id))
}

/// Changes an object by the wish of `by`.
///
/// # Errors
/// [`SpoolError::Gone`], [`SpoolError::Held`], [`SpoolError::Exists`] and [`SpoolError::Quota`] of an undeletion, or the
/// change could not be made durable.
pub(super) fn change(
    shared: &Shared,
    object: &Committed,
    change: Change,
    by: &str,
    now: Now,
) -> Result<Standing, SpoolError> {
    shared.writable()?;
    let now = shared.dated(now);
    let _begun = shared.outcomes.begin(now.wall);
    let envelope = object.envelope();
    let id = Id::parse(&envelope.id).ok_or_else(|| SpoolError::Gone { id: envelope.id.clone() })?;
    let _name = shared.claim(&envelope.uri);
    load(shared, id)?;
    let before = standing(shared, id)?;
    let deed = Deed { by: by.to_owned(), at: now.wall };
    let after = match next(shared, envelope, &before, change, deed)? {
        Next::End => {
            end(shared, id, by, now.wall)?;
            log(envelope, change, by);
            return Ok(Standing { fate: Fate::Deleted, ..before });
        }
        Next::Standing(after) => *after,
    };
    if after != before {
        put(shared, id, envelope, &after)?;
        log(envelope, change, by);
        if after.fate == Fate::Expired && before.fate != Fate::Expired {
            shared.usage.tell(expired(envelope, by, now.wall));
        }
    }
    Ok(after)
}

fn expired(envelope: &Envelope, why: &str, at: Wall) -> BoxEvent {
    BoxEvent::Expired {
        id: envelope.id.clone(),
        uri: envelope.uri.clone(),
        octets: envelope.size(),
        why: why.to_owned(),
        at,
    }
}

fn log(envelope: &Envelope, change: Change, by: &str) {
    let Envelope { id, uri, call_id, message_id, .. } = envelope;
    tracing::info!(object = id, %uri, call_id, message_id, by, ?change, "changed");
}

enum Next {
    Standing(Box<Standing>),
    End,
}

fn next(
    shared: &Shared,
    envelope: &Envelope,
    before: &Standing,
    change: Change,
    deed: Deed,
) -> Result<Next, SpoolError> {
    let mut after = before.clone();
    let ends = matches!(change, Change::Delete | Change::Purge | Change::Expire);
    if let (true, Some(Deed { by, .. })) = (ends, before.holder()) {
        return Err(SpoolError::Held { id: envelope.id.clone(), by: by.clone() });
    }
    match change {
        Change::Mark(mark) => (after.mark, after.marked) = (mark, Some(deed)),
        Change::Read if before.mark == Mark::New => (after.mark, after.marked) = (Mark::Seen, Some(deed)),
        Change::Read => {}
        Change::Urgent(urgent) => after.urgent = urgent,
        Change::Hold(Hold::Operator) => _ = after.held.get_or_insert(deed),
        Change::Hold(Hold::Legal) => _ = after.legal.get_or_insert(deed),
        Change::Release(Hold::Operator) => after.held = None,
        Change::Release(Hold::Legal) => after.legal = None,
        Change::Purge => return Ok(Next::End),
        Change::Delete if shared.usage.keep(envelope.uri.box_name()).undelete == Duration::ZERO => {
            return Ok(Next::End);
        }
        Change::Delete if before.fate == Fate::Deleted => {}
        Change::Delete => (after.fate, after.ended) = (Fate::Deleted, Some(deed)),
        Change::Expire if before.fate == Fate::Stored => (after.fate, after.ended) = (Fate::Expired, Some(deed)),
        Change::Expire => {}
        Change::Undelete if before.is_listed() => {}
        Change::Undelete => {
            if ask(shared, |index| index.find(&envelope.uri))?.is_some() {
                return Err(SpoolError::Exists(envelope.uri.clone()));
            }
            (after.fate, after.ended) = (Fate::Stored, None);
        }
    }
    Ok(Next::Standing(Box::new(after)))
}

/// Writes down what has become of an object, and has its box count it or not. Who comes back needs room first.
pub(super) fn put(shared: &Shared, id: Id, envelope: &Envelope, after: &Standing) -> Result<(), SpoolError> {
    let (mailbox, octets) = (envelope.uri.box_name(), envelope.size());
    let unsure = unsettled(shared, id)?;
    let before = written(shared, id)?;
    let (old, Written { turn, standing: before }) =
        before.map_or_else(Default::default, |(sum, written)| (Some(sum), written));
    let turn = turn.max(unsure); // of two records of one turn a start could not tell the later
    let comes_back = after.is_listed() && !before.is_listed();
    let share = comes_back.then(|| shared.usage.promise(mailbox, octets)).transpose()?;
    let written = Written { turn: turn + 1, standing: after.clone() };
    let (sum, record) = written.encode();
    if record.len() > ENVELOPE_OCTETS {
        return Err(SpoolError::TooMuch { id: id.to_string(), limit: ENVELOPE_OCTETS }); // it could not be read again
    }
    if let Err(error) = objects::put_standing(shared, id, sum, &record) {
        locked(&shared.unsure).insert(id, Unsure::Turn(written.turn));
        return Err(not_written(shared)(error));
    }
    locked(&shared.unsure).remove(&id);
    if let Some(share) = share {
        share.settle(octets);
    }
    let entered = stand(shared, id, sum, &written);
    shared.stir.changed(mailbox);
    shared.outcomes.tell_of(envelope, &before, after);
    entered?;
    old.into_iter().for_each(|old| objects::forget_standing(shared, id, old));
    Ok(())
}

/// The turn of a record that may be there though nobody was told so; 0 if there is none.
///
/// # Errors
/// [`SpoolError::Gone`] if its end was written down after all, and is now finished.
fn unsettled(shared: &Shared, id: Id) -> Result<u64, SpoolError> {
    let unsure = locked(&shared.unsure).get(&id).copied();
    match unsure {
        None => Ok(0),
        Some(Unsure::Turn(turn)) => Ok(turn),
        Some(Unsure::End) => {
            let records = objects::all_states(shared, id).map_err(SpoolError::io("reading a state"))?;
            if records.iter().any(|record| matches!(Tombstone::decode(record), Ok(Some(_)))) {
                remove_buried(shared, id);
                return Err(SpoolError::Gone { id: id.to_string() });
            }
            Ok(0)
        }
    }
}

/// A start learns what has become of an object from the records there are of it, of which the last one counts. If none
/// can be read it is held: it may have been, or it may be deleted, and nobody can say.
///
/// # Errors
/// [`SpoolError::Io`] if the disk can't be read or written.
pub(super) fn restand(shared: &Shared, id: Id, sums: impl Iterator<Item = u64>, at: Wall) -> Result<(), SpoolError> {
    let (mut last, mut others, mut damaged) = (None::<(u64, Written)>, Vec::new(), Vec::new());
    for sum in sums {
        let read = match objects::standing(shared, id, sum) {
            Ok(octets) => Written::decode(sum, &octets),
            Err(error) if matches!(error.kind(), io::ErrorKind::FileTooLarge | io::ErrorKind::UnexpectedEof) => {
                Err(Unreadable::Damaged)
            }
            Err(error) => return Err(SpoolError::io("reading a state")(error)),
        };
        match read {
            Ok(written) if last.as_ref().is_none_or(|(_, last)| last.turn < written.turn) => {
                others.extend(last.replace((sum, written)).map(|(sum, _)| sum));
            }
            Ok(_) => others.push(sum),
            // It waits for that release, or for a change that somebody wants here.
            Err(Unreadable::Newer) => {
                return ask(shared, |index| index.stand(id, sum, &held(Written::default(), "a later release", at)))
                    .map(drop);
            }
            Err(Unreadable::Damaged) => {
                tracing::error!(object = %id, "the state does not pass its checksum");
                damaged.push(sum);
            }
        }
    }
    if !damaged.is_empty() {
        // The damaged one may have been the last. What an older one says may be over: nobody but an operator can tell.
        let before = last.map_or_else(Written::default, |(sum, written)| {
            others.push(sum);
            written
        });
        let written = held(before, "restante: what had become of it is damaged", at);
        let (sum, record) = written.encode();
        objects::put_standing(shared, id, sum, &record).map_err(not_written(shared))?;
        last = Some((sum, written));
    }
    // Only when the hold is written down: a start that is interrupted in between finds them again.
    for sum in damaged {
        objects::set_state_aside(shared, id, &id.standing(sum)).map_err(SpoolError::io("moving a damaged state"))?;
    }
    others.into_iter().for_each(|sum| objects::forget_standing(shared, id, sum));
    match last {
        Some((sum, written)) => ask(shared, |index| index.stand(id, sum, &written)).map(drop), // all is counted later
        None => ask(shared, |index| index.unstand(id)),
    }
}

fn held(before: Written, by: &str, at: Wall) -> Written {
    let Written { turn, standing } = before;
    let held = standing.held.clone().or_else(|| Some(Deed { by: by.to_owned(), at }));
    Written { turn: turn + 1, standing: Standing { held, ..standing } }
}

/// Expires an object, or ends one that has expired or was deleted, by what time has brought. Says no if something has
/// changed since the sweep looked.
///
/// # Errors
/// As [`change`].
pub(super) fn pass(shared: &Shared, id: Id, seen: &Standing, why: &str, at: Wall) -> Result<bool, SpoolError> {
    let Ok(Ok(envelope)) = read_envelope(shared, id) else { return Ok(false) };
    let _name = shared.claim(&envelope.uri);
    let is_there = read_envelope(shared, id).is_ok_and(|read| read.is_ok());
    if !is_there || standing(shared, id)? != *seen {
        return Ok(false);
    }
    let Envelope { uri, call_id, message_id, from, to, .. } = &envelope;
    if seen.fate == Fate::Stored {
        let after = Standing { fate: Fate::Expired, ended: Some(Deed { by: why.to_owned(), at }), ..seen.clone() };
        put(shared, id, &envelope, &after)?;
        tracing::warn!(object = %id, %uri, call_id, message_id, from, to, mark = seen.mark.word(), why, "expired");
        shared.usage.tell(expired(&envelope, why, at));
    } else {
        let by = seen.ended.as_ref().map_or(why, |deed| deed.by.as_str());
        end(shared, id, by, at)?;
        tracing::info!(object = %id, %uri, call_id, message_id, by, was = seen.fate.word(), "ended");
    }
    Ok(true)
}

/// Ends an object: first the durable word that it is deleted and by whom, then the files. An object it replaced and that
/// could not be removed then goes before it, or it would come back.
///
/// # Errors
/// [`SpoolError`] if the word could not be made durable; the object is then still there.
pub(super) fn end(shared: &Shared, id: Id, by: &str, at: Wall) -> Result<(), SpoolError> {
    shared.writable()?;
    let mut line = vec![id];
    let mut last = id;
    while let Some(older) = replaced_by(shared, last)?.filter(|older| !line.contains(older)) {
        line.push(older);
        last = older;
    }
    for (generation, id) in line.into_iter().enumerate().rev() {
        let by = if generation == 0 { by } else { REPLACED };
        bury(shared, id, by, at)?;
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

fn bury(shared: &Shared, id: Id, by: &str, at: Wall) -> Result<(), SpoolError> {
    let came = read_envelope(shared, id).ok().and_then(Result::ok).as_ref().and_then(Came::of);
    if let Err(error) = objects::put_state(shared, id, &Tombstone::encode(by, at, came)) {
        locked(&shared.unsure).insert(id, Unsure::End);
        return Err(not_written(shared)(error));
    }
    remove_buried(shared, id);
    Ok(())
}

fn not_written(shared: &Shared) -> impl FnOnce(io::Error) -> SpoolError {
    |error| {
        shared.note("writing down what has become of an object", &error);
        SpoolError::io("writing down what has become of an object")(error)
    }
}

/// Whether this message was an object that is at its end.
pub(super) fn has_ended(shared: &Shared, id: Id, came: &Came) -> io::Result<bool> {
    let records = objects::all_states(shared, id)?;
    let tombstones = records.iter().filter_map(|record| Tombstone::decode(record).ok().flatten());
    Ok(tombstones.into_iter().any(|tombstone| tombstone.came.as_ref() == Some(came)))
}

/// Removes the files of an object that is at its end. What fails is done again at the next start.
pub(super) fn remove_buried(shared: &Shared, id: Id) {
    locked(&shared.unsure).remove(&id);
    objects::erase(shared, id);
    if let Ok(Some((sum, _))) = written(shared, id) {
        objects::forget_standing(shared, id, sum);
    }
    if let Err(error) = forget(shared, id) {
        tracing::error!(object = %id, %error, "deleted, but still in the index");
    }
}

/// Whether another object may take the place of this one.
///
/// # Errors
/// [`SpoolError::Index`].
pub(super) fn may_be_replaced(shared: &Shared, id: Id) -> Result<bool, SpoolError> {
    Ok(standing(shared, id)?.holder().is_none())
}
