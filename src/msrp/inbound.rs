//! One message that arrives: where its chunks go, when each may be answered, and when nothing is missing.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::model::limits::HOLES_PER_MESSAGE;
use crate::model::{ByteRange, Ranges};

use super::frame::{FailureReport, Flag, RequestHead, StatusCode};
use super::port::{AbortReason, SessionKey};
use super::wire::{Ask, Subject};

/// ```text
///   first chunk        Receive             $ seen, no hole,        Committed, Failed
///  ------------> Waiting ---> Receiving --- all written ---> Complete ------------>
///                   | Reject      | #, Reject, limits, loss
///                   v             v
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Receiving,
    Complete,
}

/// What has been decoded of a message that has no grant yet.
#[derive(Debug)]
pub(super) enum Parked {
    Chunk { ask: Ask, offset: u64 },
    Body(Bytes),
    End(Flag),
}

impl Parked {
    /// What it counts for: an ask costs more memory than the octets it is made of, for it is taken apart.
    pub(super) const fn octets(&self) -> usize {
        const ASK_OCTETS: usize = 1024;
        match self {
            Self::Chunk { .. } => ASK_OCTETS,
            Self::Body(octets) => octets.len() + size_of::<Self>(),
            Self::End(_) => size_of::<Self>(),
        }
    }
}

/// A chunk that cannot be answered yet.
#[derive(Debug)]
struct Chunk {
    ask: Ask,
    /// Where in the message its next octet goes.
    offset: u64,
    /// Octets given to the stage and not yet written.
    unwritten: usize,
    /// Its end-line, once seen.
    flag: Option<Flag>,
}

#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) session: SessionKey,
    pub(super) subject: Subject,
    pub(super) success_report: bool,
    pub(super) failure_report: FailureReport,
    pub(super) stage: Stage,
    pub(super) held: bool,
    /// Decoded before the grant, in order; see [`super::receiver::Receiver::is_stalled`].
    pub(super) parked: VecDeque<Parked>,
    /// Most octets it may have.
    pub(super) limit: u64,
    /// Octets given to the stage, now or before.
    pub(super) received: Ranges,
    /// Octets reported as durable.
    pub(super) reported: u64,
    /// A SyncWanted is out.
    pub(super) sync_wanted: bool,
    /// Octets for which a sync was last wanted.
    synced: u64,
    /// RFC 4975 §7.3.1: fixed by the `$` chunk alone.
    end: Option<u64>,
    declared: Option<u64>,
    chunks: VecDeque<Chunk>,
}

impl Inbound {
    /// A message whose first chunk has this head.
    pub(super) fn new(session: SessionKey, head: &RequestHead, message_id: String) -> Self {
        let (to_path, from_path) = (head.to_path.clone(), head.from_path.clone());
        Self {
            session,
            subject: Subject { to_path, from_path, message_id },
            success_report: head.success_report,
            failure_report: head.failure_report,
            stage: Stage::Waiting,
            held: false,
            parked: VecDeque::new(),
            limit: 0,
            received: Ranges::new(),
            reported: 0,
            sync_wanted: false,
            synced: 0,
            end: None,
            declared: head.byte_range.and_then(|range| range.total),
            chunks: VecDeque::new(),
        }
    }

    /// A chunk begins.
    pub(super) fn open(&mut self, ask: Ask, offset: u64) {
        self.chunks.push_back(Chunk { ask, offset, unwritten: 0, flag: None });
    }

    /// Octets of the chunk that began last: where they go.
    pub(super) fn take(&mut self, octets: usize) -> Result<u64, AbortReason> {
        let chunk = self.chunks.back_mut().expect("body octets follow a chunk's head");
        let offset = chunk.offset;
        let end = offset.checked_add(octets as u64).filter(|end| *end <= self.limit).ok_or(AbortReason::TooLarge)?;
        if self.end.is_some_and(|last| end > last) {
            return Err(AbortReason::BeyondEnd);
        }
        self.received.insert(offset, end, HOLES_PER_MESSAGE).map_err(|_| AbortReason::TooManyHoles)?;
        chunk.offset = end;
        chunk.unwritten += octets;
        Ok(offset)
    }

    /// The end-line of the chunk that began last.
    pub(super) fn close(&mut self, flag: Flag) -> Result<(), AbortReason> {
        let chunk = self.chunks.back_mut().expect("an end-line follows a chunk's head");
        chunk.flag = Some(flag);
        if flag != Flag::Complete {
            return Ok(());
        }
        // RFC 4975 §7.3.1: the length comes from the data, never from the Byte-Range (P1).
        let end = chunk.offset;
        if self.end.is_some_and(|other| other != end) || self.received.end() > end {
            return Err(AbortReason::BeyondEnd);
        }
        self.end = Some(end);
        Ok(())
    }

    /// The stage has taken octets, oldest chunk first. Gives back how many were expected.
    pub(super) fn written(&mut self, octets: usize) -> usize {
        let mut left = octets;
        for chunk in &mut self.chunks {
            let taken = left.min(chunk.unwritten);
            chunk.unwritten -= taken;
            left -= taken;
        }
        octets - left
    }

    /// The oldest chunk, once it is over and written: it may be answered 200.
    pub(super) fn settled(&mut self) -> Option<(Ask, Flag)> {
        let flag = self.chunks.front().filter(|chunk| chunk.unwritten == 0)?.flag?;
        self.chunks.pop_front().map(|chunk| (chunk.ask, flag))
    }

