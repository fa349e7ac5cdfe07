//! The notices for one target: those about one thing in their order, everything else as it comes due.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::model::Instant;

/// What waits for one target.
#[derive(Debug)]
pub(super) struct Line {
    /// Of each subject, in order; the first alone may go.
    subjects: HashMap<String, VecDeque<u64>>,
    /// The first of each subject, by when it may go.
    ready: BTreeSet<(Instant, u64)>,
    /// Those on their way.
    pub(super) sending: BTreeSet<u64>,
    /// How many may be on their way while it answers.
    at_once: usize,
    /// Failures since it was heard of.
    pub(super) failures: u32,
    /// Nobody knocks before this.
    pub(super) quiet: Option<Instant>,
}

impl Line {
    /// One of a target that is sent so many at once.
    pub(super) fn new(at_once: usize) -> Self {
        let (subjects, ready, sending) = (HashMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { subjects, ready, sending, at_once, failures: 0, quiet: None }
    }

    /// One more, due then.
    pub(super) fn enter(&mut self, subject: &str, number: u64, due: Instant) {
        let line = self.subjects.entry(subject.to_owned()).or_default();
        line.push_back(number);
        if line.len() == 1 {
            self.ready.insert((due, number));
        }
    }

    /// The one that may go, and since when; none while enough are on their way. Who was away is asked by one at first.
    pub(super) fn next(&self) -> Option<(Instant, u64)> {
        let room = if self.failures == 0 { self.at_once } else { 1 };
        let (due, number) = self.ready.first().filter(|_| self.sending.len() < room)?;
        Some((self.quiet.map_or(*due, |quiet| quiet.max(*due)), *number))
    }

    /// It is on its way.
    pub(super) fn send(&mut self, due: Instant, number: u64) {
        self.ready.remove(&(due, number));
        self.sending.insert(number);
    }

    /// It is not any more, and may go again then.
    pub(super) fn again(&mut self, due: Instant, number: u64) {
        self.sending.remove(&number);
        self.ready.insert((due, number));
    }

    /// It may go at another time.
    pub(super) fn move_to(&mut self, before: Instant, due: Instant, number: u64) {
        if self.ready.remove(&(before, number)) {
            self.ready.insert((due, number));
        }
    }

    /// It leaves. `due` says since when another one may go.
    pub(super) fn leave(&mut self, subject: &str, number: u64, due: impl Fn(u64) -> Instant) {
        self.sending.remove(&number);
        let Some(line) = self.subjects.get_mut(subject) else { return };
        let was_first = line.front() == Some(&number);
        line.retain(|other| *other != number);
        self.ready.remove(&(due(number), number));
        match line.front().copied() {
            None => _ = self.subjects.remove(subject),
            Some(next) if was_first => _ = self.ready.insert((due(next), next)),
            Some(_) => {}
        }
    }

    /// All of them.
    pub(super) fn everything(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.subjects.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    /// Whether nothing waits: how often the target has failed is forgotten then, or each that has failed once were known for
    /// ever.
    pub(super) fn is_idle(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Whether it is left alone.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.quiet.is_some_and(|quiet| quiet > now)
    }
}
