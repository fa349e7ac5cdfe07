//! Everything that arrives on a connection: requests into chunks, chunks into messages, and an answer for each.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::model::limits::{COMMITS_PER_CONNECTION, MESSAGES_PER_SESSION, PARKED_OCTETS};
use crate::model::{ByteRange, Outbox, Ranges};

use super::frame::{FailureReport, Flag, RequestHead, StatusCode};
use super::inbound::{self, Inbound, Parked, Stage};
use super::note::Note;
use super::port::{AbortReason, Arrival, Config, InboundKey, Output, SessionKey};
use super::session::{Outcome, Session, Sessions};
use super::wire::{Ask, Subject, Wire};

/// What to do with the octets of the request that is being decoded.
#[derive(Debug)]
enum Reading {
    /// Throw them away: the request is answered, or must not be.
    Nothing,
    /// There should be none.
    Bodiless(Ask),
    /// They belong to a message that is whole already; the chunk is answered, and reported again if it was reported.
    Again {
        ask: Ask,
        report: Option<(Subject, u64)>,
    },
    Message(InboundKey),
    /// They may be a notification that goes against the direction of its session.
    Note(Box<Note>),
}

#[derive(Debug)]
pub(super) struct Receiver {
    messages: BTreeMap<InboundKey, Inbound>,
    last_key: u64,
    reading: Reading,
    unwritten: usize,
    /// Octets decoded before their grant.
    parked: usize,
    /// Messages that are whole and with the owner.
    complete: usize,
}

/// What a receiver works with during one input.
pub(super) struct Desk<'a> {
    pub(super) config: &'a Config,
    pub(super) sessions: &'a mut Sessions,
    pub(super) wire: &'a mut Wire,
    pub(super) out: &'a mut Outbox<Output>,
}

impl Receiver {
    pub(super) const fn new() -> Self {
        Self { messages: BTreeMap::new(), last_key: 0, reading: Reading::Nothing, unwritten: 0, parked: 0, complete: 0 }
    }

    /// Whether nothing more may be decoded for now.
    ///
    /// Not reading is the only back-pressure there is, and it would be felt by everybody on the connection. So a message
    /// that has the connection for itself is held in the socket; among others one that waits for its grant is parked as
    /// far as there is room, and one that is held goes on into its stage.
    pub(super) fn is_stalled(&self, config: &Config, sessions: &Sessions) -> bool {
        let waits = match self.being_read() {
            Some((key, message)) if message.stage == Stage::Waiting => {
                self.parked >= PARKED_OCTETS || self.is_alone(key, config, sessions)
            }
            Some((key, message)) => message.held && self.is_alone(key, config, sessions),
            None => false,
        };
        waits || self.unwritten >= config.unwritten_octets || self.complete >= COMMITS_PER_CONNECTION
    }

    /// The message without a grant for which there is no more room, and which keeps others waiting.
    pub(super) fn in_the_way(&self, config: &Config, sessions: &Sessions) -> Option<InboundKey> {
        let (key, message) = self.being_read()?;
        let full = message.stage == Stage::Waiting && self.parked >= PARKED_OCTETS;
        (full && !self.is_alone(key, config, sessions)).then_some(key)
    }

    /// Whether this message may keep the others on the connection waiting for a moment. Not if it is for one of the same
    /// session that it waits, whose end would have to come first, and not twice in a session.
    pub(super) fn may_block(&mut self, key: InboundKey, sessions: &mut Sessions) -> bool {
        let Some(message) = self.messages.get(&key) else { return false };
        let Some(session) = sessions.get_mut(message.session) else { return false };
        let first = !std::mem::replace(&mut session.has_blocked, true);
        first && session.arriving.iter().all(|other| *other == key || !self.is_unfinished(*other))
    }

    /// Refuses a message that is in the way of the others.
    pub(super) fn clear(&mut self, key: InboundKey, desk: &mut Desk<'_>) {
        self.give_up(key, AbortReason::InTheWay, desk);
    }

    /// Whether this message has come and is not over.
    pub(super) fn has(&self, key: InboundKey) -> bool {
        self.messages.contains_key(&key)
    }

    fn being_read(&self) -> Option<(InboundKey, &Inbound)> {
        let Reading::Message(key) = self.reading else { return None };
        self.messages.get(&key).map(|message| (key, message))
    }