    /// Chunks not yet answered, oldest first.
    pub(super) fn unanswered(&mut self) -> impl Iterator<Item = Ask> {
        let parked = self.parked.drain(..).filter_map(|parked| match parked {
            Parked::Chunk { ask, .. } => Some(ask),
            Parked::Body(_) | Parked::End(_) => None,
        });
        self.chunks.drain(..).map(|chunk| chunk.ask).chain(parked)
    }

    pub(super) fn unwritten(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.unwritten).sum()
    }

    /// The size, once the end was seen and every octet is written.
    pub(super) fn whole(&self) -> Option<u64> {
        self.end.filter(|end| self.chunks.is_empty() && self.received.covers(*end))
    }

    /// Whether nothing more of it has to come, written or not.
    pub(super) fn has_come(&self) -> bool {
        match self.parked.back() {
            Some(parked) => matches!(parked, Parked::End(Flag::Complete | Flag::Aborted)),
            None => self.end.is_some_and(|end| self.received.covers(end)),
        }
    }

    /// The size as far as it is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.end.or(self.declared)
    }

    /// Whether a sync would be worth a REPORT; remembers that it was wanted.
    pub(super) fn wants_sync(&mut self, every: u64) -> bool {
        let wanted = self.success_report && self.received.prefix() >= self.synced.saturating_add(every);
        if wanted {
            self.synced = self.received.prefix();
            self.sync_wanted = true;
        }
        wanted
    }

    /// The first octets are durable: the range that may be reported, if a sync was wanted and there is news.
    pub(super) fn durable(&mut self, octets: u64) -> Option<ByteRange> {
        // RFC 4975 §7.1.3: REPORTs that cover the message mean that it has arrived, and that only the commit may say.
        let last = self.total().unwrap_or_else(|| self.received.end());
        let octets = octets.min(self.received.prefix()).min(last.saturating_sub(1));
        if !self.success_report || !self.sync_wanted || octets <= self.reported {
            return None;
        }
        self.sync_wanted = false;
        let range = ByteRange { start: self.reported + 1, end: Some(octets), total: self.total() };
        self.reported = octets;
        Some(range)
    }

    /// RFC 4975 §7.1.4: the range of a failure REPORT ends where the data ends.
    pub(super) fn received_range(&self) -> ByteRange {
        ByteRange { start: 1, end: Some(self.received.end()), total: self.total() }
    }
}

/// What the sender is told of a message we give up.
pub(super) const fn status(why: AbortReason) -> StatusCode {
    match why {
        AbortReason::BeyondEnd => StatusCode::BAD_REQUEST,
        _ => StatusCode::STOP_SENDING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msrp::frame::Method;
    use crate::msrp::uri::MsrpUri;

    fn head(start: u64) -> RequestHead {
        let path = |text| MsrpUri::parse_path(text).expect("a path").into();
        let mut head =
            RequestHead::new("t1234".to_owned(), Method::Send, path("msrp://h:1/a;tcp"), path("msrp://h:2/b;tcp"));
        head.byte_range = Some(ByteRange { start, end: None, total: Some(100) });
        head.success_report = true;
        head
    }

    /// A message of which these chunks (start, octets, flag) have come.
    fn message(chunks: &[(u64, usize, Flag)]) -> (Inbound, Result<(), AbortReason>) {
        let mut message = Inbound::new(SessionKey(1), &head(1), "m1234".to_owned());
        message.limit = 1000;
        for &(start, octets, flag) in chunks {
            message.open(Ask::of(&head(start)), start - 1);
            if let Err(why) = message.take(octets).and_then(|_| message.close(flag)) {
                return (message, Err(why));
            }
        }
        (message, Ok(()))
    }

    // M4975-7.3.1-04 M4975-7.3.1-05
    #[test]
    fn it_is_whole_when_the_end_is_known_and_nothing_is_missing_or_unwritten() {
        let (mut message, taken) = message(&[(5, 4, Flag::Complete), (1, 4, Flag::More)]);
        assert_eq!((taken, message.whole(), message.total()), (Ok(()), None, Some(8)));
        assert_eq!((message.written(4), message.settled().is_some(), message.whole()), (4, true, None));
        assert!(message.settled().is_none());
        assert_eq!((message.written(100), message.settled().is_some(), message.whole()), (4, true, Some(8)));
    }

    // Pitfall P13
    #[test]
    fn a_plus_at_the_declared_end_is_not_the_end() {
        let (mut message, _) = message(&[(1, 100, Flag::More)]);
        message.written(100);
        assert!(message.settled().is_some());
        assert_eq!((message.whole(), message.total(), message.received.covers(100)), (None, Some(100), true));
    }

    #[test]
    fn every_contradiction_and_every_limit_has_its_name() {
        use Flag::{Complete, More};
        for (chunks, why) in [
            (&[(1, 4, Complete), (3, 4, More)][..], AbortReason::BeyondEnd),
            (&[(3, 4, More), (1, 4, Complete)], AbortReason::BeyondEnd),
            (&[(1, 4, Complete), (1, 3, Complete)], AbortReason::BeyondEnd),
            (&[(1, 1001, More)], AbortReason::TooLarge),
            (&[(u64::MAX, 4, More)], AbortReason::TooLarge),
        ] {
            assert_eq!(message(chunks).1, Err(why), "{chunks:?}");
        }
    }

    // M4975-7.1.3-03
    #[test]
    fn durable_octets_are_reported_once_and_only_when_a_sync_was_wanted() {
        let (mut message, _) = message(&[(1, 10, Flag::More)]);
        assert_eq!(message.durable(5), None);
        assert!(message.wants_sync(10) && !message.wants_sync(10));
        let range = ByteRange { start: 1, end: Some(10), total: Some(100) };
        assert_eq!((message.durable(50), message.durable(50)), (Some(range), None));
    }
}
