//! Files that were committed lately, by their resume keys: a sender that missed the report of one sends it once more, in
//! another session (RFC 4975 §5.4), and nobody wants to be given it twice.

use std::collections::{HashMap, VecDeque};

use super::catalog::load;
use super::error::SpoolError;
use super::fates;
use super::layout::Id;
use super::receipt::{Committed, Sealed};
use super::shared::{Shared, locked};
use super::standing::Fate;
use crate::model::limits::REMEMBERED_COMMITS;

/// The last ones. A restart forgets them: what comes again after that is stored again.
#[derive(Default)]
pub(super) struct Repeats {
    ids: HashMap<String, Id>,
    order: VecDeque<String>,
}

impl Repeats {
    /// An object was committed of what came under this key.
    pub(super) fn enter(&mut self, key: String, id: Id) {
        if self.ids.insert(key.clone(), id).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > REMEMBERED_COMMITS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

/// The object that this file has become already: the same octets under the same key, and still there.
pub(super) fn committed_before(shared: &Shared, sealed: &Sealed) -> Result<Option<Committed>, SpoolError> {
    let key = sealed.arrival.as_ref().and_then(|arrival| arrival.plan.resume.as_ref());
    let Some(id) = key.and_then(|key| locked(&shared.repeats).ids.get(key).copied()) else { return Ok(None) };
    let object = match load(shared, id) {
        Ok(object) => object,
        Err(SpoolError::Gone { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let envelope = object.envelope();
    let is_same = envelope.uri.box_name() == sealed.object.box_name()
        && *envelope.sha256() == sealed.sha256()
        && envelope.offset == sealed.offset;
    Ok((is_same && fates::standing(shared, id)?.fate == Fate::Stored).then_some(object))
}
