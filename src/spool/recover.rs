//! What a start finds: every id is judged by what there is of it, and nothing is guessed.

use std::io;

use crate::model::Now;
use crate::model::limits::ORPHAN_KEPT;

use super::ahead::Ahead;
use super::arrival::Parked;
use super::carry;
use super::catalog::{ask, quarantine, read_envelope};
use super::envelope::Envelope;
use super::error::SpoolError;
use super::fates::{REPLACED, end, remove_buried, restand};
use super::files::Mode;
use super::hashes::Hashes;
use super::index::{Index, Known};
use super::journal;
use super::layout::{CORRUPT, Id, STAGE};
use super::objects;
use super::record::Unreadable;
use super::routing;
use super::shared::{Holder, Shared, locked};
use super::standing::Tombstone;
use super::survey::{Survey, Traces};
use super::sweep::is_old;

/// What a published envelope turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeFact {
    /// The index has it: it was read and checked when it was entered, and it never changes.
    Known,
    /// It passes its checks; the stored body should have this many octets.
    Sound(u64),
    /// It does not pass its checks.
    Damaged,
    /// A later release wrote it.
    Newer,
}

/// All there is of one id after a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `queued/<id>`.
    pub envelope: Option<EnvelopeFact>,
    /// `data/<shard>/<id>` is there.
    pub body: bool,
    /// Its length in octets, where somebody had to look.
    pub length: Option<u64>,
    /// `stage/<id>` is there.
    pub stage: bool,
    /// `stage/<id>.ranges` is there and proves something.
    pub journal: bool,
    /// `stage/<id>.ranges` is there and a later release wrote it.
    pub newer_journal: bool,
    /// `state/<id>` says that the object is deleted.
    pub deleted: bool,
    /// It was an object: the index knows it, or it began too long ago for a commit that a crash has interrupted.
    pub settled: bool,
}

/// What follows from the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A committed object.
    Keep,
    /// Committed, or taken into a stage, by a later release: left alone and not served.
    Newer,
    /// Deleted, and the deletion was interrupted: it is finished.
    Bury,
    /// The envelope is damaged: to `corrupt/`.
    EnvelopeDamaged,
    /// The envelope stands alone: to `corrupt/`.
    BodyMissing,
    /// The body of an object stands alone: to `corrupt/`.
    EnvelopeMissing,
    /// The body has another length than its envelope says: to `corrupt/`.
    BodyTorn,
    /// A commit failed and was taken back, and the envelope came again: it is removed, the stage stays.
    Undone,
    /// A commit was interrupted before its commit point: the body goes back to being a stage.
    Reclaim,
    /// A body without envelope and journal, of which nothing was reported. It is kept under `corrupt/` for a while, in
    /// case its envelope was lost to something else than a crash.
    Orphan,
    /// A stage that its sender may resume.
    Resumable,
    /// A stage of which nothing was reported: removed.
    Leftover,
    /// Nothing that needs a decision.
    Nothing,
}

/// The law of recovery, in the order in which it decides.
pub const fn judge(facts: &Facts) -> Verdict {
    use EnvelopeFact::{Damaged, Known, Newer, Sound};
    if facts.deleted {
        return if facts.envelope.is_some() || facts.body { Verdict::Bury } else { Verdict::Nothing };
    }
    match facts.envelope {
        Some(Newer) => return Verdict::Newer,
        Some(Damaged) => return Verdict::EnvelopeDamaged,
        Some(Known | Sound(_)) if !facts.body && facts.stage => return Verdict::Undone,
        Some(Known | Sound(_)) if !facts.body => return Verdict::BodyMissing,
        Some(Known) => return Verdict::Keep,
        Some(Sound(size)) => {
            return match facts.length {
                Some(length) if length == size => Verdict::Keep,
                _ => Verdict::BodyTorn,
            };
        }
        None => {}
    }
    if facts.newer_journal {
        return Verdict::Newer;
    }
    match (facts.body, facts.stage, facts.journal) {
        (true, _, true) => Verdict::Reclaim,
        (true, _, false) if facts.settled => Verdict::EnvelopeMissing,
        (true, _, false) => Verdict::Orphan,
        (false, true, true) => Verdict::Resumable,
        (false, true, false) => Verdict::Leftover,
        (false, false, _) => Verdict::Nothing,
    }
}

