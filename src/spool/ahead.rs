//! Envelopes of a bucket, read side by side before a start asks for each: one after the other every one of them would cost two
//! round trips.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::catalog::read_envelope;
use super::envelope::Envelope;
use super::layout::Id;
use super::objects;
use super::record::Unreadable;
use super::shared::{Shared, locked};

/// Envelopes in hand at once: with 256 KiB each at most that is 64 MiB, and usually less than one.
const IN_HAND: usize = 256;

/// An envelope, and the length of its body if there is one.
pub(super) type Read = (Result<Envelope, Unreadable>, Option<u64>);

/// What will be asked for, in the order in which it will be.
pub(super) struct Ahead {
    wanted: std::vec::IntoIter<Id>,
    read: HashMap<Id, Read>,
}

impl Ahead {
    pub(super) fn of(wanted: Vec<Id>) -> Self {
        Self { wanted: wanted.into_iter(), read: HashMap::new() }
    }

    /// What was read of this id. Nothing if it can't be read: whoever asks for it alone is told why.
    pub(super) fn take(&mut self, shared: &Shared, id: Id) -> Option<Read> {
        let at_once = shared.remote.as_ref()?.at_once?;
        if !self.read.contains_key(&id) && self.wanted.as_slice().first() == Some(&id) {
            let ids: Vec<Id> = self.wanted.by_ref().take(IN_HAND).collect();
            let read = Mutex::new(HashMap::new());
            at_once(ids.len(), &|number| {
                let id = ids[number];
                let body = objects::body(shared, id).and_then(|file| file.size());
                if let (Ok(envelope), Ok(length)) = (read_envelope(shared, id), body) {
                    locked(&read).insert(id, (envelope, Some(length)));
                }
            });
            self.read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
        self.read.remove(&id)
    }

    /// Something has changed since.
    pub(super) fn forget(&mut self) {
        self.read.clear();
    }
}
