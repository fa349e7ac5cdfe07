//! How much may be in memory at once, whoever wants it.

use std::sync::{Condvar, Mutex, PoisonError};

use super::locked::locked;

/// A room for so many octets. Whoever comes when it is full waits; who alone is bigger than the room may enter when it
/// is empty.
pub(super) struct Gate {
    limit: u64,
    inside: Mutex<u64>,
    left: Condvar,
}

/// A place in the room, until it is dropped.
pub(super) struct Place<'a> {
    gate: &'a Gate,
    octets: u64,
}

impl Gate {
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, inside: Mutex::new(0), left: Condvar::new() }
    }

    pub(super) fn enter(&self, octets: u64) -> Place<'_> {
        let mut inside = locked(&self.inside);
        while *inside > 0 && *inside + octets > self.limit {
            inside = self.left.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        *inside += octets;
        Place { gate: self, octets }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *locked(&self.gate.inside) -= self.octets;
        self.gate.left.notify_all();
    }
}
