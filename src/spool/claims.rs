//! Rights that one commit or change has at a time: who comes second waits until the first is through.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Condvar, Mutex, PoisonError};

use super::locked::locked;

/// What somebody has a right to just now.
pub(super) struct Claims<T> {
    taken: Mutex<HashSet<T>>,
    given_back: Condvar,
}

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Self { taken: Mutex::default(), given_back: Condvar::new() }
    }
}

impl<T: Clone + Eq + Hash> Claims<T> {
    /// Waits until nobody else has it.
    pub(super) fn claim(&self, what: &T) -> Claimed<'_, T> {
        let mut taken = locked(&self.taken);
        while !taken.insert(what.clone()) {
            taken = self.given_back.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        Claimed { claims: self, what: what.clone() }
    }
}

/// Such a right, until it is dropped.
pub(super) struct Claimed<'a, T: Eq + Hash> {
    claims: &'a Claims<T>,
    what: T,
}

impl<T: Eq + Hash> Drop for Claimed<'_, T> {
    fn drop(&mut self) {
        locked(&self.claims.taken).remove(&self.what);
        self.claims.given_back.notify_all();
    }
}
