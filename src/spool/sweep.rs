//! What time takes away: stages nobody came back for, drafts nobody finished, the memory of deletions.

use std::collections::HashSet;
use std::time::Duration;

use crate::model::limits::{ORPHAN_KEPT, STAGE_KEPT, TOMBSTONE_KEPT, UPLOAD_KEPT};
use crate::model::{Now, Wall};

use super::ballast;
use super::bucket::Unfinished;
use super::carry;
use super::catalog::ask;
use super::error::SpoolError;
use super::layout::{CORRUPT, Id, ORPHAN, STAGE, States, UPLOAD, split};
use super::objects;
use super::retention::{self, Taken};
use super::shared::{Holder, Shared, locked};
use super::standing::Tombstone;
use super::upload;

/// What a sweep has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Stages nobody came back for.
    pub stages: u64,
    /// Files of the stage that belong to nobody.
    pub leftovers: u64,
    /// Records of old deletions.
    pub tombstones: u64,
    /// Bodies of interrupted commits nobody has asked for.
    pub orphans: u64,
    /// Objects of which it was said that they have expired.
    pub expired: u64,
    /// Objects that were deleted or had expired, and are at their end now.
    pub ended: u64,
    /// Uploads to the bucket that nobody will finish.
    pub uploads: u64,
}

/// Removes what is too old or belongs to nobody.
///
/// # Errors
/// [`SpoolError`] if the disk can't be read or written; what is left is swept the next time.
pub(super) fn sweep(shared: &Shared, now: Now) -> Result<Swept, SpoolError> {
    shared.writable()?;
    ballast::take_in(shared);
    let date = shared.calendar.date(now);
    objects::erase_again(shared);
    let begun = shared.outcomes.begin(date);
    let Taken { expired, ended } = retention::take(shared, date)?;
    drop(begun);
    let believed = shared.calendar.believed(now);
    ask(shared, |index| index.sweep(believed))?;
    Ok(Swept {
        stages: old_stages(shared, now),
        leftovers: leftovers(shared)?,
        tombstones: tombstones(shared, date)?,
        orphans: orphans(shared, date)?,
        expired,
        ended,
        uploads: uploads(shared, date)?,
    })
}

/// By uptime, not by the calendar: a clock that jumps must not cost anybody a stage.
fn old_stages(shared: &Shared, now: Now) -> u64 {
    let mut old = Vec::new();
    let mut desk = locked(&shared.desk);
    desk.holders.retain(|_, holder| match holder {
        Holder::Live(writer) => writer.slot.strong_count() > 0,
        Holder::Parked(parked) => {
            let since = *parked.since.get_or_insert(now.instant);
            let keep = now.instant - since <= STAGE_KEPT;
            if !keep {
                old.push(parked.id);
            }
            keep
        }
    });
    drop(desk); // nobody finds them any more, and to remove many takes its time
    for id in &old {
        tracing::warn!(object = %id, "stage removed: its sender did not come back");
        shared.remove_stage(*id);
    }
    old.len() as u64
}

/// Whatever lies in the stage and belongs to no stage, sealed file or running commit.
fn leftovers(shared: &Shared) -> Result<u64, SpoolError> {
    let names = shared.files.list(STAGE).map_err(SpoolError::io("listing the stage"))?;
    // After the listing: a stage is entered at the desk before its first file is made. A deletion's draft never is.
    let owned = locked(&shared.desk).owned();
    let mut swept = 0;
    for name in names {
        let Some((id, suffix)) = split(&name) else { continue };
        if suffix != ".state" && suffix != UPLOAD && !owned.contains(&id) {
            shared.shred(id, &format!("{STAGE}/{name}")); // it may have a key in it
            swept += 1;
        }
    }
    Ok(swept)
}

