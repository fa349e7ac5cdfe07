//! One message that we send: what is fetched, sent, answered and reported.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::model::limits::HOLES_PER_MESSAGE;
use crate::model::{ByteRange, Ranges};

use super::frame::{FailureReport, Method, Path, RequestHead};
use super::port::{Config, OutboundSpec};

/// RFC 4975 §5.1: a chunk with more octets has to be interruptible, and §7.1.1: only a last chunk should have fewer.
pub(super) const INTERRUPTIBLE_OCTETS: u64 = 2048;

#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) spec: OutboundSpec,
    to_path: Path,
    from_path: Path,
    /// Octets of the message asked for so far.
    asked: u64,
    /// The Fetch that is out: offset in the source, octets.
    pub(super) fetching: Option<(u64, usize)>,
    /// Fetched and not yet sent.
    ready: VecDeque<Bytes>,
    ready_octets: u64,
    /// Octets of the message on the wire.
    pub(super) sent: u64,
    /// Those of them in chunks that have ended: nobody answers the others yet.
    pub(super) ended_octets: u64,
    answered: Ranges,
    reported: Ranges,
    /// A success REPORT has come, which an empty message needs to know.
    report_seen: bool,
    /// Chunks whose answer may still come.
    pub(super) unanswered: usize,
    /// The chunk with `$` is on the wire.
    pub(super) ended: bool,
    pub(super) paused: bool,
    /// It waits for its turn.
    pub(super) queued: bool,
}

impl Outbound {
    pub(super) fn new(spec: OutboundSpec, to_path: Path, from_path: Path) -> Self {
        let preamble = spec.preamble.clone();
        Self {
            spec,
            to_path,
            from_path,
            asked: preamble.len() as u64,
            fetching: None,
            ready_octets: preamble.len() as u64,
            ready: if preamble.is_empty() { VecDeque::new() } else { VecDeque::from([preamble]) },
            sent: 0,
            ended_octets: 0,
            answered: Ranges::new(),
            reported: Ranges::new(),
            report_seen: false,
            unanswered: 0,
            ended: false,
            paused: false,
            queued: false,
        }
    }

    /// The next Fetch, if there is room for its octets: offset in the source, octets.
    pub(super) fn fetch(&mut self, config: &Config) -> Option<(u64, usize)> {
        let left = self.spec.total - self.asked;
        let octets = left.min(config.fetch_octets.max(INTERRUPTIBLE_OCTETS as usize) as u64);
        // When no answer is awaited none will make room: neither for the rest of an open chunk that is longer than the
        // window, nor for the rest of a short one of which some octets are here.
        let awaited = self.ended_octets > self.answered.octets();
        let room = !awaited || self.asked - self.answered.octets() + octets <= config.window_octets;
        let enough = self.ready_octets >= config.fetch_octets as u64;
        if self.paused || self.fetching.is_some() || octets == 0 || enough || !room {
            return None;
        }
        let place = self.asked - self.spec.preamble.len() as u64;
        let fetch = (self.spec.skip.saturating_add(place), octets as usize);
        self.asked += octets;
        self.fetching = Some(fetch);
        Some(fetch)
    }

    /// Takes what was fetched. Whether it answers the Fetch that is out.
    pub(super) fn fetched(&mut self, offset: u64, octets: Bytes) -> bool {
        let Some((asked_offset, asked)) = self.fetching.take() else { return false };
        if offset != asked_offset || octets.is_empty() || octets.len() > asked {
            return false;
        }
        self.asked -= (asked - octets.len()) as u64;
        self.ready_octets += octets.len() as u64;
        self.ready.push_back(octets);
        true
    }

    /// Octets of the chunk that would begin now.
    pub(super) fn chunk_octets(&self) -> u64 {
        (self.spec.chunk.max(1) as u64).min(self.spec.total - self.sent)
    }

    /// Whether a chunk may begin: a short one names its end, so all of it has to be there.
    pub(super) fn can_begin(&self) -> bool {
        !self.paused && !self.ended && self.ready_octets >= self.chunk_octets().min(INTERRUPTIBLE_OCTETS)
    }

    /// Whether there are octets for the chunk that is open.
    pub(super) fn can_continue(&self) -> bool {
        !self.paused && self.ready_octets > 0
    }

    /// The head of a chunk of this many octets that begins now.
    pub(super) fn head(&self, tid: String, octets: u64) -> RequestHead {
        let mut head = RequestHead::new(tid, Method::Send, self.to_path.clone(), self.from_path.clone());
        // RFC 4975 §7.1.1: over 2048 octets a chunk has to be interruptible, so its end stays open.
        let end = (octets <= INTERRUPTIBLE_OCTETS).then_some(self.sent + octets);
        head.byte_range = Some(ByteRange { start: self.sent + 1, end, total: Some(self.spec.total) });
        head.message_id = Some(self.spec.message_id.clone());
        head.success_report = self.spec.success_report;
        head.failure_report = self.spec.failure_report;
        head.others = self.spec.headers.clone();
        head.content_type = Some(self.spec.content_type.clone());
        head
    }

