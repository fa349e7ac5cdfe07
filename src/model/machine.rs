//! The one shape of every sans-IO core, and the box its outputs go into.

use std::collections::VecDeque;

use super::{Instant, Now};

/// A state machine that knows no socket, clock, file or randomness.
///
/// The owner calls [`Machine::handle`] for every input and performs every output before the next call; it wakes the
/// machine with the input the room names for it when [`Machine::deadline`] has passed. There is no other order to keep.
pub trait Machine {
    /// What can happen to it.
    type Input;
    /// What it wants done.
    type Output;
    /// Why it wants to be woken.
    type Reason;

    /// Takes one input and appends everything that follows from it to `out`.
    fn handle(&mut self, now: Now, input: Self::Input, out: &mut Outbox<Self::Output>);

    /// The earliest instant at which the machine wants a timeout input, and why.
    fn deadline(&self) -> Option<(Instant, Self::Reason)>;
}

/// Outputs in the order in which they must be performed.
#[derive(Debug)]
pub struct Outbox<T> {
    items: VecDeque<T>,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Outbox<T> {
    /// An empty box.
    pub const fn new() -> Self {
        Self { items: VecDeque::new() }
    }

    /// Appends one output.
    pub fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// Takes the oldest output.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop_front()
    }

    /// Takes all outputs, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.items.drain(..)
    }

    /// How many outputs wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
