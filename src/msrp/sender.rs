//! Everything a connection sends of messages: one wire, fair turns, chunks that make way.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::model::{ByteRange, Instant, Outbox};

use super::encode;
use super::frame::{FailureReport, Flag, Method, RequestHead, StatusCode};
use super::outbound::{INTERRUPTIBLE_OCTETS, Outbound};
use super::port::{Config, OutboundKey, OutboundSpec, Output, SendFailure, SessionKey};
use super::session::Session;
use super::transaction::{Owner, Transaction, Transactions};
use super::wire::Wire;

/// The chunk whose end-line has not been sent.
#[derive(Debug)]
struct Open {
    message: OutboundKey,
    tid: String,
    start: u64,
    octets: u64,
    /// Octets it may have.
    most: u64,
    /// Its last octets, where the first half of an end-line could be.
    tail: Vec<u8>,
    /// It was answered 200 before its end.
    answered: bool,
}

#[derive(Debug)]
pub(super) struct Sender {
    config: Config,
    messages: BTreeMap<OutboundKey, Outbound>,
    /// Messages with octets to send, in turn.
    turns: VecDeque<OutboundKey>,
    open: Option<Open>,
    transactions: Transactions,
}

/// What an answer means for its session.
pub(super) enum Verdict {
    Nothing,
    Live(SessionKey),
    Failed(SessionKey, SendFailure),
    /// RFC 4975 §10.6: no more of this type in this session.
    TypeRefused(SessionKey, String),
}

impl Sender {
    pub(super) fn new(config: Config) -> Self {
        let transactions = Transactions::new(config.transaction_timeout);
        Self { config, messages: BTreeMap::new(), turns: VecDeque::new(), open: None, transactions }
    }

    /// RFC 4975 §5.4: the active side sends a SEND at once.
    pub(super) fn greet(&mut self, session: &Session, message_id: String, wire: &mut Wire) {
        let (to_path, from_path) = (session.to_path.clone(), session.from_path.clone());
        let mut head = RequestHead::new(self.tid(wire), Method::Send, to_path, from_path);
        head.message_id = Some(message_id);
        // RFC 4975 §7.1.1: content that does not exist still starts at 1.
        head.byte_range = Some(ByteRange { start: 1, end: Some(0), total: Some(0) });
        let frame = encode::bodiless(&head);
        let owner = Owner::Greeting(session.spec.key);
        let position = wire.urgent(frame);
        self.transactions.add(head.tid, Transaction { owner, failure_report: FailureReport::Yes }, position);
    }

    pub(super) fn send(&mut self, mut spec: OutboundSpec, session: &Session, out: &mut Outbox<Output>) {
        let key = spec.message;
        spec.chunk = spec.chunk.min(self.config.chunk_octets);
        self.messages.insert(key, Outbound::new(spec, session.to_path.clone(), session.from_path.clone()));
        self.go_on(key, out);
    }