    /// The octets to send next, at most this many. A short chunk comes in one piece.
    pub(super) fn peek(&mut self, octets: u64) -> Bytes {
        let Some(first) = self.ready.front() else { return Bytes::new() };
        let short = octets <= INTERRUPTIBLE_OCTETS && (first.len() as u64) < octets && octets <= self.ready_octets;
        if short {
            let mut joined = BytesMut::with_capacity(octets as usize);
            while let Some(piece) = self.ready.pop_front() {
                joined.extend_from_slice(&piece);
                if joined.len() as u64 >= octets {
                    break;
                }
            }
            self.ready.push_front(joined.freeze());
        }
        self.ready.front().map_or_else(Bytes::new, |piece| piece.slice(..piece.len().min(octets as usize)))
    }

    /// The first octets of what was peeked are on the wire.
    pub(super) fn advance(&mut self, octets: usize) {
        let Some(first) = self.ready.front_mut() else { return };
        drop(first.split_to(octets));
        if first.is_empty() {
            self.ready.pop_front();
        }
        self.ready_octets -= octets as u64;
        self.sent += octets as u64;
    }

    /// These octets need no more room in the window. Whether there is progress to tell.
    pub(super) fn credit(&mut self, start: u64, end: u64) -> bool {
        let before = self.answered.prefix();
        self.answered.insert(start, end, usize::MAX).expect("there is no limit");
        self.answered.prefix() > before
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.answered.prefix()
    }

    /// A success REPORT for this range, or for the whole message.
    pub(super) fn report(&mut self, range: Option<ByteRange>) {
        self.report_seen = true;
        let total = self.spec.total;
        let start = range.map_or(0, |range| range.start.saturating_sub(1));
        let end = range.and_then(|range| range.end).unwrap_or(total).min(total);
        // A peer that reports in more pieces than the limit has to report the whole again.
        let _ = self.reported.insert(start, end, HOLES_PER_MESSAGE);
    }

    pub(super) fn reported(&self) -> u64 {
        self.reported.prefix()
    }

    /// Whether nothing more is to be hoped for.
    pub(super) fn is_delivered(&self) -> bool {
        let reported = self.report_seen && self.reported.covers(self.spec.total);
        // RFC 4975 §7.1.1: with "partial" no news is good news, and a REPORT of the whole is better news.
        let answered = self.unanswered == 0 || (reported && self.spec.failure_report != FailureReport::Yes);
        self.ended && answered && (reported || !self.spec.success_report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msrp::port::{OutboundKey, SessionKey};

    fn message(total: u64, chunk: usize) -> Outbound {
        let spec = OutboundSpec {
            message: OutboundKey(1),
            session: SessionKey(1),
            message_id: "m1234".to_owned(),
            total,
            content_type: "a/b".to_owned(),
            headers: Vec::new(),
            success_report: true,
            failure_report: FailureReport::Yes,
            chunk,
            preamble: Bytes::new(),
            skip: 1000,
        };
        Outbound::new(spec, Path::from([]), Path::from([]))
    }

    fn config() -> Config {
        Config { fetch_octets: 4096, window_octets: 10_000, ..Config::default() }
    }

    #[test]
    fn one_piece_is_fetched_ahead_and_the_window_is_kept() {
        let mut message = message(50_000, 4096);
        assert_eq!(message.fetch(&config()), Some((1000, 4096)));
        assert_eq!(message.fetch(&config()), None);
        assert!(message.fetched(1000, vec![0; 4096].into()));
        assert_eq!(message.fetch(&config()), None);
        message.advance(4096);
        assert_eq!(message.fetch(&config()), Some((5096, 4096)));
        assert!(message.fetched(5096, vec![0; 100].into()), "a source may give less");
        message.advance(100);
        assert_eq!(message.fetch(&config()), Some((5196, 4096)));
        assert!(message.fetched(5196, vec![0; 4096].into()));
        message.advance(4096);
        message.ended_octets = message.sent;
        assert_eq!(message.fetch(&config()), None, "8,292 octets are unanswered");
        assert!(message.credit(0, 4096));
        assert_eq!(message.fetch(&config()), Some((9292, 4096)));
    }

    #[test]
    fn a_chunk_larger_than_the_window_is_fetched_to_its_end_a_piece_at_a_time() {
        let mut message = message(50_000, 45_000);
        for start in (0..45_000).step_by(4096) {
            assert_eq!(message.fetch(&config()), Some((1000 + start, 4096)));
            assert!(message.fetched(1000 + start, vec![0; 4096].into()));
            assert_eq!(message.fetch(&config()), None, "one piece ahead is enough");
            message.advance(4096);
        }
        assert_eq!(message.sent, 45_056, "the whole chunk, and nothing is answered");
        message.ended_octets = message.sent;
        assert_eq!(message.fetch(&config()), None);
    }

    // M4975-5.1-01 M4975-7.1.1-18
    #[test]
    fn a_chunk_over_2048_octets_leaves_its_end_open() {
        let message = message(50_000, 2049);
        let end = |octets| message.head("t1234".to_owned(), octets).byte_range.and_then(|range| range.end);
        assert_eq!((end(2048), end(2049)), (Some(2048), None));
    }

    // M4975-7.1.1-32
    #[test]
    fn it_is_delivered_when_sent_answered_and_reported() {
        let mut message = message(10, 10);
        assert!(message.fetch(&config()).is_some() && message.fetched(1000, vec![0; 10].into()));
        let piece = message.peek(10);
        message.advance(piece.len());
        (message.ended, message.unanswered) = (true, 1);
        message.report(Some(ByteRange { start: 1, end: None, total: None }));
        assert!(!message.is_delivered());
        message.unanswered = 0;
        assert!(message.is_delivered());
    }
}
