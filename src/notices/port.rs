//! What goes into the post and what comes out of it.

use std::time::Duration;

use crate::model::{Backoff, Wall};
use crate::spool::{Slip, Target};

/// How patiently notices are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The waits after failures.
    pub backoff: Backoff,
    /// How long a notice is tried.
    pub lifetime: Duration,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// This notice waits: it is new, was known before a start, or is to be tried again after it was given up.
    Known(Slip),
    /// An [`Output::Send`] has ended so.
    Answered(String, Verdict),
    /// Try it now, and whatever else waits for its target.
    Hurry(Slip),
    /// Nobody wants it to be sent any more; nothing is heard of it again.
    Drop(String),
    /// The deadline has passed.
    Timeout,
}

/// How an attempt has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The target has it.
    Taken,
    /// It can't be taken now: this notice is tried again.
    Refused(String),
    /// The target is away, or wants to be left alone for so long: so is everything else for it.
    Away(String, Option<Duration>),
    /// The target is gone for good: so says itself, or whoever has looked for it.
    Gone(String),
    /// This notice can't be brought, now or later; others for its target can.
    Lost(String),
}

/// What must be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bring this notice there; answered with [`Input::Answered`], always and once.
    Send(String, Target),
    /// The target has it: forget it.
    Taken(String),
    /// It was not taken, and is tried again.
    Deferred {
        /// Which.
        id: String,
        /// Attempts that have failed.
        attempts: u32,
        /// When.
        next: Wall,
        /// Why.
        reason: String,
    },
    /// It is given up, after so many attempts, for this reason.
    Dead(String, u32, String),
}