/// Uploads whose stage is gone, and those of which nobody here knows: a crash may have come between the bucket's word and
/// ours, and a node of yesterday may have had another disk. A bucket that can't list them has its own rules for them.
fn uploads(shared: &Shared, now: Wall) -> Result<u64, SpoolError> {
    let Some(remote) = &shared.remote else { return Ok(0) };
    let names = shared.files.list(STAGE).map_err(SpoolError::io("listing the stage"))?;
    let recorded: HashSet<Id> =
        names.iter().filter_map(|name| split(name)).filter(|(_, suffix)| *suffix == UPLOAD).map(|(id, _)| id).collect();
    let mut owned = locked(&shared.desk).owned();
    owned.extend(remote.carriage.following());
    let mut swept = 0;
    for id in recorded.difference(&owned) {
        upload::abandon(carry::route(shared, remote), *id).map_err(SpoolError::io("giving an upload up"))?;
        swept += 1;
    }
    let old = |unfinished: &Unfinished| is_old(unfinished.begun, now, UPLOAD_KEPT);
    for unfinished in remote.store.unfinished().map_err(SpoolError::io("listing uploads"))?.into_iter().filter(old) {
        let id = unfinished.key.rsplit('/').next().and_then(Id::parse);
        if id.is_some_and(|id| !owned.contains(&id)) {
            remote.store.give_up(&unfinished).map_err(SpoolError::io("giving an upload up"))?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// A deletion may be forgotten when the removal of its object is durable too.
fn tombstones(shared: &Shared, now: Wall) -> Result<u64, SpoolError> {
    let mut old = Vec::new();
    let States { ended, standings } = objects::states(shared).map_err(SpoolError::io("listing states"))?;
    for (id, sum) in standings.into_iter().filter(|(id, _)| ended.binary_search(id).is_ok()) {
        objects::forget_standing(shared, id, sum); // an older release has deleted the object, or a crash came between
    }
    for id in ended {
        if !is_old(id.minted(), now, TOMBSTONE_KEPT) {
            continue; // it can't have been deleted before it was begun
        }
        let Ok(octets) = objects::state(shared, id) else { continue };
        if let Ok(Some(tombstone)) = Tombstone::decode(&octets)
            && is_old(Wall::from_micros(tombstone.at), now, TOMBSTONE_KEPT)
            && objects::is_there(shared, id).is_ok_and(|is_there| !is_there)
        {
            old.push(id);
        }
    }
    if old.is_empty() {
        return Ok(0);
    }
    objects::settle_erasures(shared).map_err(SpoolError::io("making deletions final"))?;
    old.iter().for_each(|id| objects::forget_state(shared, *id));
    Ok(old.len() as u64)
}

/// Bodies that were set aside at a start and that no operator has wanted since.
fn orphans(shared: &Shared, now: Wall) -> Result<u64, SpoolError> {
    let names = shared.files.list(CORRUPT).map_err(SpoolError::io("listing what is set aside"))?;
    let orphans = names.iter().filter_map(|name| split(name)).filter(|(_, suffix)| *suffix == ORPHAN);
    let old: Vec<Id> = orphans.map(|(id, _)| id).filter(|id| is_old(id.minted(), now, ORPHAN_KEPT)).collect();
    old.iter().for_each(|id| shared.remove_quietly(&id.orphan()));
    let Some(remote) = &shared.remote else { return Ok(old.len() as u64) };
    let mut owned = locked(&shared.desk).owned();
    owned.extend(remote.carriage.following());
    let bodies = remote.store.orphans().map_err(SpoolError::io("listing the bucket"))?;
    let bodies = bodies.into_iter().filter(|(id, put)| is_old(*put, now, ORPHAN_KEPT) && !owned.contains(id));
    let mut swept = old.len() as u64;
    for (id, _) in bodies {
        // A listing may lack what is there: the body of an object goes by no listing.
        if remote.store.has_envelope(id).map_err(SpoolError::io("looking for an envelope"))? {
            tracing::error!(object = %id, "the bucket has not listed an envelope that it has");
            continue;
        }
        remote.store.delete_body(id).map_err(SpoolError::io("removing an orphan"))?;
        swept += 1;
    }
    Ok(swept)
}

/// Long enough ago for nobody to ask any more.
pub(super) fn is_old(at: Wall, now: Wall, kept: Duration) -> bool {
    u128::from(now.micros().saturating_sub(at.micros())) > kept.as_micros()
}