    /// Whether more of this message has to come.
    fn is_unfinished(&self, key: InboundKey) -> bool {
        self.messages.get(&key).is_some_and(|message| !message.has_come())
    }

    /// Whether nobody else could use the connection.
    fn is_alone(&self, key: InboundKey, config: &Config, sessions: &Sessions) -> bool {
        sessions.len() <= 1
            && !config.trunk
            && self.messages.keys().all(|other| *other == key || !self.is_unfinished(*other))
    }

    /// A SEND whose To-Path names this session.
    pub(super) fn send(&mut self, key: SessionKey, head: RequestHead, desk: &mut Desk<'_>) {
        let Some(session) = desk.sessions.get_mut(key) else { return };
        if !session.live {
            session.live = true;
            desk.out.push(Output::Greeted { session: key });
        }
        let ask = Ask::of(&head);
        let (Some(content_type), Some(message_id)) = (head.content_type.clone(), head.message_id.clone()) else {
            self.reading = Reading::Bodiless(ask);
            return;
        };
        if let Some(message) = self.arriving(session, &message_id) {
            self.chunk(message, &head);
            return;
        }
        match session.outcome(&message_id) {
            // RFC 4975 §5.4: answers and reports are due for a duplicate too.
            Some(Outcome::Committed { total }) => {
                let (to_path, from_path) = (head.to_path, head.from_path);
                let report = head.success_report.then_some((Subject { to_path, from_path, message_id }, total));
                self.reading = Reading::Again { ask, report };
            }
            Some(Outcome::Noted) => self.reading = Reading::Again { ask, report: None },
            Some(Outcome::Refused(status)) => self.refuse_request(&ask, status, desk.wire),
            None => match self.refusal(session, &head, &content_type) {
                Some(status) => self.refuse_request(&ask, status, desk.wire),
                None if !session.spec.receives => {
                    self.reading = Reading::Note(Box::new(Note::new(key, ask, &head, content_type, message_id)));
                }
                None => self.arrived(session, head, content_type, message_id, desk.out),
            },
        }
    }

    /// Answers a request at once and throws its body away.
    pub(super) fn refuse_request(&mut self, ask: &Ask, status: StatusCode, wire: &mut Wire) {
        wire.answer(ask, status);
        self.reading = Reading::Nothing;
    }

    /// Throws the body of a request away that needs no answer.
    pub(super) fn ignore_request(&mut self) {
        self.reading = Reading::Nothing;
    }

    /// Why a new message cannot be taken, if so.
    fn refusal(&self, session: &Session, head: &RequestHead, content_type: &str) -> Option<StatusCode> {
        if let Some(status) = session.refusal(content_type) {
            return Some(status);
        }
        let declared = head.byte_range.and_then(|range| range.total).unwrap_or(0).max(head.offset());
        let too_large = session.spec.max_size.is_some_and(|max_size| declared > max_size);
        let unfinished = session.arriving.iter().filter(|key| self.is_unfinished(**key)).count();
        (too_large || unfinished >= MESSAGES_PER_SESSION).then_some(StatusCode::STOP_SENDING)
    }

    fn arriving(&self, session: &Session, message_id: &str) -> Option<InboundKey> {
        let is = |key: &&InboundKey| self.messages.get(key).is_some_and(|m| m.subject.message_id == message_id);
        session.arriving.iter().find(is).copied()
    }

