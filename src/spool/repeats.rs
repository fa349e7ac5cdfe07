//! Files that were committed lately, by their resume keys: a sender that missed the report of one sends it once more, in
//! another session (RFC 4975 §5.4), and nobody wants to be given it twice.

use std::collections::{HashMap, VecDeque};

use super::layout::Id;
use crate::model::limits::REMEMBERED_COMMITS;

/// The last ones. Keys are cut to eight octets: what is found by one is compared with what has come before it counts.
#[derive(Default)]
pub(super) struct Repeats {
    ids: HashMap<u64, Id>,
    order: VecDeque<u64>,
}

impl Repeats {
    /// What was committed of what came under this key.
    pub(super) fn of(&self, key: &str) -> Option<Id> {
        self.ids.get(&cut(key)).copied()
    }

    /// An object was committed of what came under this key.
    pub(super) fn enter(&mut self, key: &str, id: Id) {
        let key = cut(key);
        if self.ids.insert(key, id).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > REMEMBERED_COMMITS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

fn cut(key: &str) -> u64 {
    u64::from_str_radix(key.get(..16).unwrap_or_default(), 16).expect("a key is the fingerprint of one, in hexadecimal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mint, Wall};

    #[test]
    fn the_last_commits_are_remembered_and_the_oldest_is_forgotten_first() {
        let (mut repeats, mut mint) = (Repeats::default(), Mint::from_number(1));
        let id = Id::mint(&mut mint, Wall::default());
        let key = |number: usize| format!("{number:016x}{number:048x}");
        for number in 0..=REMEMBERED_COMMITS {
            repeats.enter(&key(number), id);
        }
        assert_eq!(repeats.of(&key(0)), None);
        assert_eq!(repeats.of(&key(1)), Some(id));
        assert_eq!(repeats.of(&key(REMEMBERED_COMMITS)), Some(id));
    }
}
