//! What all dialogs share: keys, deadlines, and which SIP dialogs can still be told something.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Instant, Outbox};

use super::keys::{ContextId, PrimitiveKey};
use super::port::Output;
use super::reply;

/// A dialog of this interpreter, by a number that is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DialogKey(pub(super) u64);

/// One entry for each running primitive.
#[derive(Debug)]
struct Entry {
    dialog: DialogKey,
    deadline: Option<Instant>,
}

/// The books.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last_key: u64,
    entries: BTreeMap<PrimitiveKey, Entry>,
    timers: BTreeSet<(Instant, PrimitiveKey)>,
    live: BTreeSet<ContextId>,
    /// How many dialogs each has started that are alive.
    dialogs: BTreeMap<ContextId, usize>,
}

impl Ledger {
    /// A key for a primitive of this dialog.
    pub(super) fn open(&mut self, dialog: DialogKey) -> PrimitiveKey {
        self.last_key += 1;
        let key = PrimitiveKey(self.last_key);
        self.entries.insert(key, Entry { dialog, deadline: None });
        key
    }

    /// The primitive is over.
    pub(super) fn close(&mut self, key: PrimitiveKey) {
        self.arm(key, None);
        self.entries.remove(&key);
    }

    /// The dialog a primitive belongs to.
    pub(super) fn dialog(&self, key: PrimitiveKey) -> Option<DialogKey> {
        self.entries.get(&key).map(|entry| entry.dialog)
    }

    /// Sets, moves or removes a primitive's deadline.
    pub(super) fn arm(&mut self, key: PrimitiveKey, deadline: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Some(old) = std::mem::replace(&mut entry.deadline, deadline) {
            self.timers.remove(&(old, key));
        }
        self.timers.extend(deadline.map(|deadline| (deadline, key)));
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Instant, PrimitiveKey)> {
        self.timers.first().copied()
    }

    pub(super) fn dialog_begins(&mut self, context: ContextId) {
        *self.dialogs.entry(context).or_default() += 1;
    }

    pub(super) fn dialog_is_over(&mut self, context: ContextId) {
        if let Some(count) = self.dialogs.get_mut(&context) {
            *count -= 1;
            if *count == 0 {
                self.dialogs.remove(&context);
            }
        }
    }

    /// Whether a dialog is alive whose events are for this context.
    pub(super) fn has_dialogs(&self, context: ContextId) -> bool {
        self.dialogs.contains_key(&context)
    }

    pub(super) fn context_lives(&mut self, context: ContextId) {
        self.live.insert(context);
    }

    pub(super) fn context_is_gone(&mut self, context: ContextId) {
        self.live.remove(&context);
    }
}

/// What one input may touch beside the dialog it is for.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) ledger: &'a mut Ledger,
    pub(super) out: &'a mut Outbox<Output>,
}

impl Turn<'_> {
    /// Tells the SIP dialog that asked, or says that it is gone (RFC 5707 §3.1).
    pub(super) fn event(&mut self, context: ContextId, name: &str, id: &str, values: &[(String, String)]) {
        let body = reply::event(name, id, values);
        let (name, id, values) = (name.to_owned(), id.to_owned(), values.to_vec());
        self.out.push(match self.ledger.live.contains(&context) {
            true => Output::Event { context, name, id, values, body },
            false => Output::EventLost { context, name, id, values, body },
        });
    }
}