/// What a start has found and done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Objects that are there.
    pub objects: u64,
    /// Stages that wait for their senders.
    pub resumable: u64,
    /// Files that were removed because nothing was ever reported of them.
    pub swept: u64,
    /// Every id that was not simply kept, with its verdict.
    pub verdicts: Vec<(String, Verdict)>,
}

/// Envelopes entered in one transaction: with more of them it gets no faster, and what SQLite has to keep grows.
const ENTERED_AT_ONCE: u64 = 16 * 1024;

/// Envelopes of which the disk reads nothing and that a start sets aside: with more of them it is the disk, which somebody
/// has to look after first.
const UNREADABLE_ENVELOPES: usize = 16;

/// `EIO`, the same number on every Unix.
const EIO: i32 = 5;

/// Judges every id and does what follows from it. The index agrees with `queued/` afterwards. `told` hears how many of
/// the published envelopes have been judged, and how many there are.
///
/// # Errors
/// [`SpoolError::Io`] if the disk can't be read; nothing that is unreadable for that reason is judged.
pub(super) fn recover(
    shared: &Shared,
    known: Known,
    now: Now,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Recovery, SpoolError> {
    let mut recovery = Recovery::default();
    let survey = Survey::of(shared, known)?;
    recovery.swept += survey.drafts;
    ask(shared, Index::begin_batch)?;
    // First of all: an index from a later moment than the directory must not say that something has been replaced.
    for (id, _) in survey.ids().filter(|(_, traces)| traces.known && !traces.is_published()) {
        ask(shared, |index| index.forget(id.as_str()))?;
    }
    let (mut replaced, mut judged, mut unreadable) = (Vec::new(), 0, 0);
    let far = |(_, traces): &(Id, Traces)| traces.remote && !traces.envelope && !traces.known;
    let mut ahead = Ahead::of(survey.ids().filter(far).map(|(id, _)| id).collect());
    for (id, traces) in survey.ids() {
        if traces.is_published() {
            told(judged, survey.published() as u64);
            judged += 1;
            if judged % ENTERED_AT_ONCE == 0 {
                ask(shared, Index::end_batch)?;
                ask(shared, Index::begin_batch)?;
            }
        }
        let (facts, envelope) = inspect(shared, id, traces, now, &mut unreadable, &mut ahead)?;
        let mut verdict = judge(&facts);
        if verdict == Verdict::Keep && envelope.is_some() && ask(shared, |index| index.is_replaced(id))? {
            verdict = Verdict::Bury;
            end(shared, id, REPLACED, now.wall)?;
            ahead.forget(); // another one may have gone with it
        }
        carry_out(shared, id, verdict, traces, envelope.as_ref())?;
        match verdict {
            Verdict::Bury => survey.standings(id).for_each(|sum| objects::forget_standing(shared, id, sum)),
            Verdict::Keep => {
                if traces.news {
                    restand(shared, id, survey.standings(id), now.wall)?;
                }
                replaced.extend(envelope.and_then(|envelope| Id::parse(envelope.replaces.as_deref()?)));
            }
            Verdict::Resumable | Verdict::Reclaim => recovery.resumable += 1,
            Verdict::Leftover => recovery.swept += 1,
            _ => {}
        }
        if matches!(verdict, Verdict::Undone | Verdict::Resumable | Verdict::Reclaim | Verdict::Leftover) {
            survey.standings(id).try_for_each(|sum| routing::forget(shared, id, sum))?;
        }
        if !matches!(verdict, Verdict::Keep | Verdict::Nothing) {
            recovery.verdicts.push((id.to_string(), verdict));
        }
    }
    survey.alone().try_for_each(|(id, sum)| routing::forget(shared, id, sum))?;
    // A commit replaced an object and was interrupted before it could remove it.
    for id in replaced {
        if survey.is_published(id) && !is_buried(shared, id)? {
            end(shared, id, REPLACED, now.wall)?;
            recovery.verdicts.push((id.to_string(), Verdict::Bury));
        }
    }
    carry::let_follow(shared, &survey)?;
    ask(shared, Index::end_batch)?;
    shared.usage.recount(ask(shared, Index::held)?);
    told(judged, judged);
    for (key, objects) in ask(shared, Index::waiting)? {
        tracing::error!(
            key,
            objects,
            "encrypted objects wait for a key that is not at hand, or is another one of that name"
        );
    }
    let newest = survey.newest().map(Id::minted);
    // The date of a sweep was believed; that of one object is its bringer's clock, and counts only if nothing else is known.
    match (ask(shared, Index::swept)?, newest) {
        (Some(last), _) => shared.calendar.begin(last, true),
        (None, Some(newest)) => shared.calendar.begin(newest, false),
        (None, None) => {}
    }
    recovery.objects = shared.usage.objects();
    recovery.verdicts.sort();
    Ok(recovery)
}

/// Looks closer where the names alone don't decide.
fn inspect(
    shared: &Shared,
    id: Id,
    traces: Traces,
    now: Now,
    unreadable: &mut usize,
    ahead: &mut Ahead,
) -> Result<(Facts, Option<Envelope>), SpoolError> {
    let settled = traces.known || is_old(id.minted(), now.wall, ORPHAN_KEPT);
    let mut facts = Facts { body: traces.body, stage: traces.stage, settled, ..Facts::default() };
    let mut found = None;
    if traces.is_published() && traces.known {
        facts.envelope = Some(EnvelopeFact::Known);
        facts.body |= traces.remote; // looked for whenever it is read
    } else if traces.is_published() {
        let before = ahead.take(shared, id);
        let length = before.as_ref().map(|(_, length)| *length);
        let read = match before.map_or_else(|| read_envelope(shared, id), |(read, _)| Ok(read)) {
            // A sector of the disk, and not the bucket, the whole disk or who we are.
            Err(error) if is_unreadable(&error) && !traces.remote && *unreadable < UNREADABLE_ENVELOPES => {
                tracing::error!(object = %id, %error, "its envelope can't be read: it is set aside");
                *unreadable += 1;
                Err(Unreadable::Damaged)
            }
            read => read.map_err(|error| {
                tracing::error!(object = %id, %error, "its envelope can't be read, and nothing is served without knowing it");
                SpoolError::io("reading an envelope")(error)
            })?,
        };
        facts.envelope = Some(match read {
            Ok(envelope) => EnvelopeFact::Sound(found.insert(envelope).stored_octets()),
            Err(Unreadable::Damaged) => EnvelopeFact::Damaged,
            Err(Unreadable::Newer) => EnvelopeFact::Newer,
        });
        if traces.body || traces.remote {
            facts.length = length.map_or_else(|| body_length(shared, id), Ok)?;
            facts.body = facts.length.is_some();
        }
    }
    if traces.journal {
        let claim =
            journal::read(shared.files.as_ref(), id, &shared.keys).map_err(SpoolError::io("reading a journal"))?;
        facts.journal = claim.is_ok();
        facts.newer_journal = matches!(claim, Err(Unreadable::Newer));
    }
    let is_anything_there = traces.is_published() || traces.body || traces.stage || traces.journal;
    facts.deleted = traces.state && is_anything_there && is_buried(shared, id)?;
    Ok((facts, found))
}

/// Whether the disk has given up on these octets (EIO).
fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EIO)
}

