//! Deadlines by key and by time.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Instant;

/// At most one deadline per key. Keys that are due at the same instant come in the order of the keys.
#[derive(Debug)]
pub(super) struct Timers<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Timers<K> {
    /// No deadlines.
    pub(super) const fn new() -> Self {
        Self { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Sets the key's deadline in the place of the one it had.
    pub(super) fn set(&mut self, key: K, at: Instant) {
        self.clear(key);
        self.by_key.insert(key, at);
        self.by_time.insert((at, key));
    }

    /// Forgets the key's deadline.
    pub(super) fn clear(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// Whether the key has a deadline.
    pub(super) fn is_set(&self, key: K) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Takes the earliest deadline that is not later than `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.by_time.first()?;
        (at <= now).then(|| {
            self.clear(key);
            key
        })
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Instant, K)> {
        self.by_time.first().copied()
    }
}
