//! How long objects are kept: the sender's word, the rules of the box's class, and what is due by them.

use std::time::Duration;

use crate::model::limits::LISTED_OBJECTS;
use crate::model::{ObjectUri, Retention, Wall};

use super::calendar::later;
use super::catalog::ask;
use super::error::SpoolError;
use super::fates;
use super::shared::Shared;
use super::standing::{Fate, Listed, Mark};

/// Something that time takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The object.
    pub id: String,
    /// Its name.
    pub uri: ObjectUri,
    /// Octets of its file.
    pub octets: u64,
    /// Whether its octets go; else it is first said that it has expired.
    pub ends: bool,
    /// By which rule.
    pub why: &'static str,
}

/// What time has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) expired: u64,
    pub(super) ended: u64,
}

/// What is due at this moment, in the order of ids.
///
/// # Errors
/// [`SpoolError::Index`], [`SpoolError::Io`].
pub(super) fn due(shared: &Shared, wall: Wall) -> Result<Vec<Due>, SpoolError> {
    let mut all = Vec::new();
    each_due(shared, wall, |listed, why| {
        let uri = ObjectUri::object(&listed.mailbox, &listed.name).ok();
        let ends = listed.standing.fate != Fate::Stored;
        all.extend(uri.map(|uri| Due { id: listed.id.to_string(), uri, octets: listed.octets, ends, why }));
        Ok(())
    })?;
    Ok(all)
}

/// Expires and ends what is due. An object that expires ends with the next turn, at the earliest.
///
/// # Errors
/// As [`due`]; what could not be written down is due again the next time.
pub(super) fn take(shared: &Shared, wall: Wall) -> Result<Taken, SpoolError> {
    let mut taken = Taken::default();
    each_due(shared, wall, |listed, why| {
        match fates::pass(shared, listed.id, &listed.standing, why, wall) {
            Ok(true) if listed.standing.fate == Fate::Stored => taken.expired += 1,
            Ok(true) => taken.ended += 1,
            // It is gone meanwhile, or nobody can say what has become of it.
            Ok(false) | Err(SpoolError::Gone { .. } | SpoolError::Newer { .. } | SpoolError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    Ok(taken)
}

/// Page by page: commits that come meanwhile wait for one page, not for all.
fn each_due(
    shared: &Shared,
    wall: Wall,
    mut then: impl FnMut(&Listed, &'static str) -> Result<(), SpoolError>,
) -> Result<(), SpoolError> {
    let mut cursor = String::new();
    loop {
        let page = ask(shared, |index| index.page(&cursor, LISTED_OBJECTS))?;
        let Some(last) = page.last() else { return Ok(()) };
        last.id.as_str().clone_into(&mut cursor);
        for listed in &page {
            if let Some(why) = rule(listed, &shared.usage.keep(&listed.mailbox), wall) {
                then(listed, why)?;
            }
        }
    }
}

/// By which rule an object is due.
fn rule(listed: &Listed, keep: &Retention, wall: Wall) -> Option<&'static str> {
    let Listed { stored, expires, standing, .. } = listed;
    if standing.holder().is_some() {
        return None;
    }
    let over = |since: Wall, kept: Option<Duration>| kept.is_some_and(|kept| later(since, kept) <= wall);
    let ended = standing.ended.as_ref().map_or(*stored, |deed| deed.at);
    let marked = standing.marked.as_ref().map_or(*stored, |deed| deed.at);
    match standing.fate {
        Fate::Stored if expires.is_some_and(|expires| expires <= wall) => Some("its sender's time is over"),
        Fate::Stored if over(*stored, keep.any) => Some("keep"),
        Fate::Stored => match standing.mark {
            Mark::New => over(*stored, keep.new).then_some("keep_new"),
            Mark::Seen => over(marked, keep.seen).then_some("keep_seen"),
            Mark::Saved => over(marked, keep.saved).then_some("keep_saved"),
        },
        Fate::Deleted => over(ended, Some(keep.undelete)).then_some("undelete"),
        Fate::Expired => over(ended, Some(keep.notice)).then_some("notice"),
    }
}