    /// A further chunk of a message that arrives.
    fn chunk(&mut self, key: InboundKey, head: &RequestHead) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        if message.stage == Stage::Complete {
            self.reading = Reading::Again { ask: Ask::of(head), report: None };
            return;
        }
        let (ask, offset) = (Ask::of(head), head.offset());
        if message.stage == Stage::Waiting {
            self.park(key, Parked::Chunk { ask, offset });
        } else {
            message.open(ask, offset);
        }
        self.reading = Reading::Message(key);
    }

    fn park(&mut self, key: InboundKey, parked: Parked) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        self.parked += parked.octets();
        message.parked.push_back(parked);
    }

    fn arrived(
        &mut self,
        session: &mut Session,
        head: RequestHead,
        content_type: String,
        message_id: String,
        out: &mut Outbox<Output>,
    ) {
        self.last_key += 1;
        let key = InboundKey(self.last_key);
        let message = Inbound::new(session.spec.key, &head, message_id.clone());
        session.arriving.push(key);
        self.messages.insert(key, message);
        self.park(key, Parked::Chunk { ask: Ask::of(&head), offset: head.offset() });
        self.reading = Reading::Message(key);
        let disposition = head.others.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Disposition"));
        let head = Arrival {
            message_id,
            content_type,
            disposition: disposition.map(|(_, value)| value.clone()),
            byte_range: head.byte_range,
            total: head.byte_range.and_then(|range| range.total),
            success_report: head.success_report,
            failure_report: head.failure_report,
            others: head.others,
        };
        out.push(Output::Arrived { session: session.spec.key, message: key, head });
    }

    /// Body octets of the request that is being decoded.
    pub(super) fn body(&mut self, octets: Bytes, desk: &mut Desk<'_>) {
        match &mut self.reading {
            Reading::Nothing | Reading::Again { .. } => {}
            Reading::Note(note) => note.take(&octets),
            Reading::Bodiless(ask) => {
                // RFC 4975 §7.1: a body needs a Content-Type.
                desk.wire.answer(ask, StatusCode::BAD_REQUEST);
                self.reading = Reading::Nothing;
            }
            Reading::Message(key) => {
                let key = *key;
                self.content(key, octets, desk);
            }
        }
    }

    /// Octets of a message.
    fn content(&mut self, key: InboundKey, octets: Bytes, desk: &mut Desk<'_>) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        if message.stage == Stage::Waiting {
            // A copy: a slice of one octet would keep all that was read with it.
            return self.park(key, Parked::Body(Bytes::copy_from_slice(&octets)));
        }
        match message.take(octets.len()) {
            Ok(offset) => {
                self.unwritten += octets.len();
                desk.out.push(Output::Write { message: key, offset, octets });
            }
            Err(why) => return self.give_up(key, why, desk),
        }
        if message.wants_sync(desk.config.report_every_octets) {
            desk.out.push(Output::SyncWanted { message: key });
        }
    }

    /// The end-line of the request that is being decoded.
    pub(super) fn end(&mut self, flag: Flag, desk: &mut Desk<'_>) {
        match std::mem::replace(&mut self.reading, Reading::Nothing) {
            Reading::Nothing => {}
            Reading::Bodiless(ask) => desk.wire.answer(&ask, StatusCode::OK),
            Reading::Again { ask, report } => {
                desk.wire.answer(&ask, StatusCode::OK);
                if let Some((subject, total)) = report.filter(|_| flag == Flag::Complete) {
                    desk.wire.report(&subject, whole(total), StatusCode::OK);
                }
            }
            Reading::Note(note) => note.close(flag, desk.sessions, desk.wire),
            Reading::Message(key) => self.chunk_end(key, flag, desk),
        }
    }

    /// The end of a chunk of a message.
    fn chunk_end(&mut self, key: InboundKey, flag: Flag, desk: &mut Desk<'_>) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        if message.stage == Stage::Waiting {
            return self.park(key, Parked::End(flag));
        }
        match message.close(flag) {
            Ok(()) => self.settle(key, desk),
            Err(why) => self.give_up(key, why, desk),
        }
    }

    /// Answers what is written and sees whether the message is whole.
    fn settle(&mut self, key: InboundKey, desk: &mut Desk<'_>) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        while let Some((ask, flag)) = message.settled() {
            // The ack ladder: 200 means that these octets are in the stage. Also for `#` (RFC 5547 §8.4).
            desk.wire.answer(&ask, StatusCode::OK);
            if flag == Flag::Aborted {
                return self.abort(key, AbortReason::Sender, desk);
            }
        }
        if let Some(total) = message.whole().filter(|_| message.stage == Stage::Receiving) {
            message.stage = Stage::Complete;
            self.complete += 1;
            desk.out.push(Output::Complete { message: key, total });
        }
    }

    /// The owner takes the message, and what was parked of it.
    pub(super) fn receive(&mut self, key: InboundKey, resume: Ranges, limit: u64, desk: &mut Desk<'_>) {
        let Some(message) = self.messages.get_mut(&key).filter(|message| message.stage == Stage::Waiting) else {
            return;
        };
        let max_size = desk.sessions.get(message.session).and_then(|session| session.spec.max_size);
        message.limit = limit.min(max_size.unwrap_or(u64::MAX));
        message.received = resume;
        message.stage = Stage::Receiving;
        while let Some(parked) = self.messages.get_mut(&key).and_then(|message| message.parked.pop_front()) {
            self.parked -= parked.octets();
            match parked {
                Parked::Chunk { ask, offset } => {
                    self.messages.entry(key).and_modify(|message| message.open(ask, offset));
                }
                Parked::Body(octets) => self.content(key, octets, desk),
                Parked::End(flag) => self.chunk_end(key, flag, desk),
            }
        }
    }

    /// The owner has learnt what the message may be at most.
    pub(super) fn limit(&mut self, key: InboundKey, limit: u64) {
        if let Some(message) = self.messages.get_mut(&key) {
            message.limit = message.limit.min(limit);
        }
    }

    pub(super) fn hold(&mut self, key: InboundKey, held: bool) {
        if let Some(message) = self.messages.get_mut(&key) {
            message.held = held;
        }
    }

    pub(super) fn written(&mut self, key: InboundKey, octets: usize, desk: &mut Desk<'_>) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        self.unwritten -= message.written(octets);
        self.settle(key, desk);
    }

    pub(super) fn durable(&mut self, key: InboundKey, octets: u64, wire: &mut Wire) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        if let Some(range) = message.durable(octets) {
            wire.report(&message.subject, range, StatusCode::OK);
        }
    }

    pub(super) fn committed(&mut self, key: InboundKey, desk: &mut Desk<'_>) {
        let complete = self.messages.get(&key).is_some_and(|message| message.stage == Stage::Complete);
        let Some(message) = complete.then(|| self.forget(key, desk.sessions)).flatten() else { return };
        let total = message.received.prefix();
        if message.success_report {
            // RFC 4975 §7.1.3: one REPORT of the whole, also after incremental ones, for peers that know no other.
            desk.wire.report(&message.subject, whole(total), StatusCode::OK);
        }
        if let Some(session) = desk.sessions.get_mut(message.session) {
            session.remember(message.subject.message_id, Outcome::Committed { total });
        }
    }

    /// The owner does not take the message, or no longer: tell the sender as soon as there is a way.
    pub(super) fn refuse(&mut self, key: InboundKey, status: StatusCode, desk: &mut Desk<'_>) {
        let Some(mut message) = self.forget(key, desk.sessions) else { return };
        let mut answered = false;
        for ask in message.unanswered() {
            desk.wire.answer(&ask, status);
            answered = true;
        }
        // RFC 4975 §7.1.4: once every chunk has its 200, only a REPORT can tell.
        if !answered && message.failure_report != FailureReport::No {
            desk.wire.report(&message.subject, message.received_range(), status);
        }
        if let Some(session) = desk.sessions.get_mut(message.session) {
            session.remember(message.subject.message_id, Outcome::Refused(status));
        }
    }

    /// The peer breaks a limit or contradicts itself.
    fn give_up(&mut self, key: InboundKey, why: AbortReason, desk: &mut Desk<'_>) {
        if let Some(message) = self.messages.get(&key) {
            let (ranges, total) = (message.received.clone(), message.total());
            desk.out.push(Output::Aborted { message: key, why, ranges, total });
        }
        self.refuse(key, inbound::status(why), desk);
    }

    /// The message ends unfinished and nobody needs to be told on the wire.
    fn abort(&mut self, key: InboundKey, why: AbortReason, desk: &mut Desk<'_>) {
        let Some(message) = self.forget(key, desk.sessions) else { return };
        if message.stage != Stage::Complete {
            let total = message.total();
            desk.out.push(Output::Aborted { message: key, why, ranges: message.received, total });
        }
    }

    /// Ends every message of a session that is over.
    pub(super) fn unbind(&mut self, arriving: &[InboundKey], why: AbortReason, desk: &mut Desk<'_>) {
        arriving.iter().for_each(|key| self.abort(*key, why, desk));
    }

    fn forget(&mut self, key: InboundKey, sessions: &mut Sessions) -> Option<Inbound> {
        let message = self.messages.remove(&key)?;
        self.unwritten -= message.unwritten();
        self.complete -= usize::from(message.stage == Stage::Complete);
        self.parked -= message.parked.iter().map(Parked::octets).sum::<usize>();
        if matches!(self.reading, Reading::Message(reading) if reading == key) {
            self.reading = Reading::Nothing;
        }
        if let Some(session) = sessions.get_mut(message.session) {
            session.arriving.retain(|other| *other != key);
        }
        Some(message)
    }
}

const fn whole(total: u64) -> ByteRange {
    ByteRange { start: 1, end: Some(total), total: Some(total) }
}
