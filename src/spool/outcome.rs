//! What has become of objects and deliveries, for whoever tells others of it: none is missed.
//!
//! ```text
//!   begin(date) ---- it is written down ----> tell ----> taken, with the date before which nothing is missing
//!        |                                      |
//!        +---- a crash: nobody is told ---------+---- more than there is room for
//!                            \________________________/
//!                                       |
//!                since(that date): the same from what is written down
//! ```
//! What is told twice is the same both times: whoever takes it knows it again by its object or delivery.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::model::Wall;
use crate::model::limits::OUTCOMES;

use super::delivery::Delivery;
use super::envelope::Envelope;
use super::locked::locked;
use super::news::BoxUsage;
use super::standing::{Deed, Fate, Standing};
use super::usage::OverQuota;

/// Between the reading of a clock and the note of it lies less than this.
const SLACK: Duration = Duration::from_secs(60);

/// Something has come to where others may want to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An object is committed.
    Stored(Box<Envelope>),
    /// The time of an object is over: by which rule, or on whose word.
    Expired(Box<Envelope>, Deed),
    /// A delivery has ended.
    Settled(Box<Delivery>),
    /// A box has reached the share of its quota at which somebody is warned.
    NearlyFull(BoxUsage),
    /// A box has refused a file.
    Refused(OverQuota),
}

/// What there was to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes {
    /// In their order.
    pub outcomes: Vec<Outcome>,
    /// Whatever is older than this was taken before, or is among these.
    pub complete: Wall,
    /// There was no room for some. The spool can look for them.
    pub missed: bool,
}

/// What waits to be taken.
#[derive(Default)]
pub(super) struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    /// Who wakes the taker; without one nothing is kept.
    bell: Option<Arc<dyn Fn() + Send + Sync>>,
    /// The dates of what is being written down.
    open: BTreeMap<u64, Wall>,
    next: u64,
    outcomes: VecDeque<Outcome>,
    missed: bool,
}

/// Something that is being written down.
pub(super) struct Begun<'a> {
    waiting: &'a Waiting,
    number: u64,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        locked(&self.waiting.0).open.remove(&self.number);
    }
}

impl Waiting {
    /// From now on what is told is kept.
    pub(super) fn keep(&self, bell: Arc<dyn Fn() + Send + Sync>) {
        locked(&self.0).bell = Some(bell);
    }

    /// Whether somebody takes them.
    pub(super) fn are_kept(&self) -> bool {
        locked(&self.0).bell.is_some()
    }

    /// Something of this date is about to be written down. To be held until it was told.
    pub(super) fn begin(&self, date: Wall) -> Begun<'_> {
        let mut state = locked(&self.0);
        state.next += 1;
        let number = state.next;
        state.open.insert(number, date);
        Begun { waiting: self, number }
    }

    /// It is written down.
    pub(super) fn tell(&self, outcome: Outcome) {
        let mut state = locked(&self.0);
        let Some(bell) = state.bell.clone() else { return };
        if state.outcomes.len() >= OUTCOMES {
            state.missed = true;
        } else {
            state.outcomes.push_back(outcome);
        }
        drop(state);
        bell();
    }

    /// Whatever a change of a standing comes to.
    pub(super) fn tell_of(&self, envelope: &Envelope, before: &Standing, after: &Standing) {
        let settled = |known: &Standing, id: &str| {
            known.deliveries.iter().any(|delivery| delivery.id == id && delivery.progress.is_settled())
        };
        for delivery in after.deliveries.iter().filter(|delivery| delivery.progress.is_settled()) {
            if !settled(before, &delivery.id) {
                self.tell(Outcome::Settled(Box::new(Delivery { object: envelope.id.clone(), ..delivery.clone() })));
            }
        }
        if let (Fate::Expired, Fate::Stored | Fate::Deleted, Some(deed)) = (after.fate, before.fate, &after.ended) {
            self.tell(Outcome::Expired(Box::new(plain(envelope)), deed.clone()));
        }
    }

    /// What waits, and how far nothing is missing if this is the date.
    pub(super) fn take(&self, date: Wall) -> Outcomes {
        let mut state = locked(&self.0);
        let oldest = state.open.values().min().map_or(date, |open| date.min(*open));
        let complete = Wall::from_micros(oldest.micros().saturating_sub(SLACK.as_micros() as u64));
        let missed = std::mem::take(&mut state.missed);
        Outcomes { outcomes: std::mem::take(&mut state.outcomes).into(), complete, missed }
    }
}

/// A picture is for whoever fetches the file.
pub(super) fn plain(envelope: &Envelope) -> Envelope {
    Envelope { icon: None, ..envelope.clone() }
}
