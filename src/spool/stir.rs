//! Which boxes have changed, for whoever watches them: told soon after the index knows, and never counted.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, OnceLock};

use super::locked::locked;

type Bell = Box<dyn Fn() + Send + Sync>;

/// Boxes that somebody watches, and those of them that have changed.
#[derive(Default)]
pub(super) struct Stir {
    boxes: Mutex<Boxes>,
    bell: OnceLock<Bell>,
}

#[derive(Default)]
struct Boxes {
    watched: HashSet<String>,
    changed: BTreeSet<String>,
}

impl Stir {
    /// Rings whenever a watched box has changed. There is one bell.
    pub(super) fn hang(&self, bell: Bell) {
        let _ = self.bell.set(bell);
    }

    pub(super) fn watch(&self, mailbox: &str) {
        locked(&self.boxes).watched.insert(mailbox.to_owned());
    }

    pub(super) fn leave(&self, mailbox: &str) {
        let mut boxes = locked(&self.boxes);
        boxes.watched.remove(mailbox);
        boxes.changed.remove(mailbox);
    }

    /// A box is not what it was.
    pub(super) fn changed(&self, mailbox: &str) {
        let mut boxes = locked(&self.boxes);
        if !boxes.watched.contains(mailbox) || !boxes.changed.insert(mailbox.to_owned()) {
            return;
        }
        drop(boxes);
        if let Some(bell) = self.bell.get() {
            bell();
        }
    }

    /// What has changed since this was asked last.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.boxes).changed).into_iter().collect()
    }
}