/// Whether `state/<id>` says that the object is at its end. One we can't read says nothing of the kind.
fn is_buried(shared: &Shared, id: Id) -> Result<bool, SpoolError> {
    for record in objects::all_states(shared, id).map_err(SpoolError::io("reading a state"))? {
        match Tombstone::decode(&record) {
            Ok(Some(_)) => return Ok(true),
            Ok(None) | Err(Unreadable::Newer) => {}
            Err(Unreadable::Damaged) => {
                tracing::error!(object = %id, "the state does not pass its checksum");
                objects::set_state_aside(shared, id, &id.state()).map_err(SpoolError::io("moving a damaged state"))?;
            }
        }
    }
    Ok(false)
}

fn body_length(shared: &Shared, id: Id) -> Result<Option<u64>, SpoolError> {
    match objects::body(shared, id).and_then(|file| file.size()) {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SpoolError::io("measuring a body")(error)),
    }
}

fn carry_out(
    shared: &Shared,
    id: Id,
    verdict: Verdict,
    traces: Traces,
    envelope: Option<&Envelope>,
) -> Result<(), SpoolError> {
    if !matches!(verdict, Verdict::Keep | Verdict::Resumable | Verdict::Nothing) {
        let call_id = envelope.and_then(|envelope| envelope.call_id.as_deref());
        let message_id = envelope.and_then(|envelope| envelope.message_id.as_deref());
        tracing::warn!(object = %id, call_id, message_id, ?verdict, "found at start");
    }
    match verdict {
        Verdict::Keep => {
            if let Some(envelope) = envelope {
                ask(shared, |index| index.publish(envelope))?; // counted when all are judged
            }
        }
        Verdict::Newer => {
            if traces.stage || traces.journal {
                locked(&shared.desk).newer.insert(id);
            }
            return Ok(());
        }
        Verdict::Bury => remove_buried(shared, id),
        Verdict::EnvelopeDamaged => drop(quarantine(shared, id, "the envelope does not pass its checksum")),
        Verdict::BodyMissing => drop(quarantine(shared, id, "the body is missing")),
        Verdict::BodyTorn => drop(quarantine(shared, id, "the body has another length than its envelope says")),
        Verdict::Undone => {
            objects::retract(shared, id).map_err(SpoolError::io("taking a commit back"))?;
            ask(shared, |index| index.forget(id.as_str()))?;
            return adopt(shared, id);
        }
        Verdict::Reclaim => {
            rename(shared, &id.body(), &id.stage())?;
            shared.sync_dir(STAGE).map_err(SpoolError::io("taking a body back"))?;
            return adopt(shared, id);
        }
        Verdict::EnvelopeMissing | Verdict::Orphan => {
            let aside = if verdict == Verdict::Orphan { id.orphan() } else { id.corrupt("body") };
            rename(shared, &id.body(), &aside)?;
            shared.sync_dir(CORRUPT).map_err(SpoolError::io("setting a body aside"))?;
        }
        Verdict::Resumable => return adopt(shared, id),
        Verdict::Leftover | Verdict::Nothing => {}
    }
    if traces.stage || traces.journal {
        shared.remove_stage(id); // the object is settled without it
    }
    Ok(())
}

