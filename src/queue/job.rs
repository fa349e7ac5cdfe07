//! One delivery at work: what it is doing, and what was asked of it meanwhile.

use std::time::Duration;

use crate::model::{Instant, Now, Wall};
use crate::spool::{Delivery, Progress};

use super::destination::parts;
use super::port::AskKey;
use super::retry::Config;

/// A delivery whose time was over while no server ran may still be tried for so long: a clock that was set wrong must not
/// end everything.
const GRACE: Duration = Duration::from_secs(3600);

/// What a delivery does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is being written down for the first time.
    Registering(AskKey),
    /// It waits for its time, or for a place.
    Waiting,
    /// An attempt has its place, and is being written down.
    Opening,
    /// It runs.
    Trying,
    /// Its failure is being written down.
    Recording,
    /// Its end is being written down.
    Closing,
}

/// A delivery that is not settled.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) record: Delivery,
    pub(super) phase: Phase,
    pub(super) host: String,
    pub(super) recipient: String,
    /// When it may be tried.
    pub(super) due: Instant,
    /// When it is given up.
    pub(super) expires: Instant,
    /// Its recipient was heard of while it was busy failing: it does not wait for its next turn (R18).
    pub(super) triggered: bool,
    /// How it shall end, by whose word.
    pub(super) wanted: Option<(Progress, String)>,
    /// Who waits for that.
    pub(super) asks: Vec<AskKey>,
    /// Who keeps its object.
    pub(super) held: Option<String>,
    /// It stands in the line of its host, or of its recipient.
    pub(super) queued: bool,
    /// What is known could not be written down, and is written again when it is due.
    pub(super) unwritten: bool,
}

impl Job {
    pub(super) fn new(record: Delivery, phase: Phase, now: Now, config: &Config) -> Self {
        let (host, recipient) = parts(&record.to);
        let left = |wall: Wall| Duration::from_micros(wall.micros().saturating_sub(now.wall.micros()));
        let longest = if record.attempts == 0 { config.lifetime } else { config.backoff_max };
        let was_trying = record.progress == Progress::Trying;
        let due = if was_trying { Duration::ZERO } else { left(record.next).min(longest) };
        let lives = match (phase, left(record.expires)) {
            (Phase::Registering(_), lives) => lives,
            (_, Duration::ZERO) => GRACE,
            (_, lives) => lives.min(config.lifetime),
        };
        let mut job = Self {
            phase,
            host,
            recipient,
            due: now.instant + due,
            expires: now.instant + lives,
            triggered: false,
            wanted: None,
            asks: Vec::new(),
            held: None,
            queued: false,
            unwritten: false,
            record,
        };
        if was_trying {
            job.record.progress = Progress::Waiting;
            "the server stopped during the attempt".clone_into(&mut job.record.reason);
        }
        job
    }
}
