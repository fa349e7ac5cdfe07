//! Files that were committed lately, by their resume keys: a sender that missed the report of one sends it once more, in
//! another session (RFC 4975 §5.4), and nobody wants to be given it twice.

use std::collections::{HashMap, VecDeque};

use super::layout::Id;
use crate::model::limits::REMEMBERED_COMMITS;

/// The last ones. A restart forgets them: what comes again after that is stored again.
#[derive(Default)]
pub(super) struct Repeats {
    ids: HashMap<String, Id>,
    order: VecDeque<String>,
}

impl Repeats {
    /// What was committed of what came under this key.
    pub(super) fn of(&self, key: &str) -> Option<Id> {
        self.ids.get(key).copied()
    }

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
