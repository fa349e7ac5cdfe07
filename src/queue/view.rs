//! The queue as people look at it: which delivery waits for what, and how much waits for whom.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::model::{Now, Wall};
use crate::spool::Delivery;

use super::job::{Job, Phase};
use super::machine::Queue;

/// Upper bounds of the ages that a table of the queue has columns for, in minutes; the last column has none.
pub const AGES: [u64; 8] = [5, 10, 20, 40, 80, 160, 320, 1280];

/// The queue in which a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// It has never been tried.
    Incoming,
    /// An attempt has its place.
    Active,
    /// It has failed, and will be tried again.
    Deferred,
    /// An operator keeps its object.
    Hold,
}

impl Name {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Active => "active",
            Self::Deferred => "deferred",
            Self::Hold => "hold",
        }
    }
}

/// What a delivery waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// The disk.
    Written,
    /// The end of its attempt.
    Attempt,
    /// Whoever keeps its object.
    Held(String),
    /// Its time: nothing has been tried yet.
    Later(Duration),
    /// Its next turn, after this failure.
    BackOff(Duration, String),
    /// Its host, which is down.
    HostDown(Duration),
    /// A place at its host.
    HostBusy(usize),
    /// Its recipient, who is away.
    RecipientAway(Duration),
    /// The end of another file to the same recipient.
    RecipientBusy,
    /// A place among all attempts.
    Place(usize),
    /// The restart.
    Restart,
}

impl Wait {
    /// Its kind in a word or two.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Written => "disk",
            Self::Attempt => "attempt",
            Self::Held(_) => "held",
            Self::Later(_) => "later",
            Self::BackOff(..) => "back-off",
            Self::HostDown(_) => "host down",
            Self::HostBusy(_) => "host busy",
            Self::RecipientAway(_) => "recipient away",
            Self::RecipientBusy => "recipient busy",
            Self::Place(_) => "no place",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written => f.write_str("it is being written down"),
            Self::Attempt => f.write_str("an attempt runs"),
            Self::Held(by) => write!(f, "the object is held by {by}"),
            Self::Later(left) => write!(f, "it is to be sent in {} s", left.as_secs()),
            Self::BackOff(left, why) => write!(f, "{why}; again in {} s", left.as_secs()),
            Self::HostDown(left) => write!(f, "its host does not answer; again in {} s", left.as_secs()),
            Self::HostBusy(running) => {
                write!(f, "{running} attempts run at its host, as many as have proven to get through")
            }
            Self::RecipientAway(left) => write!(f, "its recipient is away; again in {} s", left.as_secs()),
            Self::RecipientBusy => f.write_str("another file goes to its recipient"),
            Self::Place(running) => write!(f, "{running} attempts run, as many as may"),
            Self::Restart => f.write_str("the server restarts"),
        }
    }
}

/// What waits for one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Deliveries by queue.
    pub queues: BTreeMap<&'static str, usize>,
    /// And by what they wait for.
    pub waits: BTreeMap<&'static str, usize>,
    /// By their age: younger than the first of [`AGES`], the second, ..., and older than all.
    pub ages: [usize; AGES.len() + 1],
    /// When the oldest was asked for.
    pub oldest: Option<Wall>,
}

impl Lane {
    /// One more, asked for at this time.
    pub fn count(&mut self, queue: Name, wait: Option<&Wait>, created: Wall, now: Wall) {
        *self.queues.entry(queue.word()).or_default() += 1;
        if let Some(wait) = wait {
            *self.waits.entry(wait.word()).or_default() += 1;
        }
        let minutes = now.micros().saturating_sub(created.micros()) / 60_000_000;
        let column = AGES.iter().position(|bound| minutes < *bound).unwrap_or(AGES.len());
        self.ages[column] += 1;
        self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
    }
}

impl Queue {
    /// A delivery that is not settled, as it was last written down or will be next.
    pub fn delivery(&self, id: &str) -> Option<&Delivery> {
        self.jobs.get(id).map(|job| &job.record)
    }

    /// Whether an object is still to be brought to somebody.
    pub fn brings(&self, object: &str) -> bool {
        self.jobs.values().any(|job| job.record.object == object)
    }

    /// In which queue a delivery is, and what it waits for; nothing of one that is settled.
    pub fn wait(&self, now: Now, id: &str) -> Option<(Name, Wait)> {
        self.jobs.get(id).map(|job| self.wait_of(now, job))
    }

    /// What waits for each host.
    pub fn lanes(&self, now: Now) -> BTreeMap<String, Lane> {
        let mut lanes: BTreeMap<String, Lane> = BTreeMap::new();
        for job in self.jobs.values() {
            let (queue, wait) = self.wait_of(now, job);
            lanes.entry(job.host.clone()).or_default().count(queue, Some(&wait), job.record.created, now.wall);
        }
        lanes
    }

    /// How many there are in each queue.
    pub fn counts(&self) -> [(Name, usize); 4] {
        let mut counts = [(Name::Incoming, 0), (Name::Active, 0), (Name::Deferred, 0), (Name::Hold, 0)];
        for job in self.jobs.values() {
            let name = name_of(job);
            counts.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, count)| *count += 1);
        }
        counts
    }

    fn wait_of(&self, now: Now, job: &Job) -> (Name, Wait) {
        let name = name_of(job);
        let wait = match job.phase {
            Phase::Registering(_) | Phase::Opening | Phase::Recording | Phase::Closing => Wait::Written,
            Phase::Trying => Wait::Attempt,
            Phase::Waiting => self.waits_for(now, job),
        };
        (name, wait)
    }

    fn waits_for(&self, now: Now, job: &Job) -> Wait {
        if let Some(by) = &job.held {
            return Wait::Held(by.clone());
        }
        let left = job.due - now.instant;
        match left {
            _ if self.draining => return Wait::Restart,
            Duration::ZERO => {}
            _ if job.record.attempts == 0 && job.record.reason.is_empty() => return Wait::Later(left),
            _ => return Wait::BackOff(left, job.record.reason.clone()),
        }
        let (host, recipient) = (self.parties.hosts.get(&job.host), self.parties.recipients.get(&job.recipient));
        let quiet = |until| until - now.instant;
        if let Some(recipient) = recipient {
            if let Some(until) = recipient.destination.quiet(now.instant) {
                return Wait::RecipientAway(quiet(until));
            }
            if !recipient.destination.has_room() {
                return Wait::RecipientBusy;
            }
        }
        if let Some(host) = host {
            if let Some(until) = host.destination.quiet(now.instant) {
                return Wait::HostDown(quiet(until));
            }
            if !host.destination.has_room() {
                return Wait::HostBusy(host.destination.running());
            }
        }
        Wait::Place(self.active)
    }
}

fn name_of(job: &Job) -> Name {
    match job.phase {
        Phase::Opening | Phase::Trying => Name::Active,
        _ if job.held.is_some() => Name::Hold,
        _ if job.record.attempts == 0 => Name::Incoming,
        _ => Name::Deferred,
    }
}