/// Lets a stage wait for its sender with what its journal proves; one that proves nothing is removed.
fn adopt(shared: &Shared, id: Id) -> Result<(), SpoolError> {
    let claim = journal::read(shared.files.as_ref(), id, &shared.keys).map_err(SpoolError::io("reading a journal"))?;
    let Some((key, claim)) = claim.ok().and_then(|claim| Some((claim.plan.resume.clone()?, claim))) else {
        shared.remove_stage(id);
        return Ok(());
    };
    // What a dead process had reserved for the rest of the file is given back.
    let released = shared.files.open(&id.stage(), Mode::Write).and_then(|file| file.release());
    released.unwrap_or_else(|error| tracing::warn!(object = %id, %error, "reserved room not given back"));
    let parked = Parked {
        id,
        plan: claim.plan,
        received: claim.durable.clone(),
        durable: claim.durable,
        hashes: Hashes::default(),
        turn: Some(claim.turn),
        named: false, // the process may have ended before it synced them
        failures: 0,
        since: None,
    };
    let mut desk = locked(&shared.desk);
    let older = match desk.holders.get(&key) {
        Some(Holder::Parked(other)) if other.id > id => Some(id),
        Some(Holder::Parked(other)) => Some(other.id),
        _ => None,
    };
    if older != Some(id) {
        desk.holders.insert(key, Holder::Parked(Box::new(parked)));
    }
    drop(desk);
    if let Some(older) = older {
        shared.remove_stage(older); // the sender has begun again since
    }
    Ok(())
}

