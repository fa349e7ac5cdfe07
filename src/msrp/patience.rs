//! How long a connection waits for a peer that dawdles, and for an owner that does.

use crate::model::Instant;
use crate::model::limits::{MSRP_HEAD_TIMEOUT, MSRP_STUCK, PARKED_PATIENCE};

use super::port::{InboundKey, Reason};

/// What is being waited for, each with the instant when it will have been long enough.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// The rest of the head that the decoder counts as this one.
    head: Option<(u64, Instant)>,
    /// The peer, to take octets of ours.
    taken: Option<Instant>,
    /// A grant for this message, which others wait for.
    grant: Option<(InboundKey, Instant)>,
}

impl Patience {
    /// The head of this number has begun and is not over; `None` if no head has, or if it is we who don't read.
    pub(super) fn head(&mut self, number: Option<u64>, now: Instant) {
        self.head = match (number, self.head) {
            (Some(number), Some((before, due))) if number == before => Some((before, due)),
            (number, _) => number.map(|number| (number, now + MSRP_HEAD_TIMEOUT)),
        };
    }

    /// The peer has taken octets.
    pub(super) const fn took(&mut self) {
        self.taken = None;
    }

    /// Whether octets wait to be taken.
    pub(super) fn unsent(&mut self, unsent: bool, now: Instant) {
        self.taken = unsent.then(|| self.taken.unwrap_or(now + MSRP_STUCK));
    }

    /// Whether others wait for the grant of this message already.
    pub(super) fn waits_for(&self, message: InboundKey) -> bool {
        self.grant.is_some_and(|(key, _)| key == message)
    }

    /// Others wait for the grant of this message; or for none.
    pub(super) fn grant(&mut self, message: Option<InboundKey>, now: Instant) {
        self.grant = message.map(|message| (message, now + PARKED_PATIENCE));
    }

    /// The message whose grant has been waited for long enough.
    pub(super) fn ungranted(&mut self, now: Instant) -> Option<InboundKey> {
        self.grant.take_if(|(_, due)| *due <= now).map(|(message, _)| message)
    }

    /// Whether this is over: a head or a peer that takes nothing.
    pub(super) fn has_run_out(&self, now: Instant) -> Option<Reason> {
        self.deadline().filter(|(due, reason)| *due <= now && *reason != Reason::Grant).map(|(_, reason)| reason)
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        let head = self.head.map(|(_, due)| (due, Reason::Head));
        let taken = self.taken.map(|due| (due, Reason::Taken));
        let grant = self.grant.map(|(_, due)| (due, Reason::Grant));
        [head, taken, grant].into_iter().flatten().min_by_key(|(due, _)| *due)
    }
}
