//! The outgoing half of the stream: what is answered, in which order, and how much the socket still has to take.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::model::{ByteRange, Mint, Outbox};

use super::encode;
use super::frame::{FailureReport, Method, Path, RequestHead, Status, StatusCode};
use super::port::Output;

/// Letters of a transaction id: 95 random bits; RFC 4975 §7.1 wants 64.
const TID_LETTERS: usize = 16;

/// As much of a request as its answer needs.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) tid: String,
    pub(super) to_path: Path,
    pub(super) from_path: Path,
    pub(super) failure_report: FailureReport,
}

impl Ask {
    pub(super) fn of(head: &RequestHead) -> Self {
        Self {
            tid: head.tid.clone(),
            to_path: head.to_path.clone(),
            from_path: head.from_path.clone(),
            failure_report: head.failure_report,
        }
    }
}

/// What a REPORT is about: the paths of the SEND, as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) to_path: Path,
    pub(super) from_path: Path,
    pub(super) message_id: String,
}

#[derive(Debug)]
pub(super) struct Wire {
    mint: Mint,
    /// Whole frames that may not wait for a body.
    urgent: VecDeque<Bytes>,
    made: u64,
    sent: u64,
}

impl Wire {
    pub(super) const fn new(mint: Mint) -> Self {
        Self { mint, urgent: VecDeque::new(), made: 0, sent: 0 }
    }

    pub(super) fn tid(&mut self) -> String {
        self.mint.token(TID_LETTERS)
    }

    /// Answers a SEND, if its Failure-Report lets us (RFC 4975 §7.1.4).
    pub(super) fn answer(&mut self, ask: &Ask, status: StatusCode) {
        if ask.failure_report.wants(status) {
            // RFC 4975 §7.2: the answer to a SEND goes to the previous hop alone.
            self.urgent.push_back(encode::response(&ask.tid, status, &ask.from_path[..1], &ask.to_path[0]));
        }
    }

    /// Answers any other request: the answer goes all the way back (RFC 4975 §7.2).
    pub(super) fn answer_all_the_way(&mut self, ask: &Ask, status: StatusCode) {
        self.urgent.push_back(encode::response(&ask.tid, status, &ask.from_path, &ask.to_path[0]));
    }

    /// Answers an AUTH, with what it is told there (RFC 4976 §6.3).
    pub(super) fn answer_auth(&mut self, ask: &Ask, status: StatusCode, headers: &[(&'static str, String)]) {
        let (tid, from) = (&ask.tid, &ask.to_path[0]);
        self.urgent.push_back(encode::response_with(tid, status, &ask.from_path, from, headers));
    }

    /// Sends a REPORT (RFC 4975 §7.1.2).
    pub(super) fn report(&mut self, subject: &Subject, range: ByteRange, code: StatusCode) {
        let (to_path, from_path) = (subject.from_path.clone(), subject.to_path.clone());
        let mut head = RequestHead::new(self.tid(), Method::Report, to_path, from_path);
        head.message_id = Some(subject.message_id.clone());
        head.byte_range = Some(range);
        head.status = Some(Status { namespace: 0, code, comment: code.comment().to_owned() });
        self.urgent.push_back(encode::bodiless(&head));
    }

    /// Sends a whole frame before any further body. Gives the position in the stream where it ends.
    pub(super) fn urgent(&mut self, frame: Bytes) -> u64 {
        self.urgent.push_back(frame);
        self.made + self.urgent.iter().map(|frame| frame.len() as u64).sum::<u64>()
    }

    pub(super) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    pub(super) fn flush_urgent(&mut self, out: &mut Outbox<Output>) {
        while let Some(frame) = self.urgent.pop_front() {
            self.transmit(frame, out);
        }
    }

    pub(super) fn transmit(&mut self, octets: Bytes, out: &mut Outbox<Output>) {
        self.made += octets.len() as u64;
        out.push(Output::Transmit(octets));
    }

    pub(super) fn sent(&mut self, octets: usize) {
        self.sent = self.made.min(self.sent + octets as u64);
    }

    /// Octets transmitted since the stream began.
    pub(super) const fn position(&self) -> u64 {
        self.made
    }

    /// Octets the socket has taken since the stream began.
    pub(super) const fn taken(&self) -> u64 {
        self.sent
    }

    pub(super) const fn unsent(&self) -> u64 {
        self.made - self.sent
    }
}