    pub(super) fn fetched(
        &mut self,
        key: OutboundKey,
        offset: u64,
        octets: Bytes,
        wire: &mut Wire,
        out: &mut Outbox<Output>,
    ) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        if message.fetched(offset, octets) {
            self.go_on(key, out);
        } else {
            self.fail(key, SendFailure::Source, wire, out);
        }
    }

    pub(super) fn pause(&mut self, key: OutboundKey, paused: bool, out: &mut Outbox<Output>) {
        if let Some(message) = self.messages.get_mut(&key) {
            message.paused = paused;
            self.go_on(key, out);
        }
    }

    /// Fetches more if there is room and takes a turn if there is something to send.
    fn go_on(&mut self, key: OutboundKey, out: &mut Outbox<Output>) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        if let Some((offset, octets)) = message.fetch(&self.config) {
            out.push(Output::Fetch { message: key, offset, octets });
        }
        let open = self.open.as_ref().is_some_and(|open| open.message == key);
        if message.can_begin() && !message.queued && !open {
            message.queued = true;
            self.turns.push_back(key);
        }
    }

    /// Puts on the wire what may go.
    pub(super) fn pump(&mut self, wire: &mut Wire, out: &mut Outbox<Output>) {
        loop {
            if wire.has_urgent() {
                // RFC 4975 §7.1.1: a long chunk makes way for responses and REPORTs.
                self.end_chunk(Flag::More, wire, out);
                wire.flush_urgent(out);
            }
            if wire.unsent() >= self.config.unsent_octets as u64 || !self.step(wire, out) {
                return;
            }
        }
    }

    /// Sends one piece, or ends a chunk that has to wait. Whether anything was done.
    fn step(&mut self, wire: &mut Wire, out: &mut Outbox<Output>) -> bool {
        let Some(open) = &self.open else { return self.begin_chunk(wire, out) };
        let Some(message) = self.messages.get(&open.message) else { return false };
        // RFC 4975 §7.1.1: others get their turn, but no chunk is cut short for them.
        let had_its_turn = open.octets >= INTERRUPTIBLE_OCTETS && !self.turns.is_empty();
        if had_its_turn || message.paused {
            self.end_chunk(Flag::More, wire, out);
            return true;
        }
        message.can_continue() && self.piece(wire, out)
    }

    fn begin_chunk(&mut self, wire: &mut Wire, out: &mut Outbox<Output>) -> bool {
        let Some(key) = self.turns.pop_front() else { return false };
        let Some(message) = self.messages.get_mut(&key) else { return true };
        message.queued = false;
        if !message.can_begin() {
            return true;
        }
        let most = message.chunk_octets();
        let first = message.peek(most);
        // RFC 4975 §7.1: an id that is not in use and not in the body.
        let tid = loop {
            let tid = wire.tid();
            if !self.transactions.contains(&tid) && encode::clash(&tid, b"", &first).is_none() {
                break tid;
            }
        };
        wire.transmit(encode::request_head(&message.head(tid.clone(), most)).freeze(), out);
        let start = message.sent;
        self.open = Some(Open { message: key, tid, start, octets: 0, most, tail: Vec::new(), answered: false });
        if most == 0 {
            self.end_chunk(Flag::Complete, wire, out);
            return true;
        }
        self.piece(wire, out)
    }

    /// Sends the next piece of the open chunk, and its end-line if that was the last.
    fn piece(&mut self, wire: &mut Wire, out: &mut Outbox<Output>) -> bool {
        let Some(open) = &mut self.open else { return false };
        let key = open.message;
        let Some(message) = self.messages.get_mut(&key) else { return false };
        let mut piece = message.peek(open.most - open.octets);
        let clash = encode::clash(&open.tid, &open.tail, &piece);
        piece.truncate(clash.unwrap_or(piece.len()));
        message.advance(piece.len());
        open.octets += piece.len() as u64;
        open.remember(&piece);
        let whole = message.sent == message.spec.total;
        let over = open.octets == open.most || clash.is_some();
        if !piece.is_empty() {
            wire.transmit(piece, out);
        }
        if whole || over {
            self.end_chunk(if whole { Flag::Complete } else { Flag::More }, wire, out);
        }
        self.go_on(key, out);
        true
    }

    /// Ends the open chunk, if there is one.
    fn end_chunk(&mut self, flag: Flag, wire: &mut Wire, out: &mut Outbox<Output>) {
        let Some(open) = self.open.take() else { return };
        wire.transmit(encode::body_end(&open.tid, flag), out);
        let Some(message) = self.messages.get_mut(&open.message) else { return };
        let (start, end) = (open.start, open.start + open.octets);
        message.ended = flag == Flag::Complete;
        message.ended_octets = end;
        message.unanswered += 1;
        if open.answered {
            return self.answered(open.message, start, end, out);
        }
        let owner = Owner::Chunk { message: open.message, start, end };
        let failure_report = message.spec.failure_report;
        self.transactions.add(open.tid, Transaction { owner, failure_report }, wire.position());
        self.go_on(open.message, out);
    }

    /// The socket has taken octets: timers start, and what nobody answers counts as answered.
    pub(super) fn sent(&mut self, now: Instant, wire: &Wire, out: &mut Outbox<Output>) {
        while let Some(transaction) = self.transactions.sent(wire.taken(), now) {
            let Owner::Chunk { message, start, end } = transaction.owner else { continue };
            match transaction.failure_report {
                FailureReport::Yes => {}
                FailureReport::Partial => self.credit(message, start, end, out),
                FailureReport::No => self.answered(message, start, end, out),
            }
        }
    }

    /// A response, or a timeout as its 408.
    pub(super) fn answer(
        &mut self,
        tid: &str,
        status: StatusCode,
        wire: &mut Wire,
        out: &mut Outbox<Output>,
    ) -> Verdict {
        if let Some(open) = self.open.as_mut().filter(|open| open.tid == tid) {
            open.answered = status.is_success();
            let key = open.message;
            return if status.is_success() { Verdict::Nothing } else { self.refused(key, status, wire, out) };
        }
        match self.transactions.take(tid) {
            Some(transaction) => self.settle(transaction, status, wire, out),
            None => Verdict::Nothing,
        }
    }

    /// A transaction that was never answered, if there is one.
    pub(super) fn expired(&mut self, now: Instant, wire: &mut Wire, out: &mut Outbox<Output>) -> Option<Verdict> {
        let transaction = self.transactions.expired(now)?;
        let silent = transaction.failure_report == FailureReport::Partial;
        let status = if silent { StatusCode::OK } else { StatusCode::TIMEOUT };
        Some(self.settle(transaction, status, wire, out))
    }

    fn settle(
        &mut self,
        transaction: Transaction,
        status: StatusCode,
        wire: &mut Wire,
        out: &mut Outbox<Output>,
    ) -> Verdict {
        match (transaction.owner, status.is_success()) {
            (Owner::Greeting(session), true) => Verdict::Live(session),
            (Owner::Greeting(session), false) => Verdict::Failed(session, failure(status)),
            (Owner::Chunk { message, start, end }, true) => {
                let session = self.messages.get(&message).map(|message| message.spec.session);
                self.answered(message, start, end, out);
                session.map_or(Verdict::Nothing, Verdict::Live)
            }
            (Owner::Chunk { message, .. }, false) => self.refused(message, status, wire, out),
        }
    }

    fn answered(&mut self, key: OutboundKey, start: u64, end: u64, out: &mut Outbox<Output>) {
        if let Some(message) = self.messages.get_mut(&key) {
            message.unanswered -= 1;
            self.credit(key, start, end, out);
        }
    }

    fn credit(&mut self, key: OutboundKey, start: u64, end: u64, out: &mut Outbox<Output>) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        if message.credit(start, end) {
            out.push(Output::Progress { message: key, acknowledged: message.acknowledged() });
        }
        self.see_whether_delivered(key, out);
        self.go_on(key, out);
    }

    fn see_whether_delivered(&mut self, key: OutboundKey, out: &mut Outbox<Output>) {
        if self.messages.get(&key).is_some_and(Outbound::is_delivered) {
            self.messages.remove(&key);
            out.push(Output::Delivered { message: key });
        }
    }

    fn refused(&mut self, key: OutboundKey, status: StatusCode, wire: &mut Wire, out: &mut Outbox<Output>) -> Verdict {
        let Some(message) = self.messages.get(&key) else { return Verdict::Nothing };
        let (session, content_type) = (message.spec.session, message.spec.content_type.clone());
        self.fail(key, failure(status), wire, out);
        match status {
            StatusCode::NO_SUCH_SESSION | StatusCode::WRONG_CONNECTION => Verdict::Failed(session, failure(status)),
            StatusCode::UNSUPPORTED_MEDIA => Verdict::TypeRefused(session, content_type),
            _ => Verdict::Nothing,
        }
    }

    /// A REPORT with a status of namespace 000 (RFC 4975 §7.3.2).
    pub(super) fn report(
        &mut self,
        session: SessionKey,
        head: &RequestHead,
        status: StatusCode,
        wire: &mut Wire,
        out: &mut Outbox<Output>,
    ) -> Verdict {
        let mine = |message: &&Outbound| {
            message.spec.session == session && head.message_id.as_ref() == Some(&message.spec.message_id)
        };
        let Some(key) = self.messages.values().find(mine).map(|message| message.spec.message) else {
            return Verdict::Nothing;
        };
        if status.is_success() {
            if let Some(message) = self.messages.get_mut(&key) {
                message.report(head.byte_range);
            }
            self.see_whether_delivered(key, out);
            return Verdict::Nothing;
        }
        let why = if status == StatusCode::TIMEOUT { SendFailure::Timeout } else { SendFailure::Report(status) };
        self.fail(key, why, wire, out);
        Verdict::Failed(session, why)
    }

    /// Gives a message up. The peer is told by `#` if it has part of it and has not itself refused it.
    pub(super) fn fail(&mut self, key: OutboundKey, why: SendFailure, wire: &mut Wire, out: &mut Outbox<Output>) {
        let Some(message) = self.messages.remove(&key) else { return };
        self.turns.retain(|other| *other != key);
        if why == SendFailure::ConnectionLost {
            self.open = None;
        } else if self.open.as_ref().is_some_and(|open| open.message == key) {
            // RFC 4975 §7.3.2 and §10.5: a chunk on its way ends at once.
            self.end_chunk(Flag::Aborted, wire, out);
            return out.push(failed(&message, why));
        }
        // RFC 4975 §10.5: after a 413 not even that may be sent.
        let untold = matches!(why, SendFailure::Timeout | SendFailure::Source | SendFailure::Aborted);
        if untold && message.sent > 0 && !message.ended {
            let head = message.head(self.tid(wire), u64::MAX - message.sent);
            let octets = [&encode::request_head(&head)[..], &encode::body_end(&head.tid, Flag::Aborted)];
            wire.urgent(octets.concat().into());
        }
        out.push(failed(&message, why));
    }

    /// Gives up every message, of one session or of all.
    pub(super) fn fail_all(
        &mut self,
        session: Option<SessionKey>,
        why: SendFailure,
        wire: &mut Wire,
        out: &mut Outbox<Output>,
    ) {
        let in_it = |message: &&Outbound| session.is_none_or(|session| message.spec.session == session);
        let keys: Vec<OutboundKey> = self.messages.values().filter(in_it).map(|message| message.spec.message).collect();
        keys.into_iter().for_each(|key| self.fail(key, why, wire, out));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.transactions.deadline()
    }

    fn tid(&self, wire: &mut Wire) -> String {
        loop {
            let tid = wire.tid();
            if !self.transactions.contains(&tid) {
                return tid;
            }
        }
    }
}

impl Open {
    /// Keeps the last octets: an end-line has at most 40.
    fn remember(&mut self, piece: &[u8]) {
        const MARK_OCTETS: usize = 40;
        self.tail.extend_from_slice(&piece[piece.len().saturating_sub(MARK_OCTETS)..]);
        self.tail.drain(..self.tail.len().saturating_sub(MARK_OCTETS));
    }
}

/// RFC 4975 §10.4: a 408 is a timeout like our own.
fn failure(status: StatusCode) -> SendFailure {
    if status == StatusCode::TIMEOUT { SendFailure::Timeout } else { SendFailure::Status(status) }
}

fn failed(message: &Outbound, why: SendFailure) -> Output {
    Output::SendFailed {
        message: message.spec.message,
        why,
        acknowledged: message.acknowledged(),
        reported: message.reported(),
    }
}
