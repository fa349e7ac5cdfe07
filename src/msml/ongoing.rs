//! A `<transfer>` at work: its files one after the other, each as often as it may be tried.
//!
//! ```text
//!   begin ──> file begins ──> works ──> file is through ──> next file begins ──> ... ──> over
//!                    ^          │ failed          ^ for good
//!                    └── wait <─┴─────────────────┘
//! ```

use std::time::Duration;

use crate::model::Instant;

use super::document::{Item, Moment, Move, Transfer};
use super::port::{End, Work};
use super::work::Play;

/// Shadow variables.
type Values = Vec<(String, String)>;

/// What a transfer does next.
#[derive(Debug)]
pub(super) enum Next {
    /// The script may say something, with these variables.
    Say(Moment, Values),
    /// This has to be started.
    Work(Work),
    /// It waits.
    Rest,
    /// It is over.
    Over(End),
}

/// How far a transfer is.
#[derive(Debug)]
pub(super) struct Ongoing {
    /// What is still to be moved.
    items: std::vec::IntoIter<Item>,
    /// The file at hand.
    item: Option<Item>,
    begun: Option<Instant>,
    /// How often the file at hand has been tried again.
    attempts: u32,
    /// It is being moved.
    pub(super) working: bool,
    /// It is through.
    through: bool,
    failed: bool,
    /// Why nothing more begins.
    stopped: Option<&'static str>,
    /// Of the last file.
    values: Values,
    done: u32,
    /// When the file at hand is tried again.
    pub(super) again: Option<Instant>,
}

impl Ongoing {
    pub(super) fn new(transfer: &Transfer) -> Self {
        Self {
            items: transfer.items.clone().into_iter(),
            item: None,
            begun: None,
            attempts: 0,
            working: false,
            through: false,
            failed: false,
            stopped: None,
            values: Vec::new(),
            done: 0,
            again: None,
        }
    }

    /// Goes on; one that is held begins nothing new.
    pub(super) fn next(&mut self, held: bool, now: Instant) -> Next {
        if self.working || self.again.is_some() || (held && self.stopped.is_none()) {
            return Next::Rest;
        }
        if self.stopped.is_none() && self.begun.is_none() {
            self.begun = Some(now);
            return Next::Say(Moment::Start, Vec::new());
        }
        match self.item.take() {
            Some(item) if self.through || self.stopped.is_some() => {
                self.through = false;
                let mut values = named(&item);
                values.extend(self.told(now));
                Next::Say(Moment::ItemDone, values)
            }
            Some(item) => {
                self.working = true;
                let work = work(&item.what);
                self.item = Some(item);
                Next::Work(work)
            }
            None if self.failed || self.stopped.is_some() => Next::Over(self.end("transfer.failed", now)),
            None => {
                self.item = self.items.next();
                self.attempts = 0;
                match &self.item {
                    Some(item) => Next::Say(Moment::ItemStart, named(item)),
                    None => Next::Over(self.end("transfer.complete", now)),
                }
            }
        }
    }

    /// The file at hand has been moved, or not.
    pub(super) fn ended(&mut self, end: End, now: Instant) {
        self.working = false;
        self.values = end.variables.into_iter().filter(|(name, _)| name.starts_with("ft.")).collect();
        let complete = end.name.ends_with(".complete");
        let again = self.item.as_ref().filter(|item| self.attempts < item.retry && self.stopped.is_none());
        match again {
            Some(item) if !complete => {
                self.attempts += 1;
                self.again = Some(now + item.wait);
            }
            _ => {
                self.through = true;
                self.failed |= !complete;
                self.done += u32::from(complete);
            }
        }
    }

    /// Begins nothing more. True if what moves has to be broken off for that.
    pub(super) fn stop(&mut self, why: &'static str) -> bool {
        if self.stopped.is_some() {
            return false;
        }
        (self.stopped, self.again) = (Some(why), None);
        self.working
    }

    fn told(&self, now: Instant) -> Values {
        let took = self.begun.map_or(Duration::ZERO, |begun| now.since(begun));
        let mut values = vec![("transfer.duration".to_owned(), took.as_millis().to_string())];
        let own = |name: &str| name == "ft.objects" || (name == "ft.result" && self.stopped.is_some());
        values.extend(self.values.iter().filter(|(name, _)| !own(name)).cloned());
        values.extend(self.stopped.map(|why| ("ft.result".to_owned(), why.to_owned())));
        values.push(("ft.objects".to_owned(), self.done.to_string()));
        values
    }

    fn end(&self, name: &str, now: Instant) -> End {
        End { name: name.to_owned(), variables: self.told(now), failure: None }
    }
}

fn work(what: &Move) -> Work {
    match what {
        Move::Send(file) => Work::Play(Play::new(vec![*file.clone()], false)),
        Move::Receive(record) => Work::Record(record.clone()),
        Move::File(work) => Work::File(work.clone()),
    }
}

fn named(item: &Item) -> Values {
    item.id.iter().map(|id| ("transfer.objid".to_owned(), id.clone())).collect()
}