fn rename(shared: &Shared, from: &str, to: &str) -> Result<(), SpoolError> {
    shared.files.rename(from, to).map_err(SpoolError::io("moving a file of an unfinished commit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_facts() -> Vec<Facts> {
        let envelopes = [None, Some(EnvelopeFact::Known), Some(EnvelopeFact::Sound(7)), Some(EnvelopeFact::Damaged)];
        let envelopes = envelopes.into_iter().chain([Some(EnvelopeFact::Newer)]);
        let lengths = [None, Some(7), Some(8)]; // of the body, if it is there
        let flags = 0..32u8;
        envelopes
            .flat_map(|envelope| lengths.map(|length| (envelope, length)))
            .flat_map(|(envelope, length)| {
                flags.clone().map(move |flags| Facts {
                    envelope,
                    body: length.is_some(),
                    length,
                    stage: flags & 1 > 0,
                    journal: flags & 2 > 0,
                    newer_journal: flags & 2 == 0 && flags & 8 > 0,
                    deleted: flags & 4 > 0,
                    settled: flags & 16 > 0,
                })
            })
            .collect()
    }

    #[test]
    fn only_a_checked_envelope_with_its_whole_body_and_no_deletion_is_kept() {
        for facts in all_facts() {
            let whole = match facts.envelope {
                Some(EnvelopeFact::Known) => facts.body, // its length is looked at whenever it is read
                Some(EnvelopeFact::Sound(size)) => facts.length == Some(size),
                _ => false,
            };
            assert_eq!(judge(&facts) == Verdict::Keep, whole && !facts.deleted, "{facts:?}");
        }
    }

    #[test]
    fn a_reported_range_is_never_thrown_away() {
        for facts in all_facts().into_iter().filter(|facts| facts.journal && !facts.deleted && facts.envelope.is_none())
        {
            let expected = match (facts.body, facts.stage) {
                (true, _) => Verdict::Reclaim,
                (false, true) => Verdict::Resumable,
                (false, false) => Verdict::Nothing,
            };
            assert_eq!(judge(&facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn what_a_later_release_wrote_is_left_alone_unless_it_is_deleted() {
        let newer = |facts: &Facts| match facts.envelope {
            Some(envelope) => envelope == EnvelopeFact::Newer,
            None => facts.newer_journal,
        };
        for facts in all_facts().into_iter().filter(newer) {
            assert_eq!(judge(&facts) == Verdict::Newer, !facts.deleted, "{facts:?}");
        }
    }

    #[test]
    fn nothing_with_an_envelope_is_removed_but_by_a_deletion_or_a_commit_that_was_taken_back() {
        for facts in all_facts().into_iter().filter(|facts| facts.envelope.is_some()) {
            match judge(&facts) {
                Verdict::Bury => assert!(facts.deleted, "{facts:?}"),
                Verdict::Undone => assert!(facts.stage && !facts.body && !facts.deleted, "{facts:?}"),
                Verdict::Keep
                | Verdict::Newer
                | Verdict::EnvelopeDamaged
                | Verdict::BodyMissing
                | Verdict::BodyTorn => {}
                _ => panic!("{facts:?}"),
            }
        }
    }

    #[test]
    fn a_body_that_was_an_object_is_never_taken_for_one_of_which_nothing_was_reported() {
        let alone =
            |facts: &Facts| facts.envelope.is_none() && !facts.journal && !facts.newer_journal && !facts.deleted;
        for facts in all_facts().into_iter().filter(|facts| facts.body && alone(facts)) {
            let expected = if facts.settled { Verdict::EnvelopeMissing } else { Verdict::Orphan };
            assert_eq!(judge(&facts), expected, "{facts:?}");
        }
    }
}
