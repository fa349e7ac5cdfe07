//! Virtual time and chance: what is due when, and one seed behind everything that is random.

use std::collections::BTreeMap;
use std::time::Duration;

use restante::model::{Instant, Mint, Now, Wall};

use crate::world::Event;

/// The wall clock at the first instant of every simulation.
const EPOCH_MICROS: u64 = 1_795_000_000_000_000;

/// What will happen, in order; of two events at the same instant the one that was planned first comes first.
#[derive(Default)]
pub(crate) struct Timeline {
    instant: Instant,
    queue: BTreeMap<(Instant, u64), Event>,
    planned: u64,
    /// How far the wall clock has jumped, in microseconds.
    jumped: i64,
}

/// A way on which nothing overtakes: a byte stream, a channel between tasks.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lane(Instant);

impl Timeline {
    pub(crate) fn now(&self) -> Now {
        let micros =
            u64::try_from(self.instant.since_origin().as_micros()).expect("simulations take less than an aeon");
        let wall = (EPOCH_MICROS + micros).saturating_add_signed(self.jumped);
        Now { instant: self.instant, wall: Wall::from_micros(wall) }
    }

    /// The wall clock is set anew.
    pub(crate) const fn jump(&mut self, secs: i64) {
        self.jumped += secs * 1_000_000;
    }

    /// Plans an event.
    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.instant + delay, event);
    }

    /// Plans an event that does not overtake the one planned before it on the same lane.
    pub(crate) fn in_order(&mut self, lane: &mut Lane, delay: Duration, event: Event) {
        lane.0 = lane.0.max(self.instant + delay);
        self.at(lane.0, event);
    }

    fn at(&mut self, instant: Instant, event: Event) {
        self.planned += 1;
        self.queue.insert((instant, self.planned), event);
    }

    /// When the next event is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((instant, _), _)| *instant)
    }

    /// Takes the next event and lets its time come.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let ((instant, _), event) = self.queue.pop_first()?;
        self.advance(instant);
        Some(event)
    }

    /// Lets time pass. It never goes back.
    pub(crate) fn advance(&mut self, to: Instant) {
        self.instant = self.instant.max(to);
    }
}

/// Everything random in a simulation.
pub(crate) struct Dice(Mint);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mint::from_number(seed))
    }

    /// A number from zero to `bound - 1`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.number() % bound.max(1)
    }

    /// True in so many cases of a hundred.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A duration between the two, to the microsecond.
    pub(crate) fn between(&mut self, (shortest, longest): (Duration, Duration)) -> Duration {
        let spread = longest.saturating_sub(shortest).as_micros() as u64;
        shortest + Duration::from_micros(self.below(spread + 1))
    }

    /// Letters that nobody else gets.
    pub(crate) fn token(&mut self) -> String {
        self.0.token(22)
    }

    /// A mint of one's own.
    pub(crate) fn mint(&mut self) -> Mint {
        self.0.fork()
    }
}
