//! The machine of one byte stream: inputs to receiver, sender and sessions, and their outputs back.

use crate::model::{Instant, Machine, Mint, Now, Outbox};

use super::decode::{Decoder, Event};
use super::frame::{Flag, Method, RequestHead, Status, StatusCode};
use super::header::Malformed;
use super::patience::Patience;
use super::port::{
    AbortReason, AuthAnswer, AuthId, AuthRequest, CloseReason, Config, InboundKey, Input, KnockId, OutboundSpec,
    Output, Reason, SendFailure, SessionKey, SessionSpec,
};
use super::receiver::{Desk, Receiver};
use super::sender::{Sender, Verdict};
use super::session::Sessions;
use super::wire::{Ask, Wire};

/// Letters of the Message-ID of a greeting: 130 random bits.
const MESSAGE_ID_LETTERS: usize = 22;

/// One byte stream. It lives from its first octet to [`Output::Close`] or [`Input::Closed`].
#[derive(Debug)]
pub struct Connection {
    config: Config,
    mint: Mint,
    decoder: Decoder,
    sessions: Sessions,
    receiver: Receiver,
    sender: Sender,
    wire: Wire,
    patience: Patience,
    /// A SEND for a session that is not bound here (yet).
    knocking: Option<RequestHead>,
    knocks: u64,
    /// An AUTH that waits for its answer.
    asking: Option<Ask>,
    auths: u64,
    /// Until when a relay URI is good that a client got here.
    relay_until: Option<Instant>,
    closed: bool,
}

impl Connection {
    /// A connection on a stream that has just opened, whoever opened it.
    pub fn new(config: Config, mut mint: Mint) -> Self {
        Self {
            wire: Wire::new(mint.fork()),
            mint,
            decoder: Decoder::new(),
            sessions: Sessions::default(),
            receiver: Receiver::new(),
            sender: Sender::new(config.clone()),
            patience: Patience::default(),
            knocking: None,
            knocks: 0,
            asking: None,
            auths: 0,
            relay_until: None,
            closed: false,
            config,
        }
    }

    /// Whether the owner should read from the stream. What was read before is kept.
    pub fn wants_octets(&self) -> bool {
        !self.closed && !self.is_stalled()
    }

    /// How many sessions are bound. RFC 4975 §5.4: while there is one the stream should stay open.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Until when the peer may come back to a relay URI it got here, with a session or without.
    pub fn relay_until(&self) -> Option<Instant> {
        self.relay_until.filter(|_| !self.closed)
    }

    /// Whether this message has come and is not over.
    pub fn has(&self, message: InboundKey) -> bool {
        self.receiver.has(message)
    }

    /// Whether it is the owner's word or work for which nothing is read.
    pub fn waits_for_owner(&self) -> bool {
        self.knocking.is_some() || self.asking.is_some() || self.receiver.is_stalled(&self.config, &self.sessions)
    }

    fn is_stalled(&self) -> bool {
        // Bodies of ours fill the first half, so a peer that sends and never reads its answers stops here.
        let choked = self.wire.unsent() >= 2 * self.config.unsent_octets as u64;
        choked || self.waits_for_owner()
    }

    fn desk<'a>(&'a mut self, out: &'a mut Outbox<Output>) -> (&'a mut Receiver, Desk<'a>) {
        let Self { config, sessions, wire, receiver, .. } = self;
        (receiver, Desk { config, sessions, wire, out })
    }

    fn take(&mut self, now: Now, input: Input, out: &mut Outbox<Output>) {
        match input {
            Input::Octets(octets) => self.decoder.push(octets),
            Input::Sent(octets) => {
                self.wire.sent(octets);
                self.patience.took();
                self.sender.sent(now.instant, &self.wire, out);
            }
            Input::Timeout => self.timeout(now, out),
            Input::Closed => self.lose(AbortReason::ConnectionLost, SendFailure::ConnectionLost, out),
            Input::Close => {
                self.lose(AbortReason::Unbound, SendFailure::Unbound, out);
                self.wire.flush_urgent(out);
                out.push(Output::Close(CloseReason::Asked));
            }
            Input::Bind(spec) => self.bind(spec, out),
            Input::AskRelay(request) => self.sender.auth(request, &mut self.wire),
            Input::Refuse { knock, status } => self.refuse(knock, status),
            Input::Auth(auth, answer) => self.answer_auth(auth, &answer),
            Input::Unbind(session) => self.unbind(session, AbortReason::Unbound, SendFailure::Unbound, out),
            Input::Send(spec) => self.send(spec, out),
            Input::Fetched { message, offset, octets } => {
                self.sender.fetched(message, offset, octets, &mut self.wire, out);
            }
            Input::FetchFailed { message } => self.sender.fail(message, SendFailure::Source, &mut self.wire, out),
            Input::Abort { message } => self.sender.fail(message, SendFailure::Aborted, &mut self.wire, out),
            Input::PauseSend(message) => self.sender.pause(message, true, out),
            Input::ResumeSend(message) => self.sender.pause(message, false, out),
            Input::Hold(message) => self.receiver.hold(message, true),
            Input::Resume(message) => self.receiver.hold(message, false),
            Input::Durable { message, octets } => self.receiver.durable(message, octets, &mut self.wire),
            Input::Limit { message, limit } => self.receiver.limit(message, limit),
            Input::Receive { message, resume, limit } => {
                let (receiver, mut desk) = self.desk(out);
                receiver.receive(message, resume, limit, &mut desk);
            }
            Input::Written { message, octets } => {
                let (receiver, mut desk) = self.desk(out);
                receiver.written(message, octets, &mut desk);
            }
            Input::Committed { message } => {
                let (receiver, mut desk) = self.desk(out);
                receiver.committed(message, &mut desk);
            }
            Input::Reject { message, status }
            | Input::WriteFailed { message, status }
            | Input::Failed { message, status } => {
                let (receiver, mut desk) = self.desk(out);
                receiver.refuse(message, status, &mut desk);
            }
        }
    }

    fn bind(&mut self, spec: SessionSpec, out: &mut Outbox<Output>) {
        let (key, greet, local, by) = (spec.key, spec.greet, spec.local.clone(), spec.session_match);
        if self.sessions.bind(spec, self.config.sessions_most()).is_err() {
            if let Some(head) =
                self.knocking.take_if(|head| head.to_path.last().is_some_and(|uri| local.names_session(uri, by)))
            {
                self.receiver.refuse_request(&Ask::of(&head), StatusCode::NO_SUCH_SESSION, &mut self.wire);
            }
            return out.push(Output::SessionFailed { session: key, why: SendFailure::TooManySessions });
        }
        let Some(session) = self.sessions.get(key) else { return };
        self.sender.redirect(session);
        if greet && !session.live {
            self.sender.greet(session, self.mint.token(MESSAGE_ID_LETTERS), &mut self.wire);
        }
        let knocked = self.knocking.take_if(|head| self.sessions.find(&head.to_path) == Some(key));
        if let Some(head) = knocked {
            let (receiver, mut desk) = self.desk(out);
            receiver.send(key, head, &mut desk);
        }
    }

    fn refuse(&mut self, knock: KnockId, status: StatusCode) {
        if let Some(head) = self.knocking.take_if(|_| knock.0 == self.knocks) {
            self.receiver.refuse_request(&Ask::of(&head), status, &mut self.wire);
        }
    }

    fn answer_auth(&mut self, auth: AuthId, answer: &AuthAnswer) {
        let Some(ask) = self.asking.take_if(|_| auth.0 == self.auths) else { return };
        self.relay_until = self.relay_until.max(answer.until);
        self.wire.answer_auth(&ask, answer.status, &answer.headers);
    }

    fn unbind(&mut self, key: SessionKey, abort: AbortReason, failure: SendFailure, out: &mut Outbox<Output>) {
        let Some(session) = self.sessions.unbind(key) else { return };
        self.sender.fail_all(Some(key), failure, &mut self.wire, out);
        let (receiver, mut desk) = self.desk(out);
        receiver.unbind(&session.arriving, abort, &mut desk);
    }

    /// RFC 4975 §5.4: a connection that fails fails its sessions.
    fn lose(&mut self, abort: AbortReason, failure: SendFailure, out: &mut Outbox<Output>) {
        while let Some(key) = self.sessions.first() {
            self.unbind(key, abort, failure, out);
        }
        self.closed = true;
    }

    fn send(&mut self, spec: OutboundSpec, out: &mut Outbox<Output>) {
        let session = self.sessions.get(spec.session).filter(|session| !session.failed);
        // RFC 4975 §10.6: a type once answered with 415 is not tried again.
        let why = match session {
            None => SendFailure::Unbound,
            Some(session) if session.refused_types.contains(&spec.content_type) => {
                SendFailure::Status(StatusCode::UNSUPPORTED_MEDIA)
            }
            Some(session) => return self.sender.send(spec, session, out),
        };
        out.push(Output::SendFailed { message: spec.message, why, acknowledged: 0, reported: 0 });
    }

    fn timeout(&mut self, now: Now, out: &mut Outbox<Output>) {
        while let Some(verdict) = self.sender.expired(now.instant, &mut self.wire, out) {
            self.judge(verdict, out);
        }
        if let Some(message) = self.patience.ungranted(now.instant) {
            let (receiver, mut desk) = self.desk(out);
            receiver.clear(message, &mut desk);
        }
        match self.patience.has_run_out(now.instant) {
            Some(Reason::Head) => self.give_up(CloseReason::SlowHead, out),
            Some(Reason::Taken) => self.give_up(CloseReason::Stuck, out),
            Some(Reason::Transaction | Reason::Grant) | None => {}
        }
    }

    /// Decodes as far as may be. A message that waits for its grant makes way in the end if others wait for it.
    fn decode(&mut self, now: Now, out: &mut Outbox<Output>) {
        loop {
            self.decode_on(out);
            match self.receiver.in_the_way(&self.config, &self.sessions) {
                Some(message) if self.patience.waits_for(message) => return,
                Some(message) if self.receiver.may_block(message, &mut self.sessions) => {
                    return self.patience.grant(Some(message), now.instant);
                }
                Some(message) => {
                    let (receiver, mut desk) = self.desk(out);
                    receiver.clear(message, &mut desk);
                }
                None => return self.patience.grant(None, now.instant),
            }
        }
    }

    fn decode_on(&mut self, out: &mut Outbox<Output>) {
        while !self.closed && !self.is_stalled() {
            match self.decoder.poll() {
                Ok(Some(event)) => self.event(event, out),
                Ok(None) => return,
                Err(error) => self.give_up(CloseReason::Protocol(error), out),
            }
        }
    }

    fn give_up(&mut self, why: CloseReason, out: &mut Outbox<Output>) {
        self.lose(AbortReason::ConnectionLost, SendFailure::ConnectionLost, out);
        self.wire.flush_urgent(out);
        out.push(Output::Close(why));
    }

    fn event(&mut self, event: Event, out: &mut Outbox<Output>) {
        match event {
            Event::Request(head) => self.request(head, out),
            Event::Body(octets) => {
                let (receiver, mut desk) = self.desk(out);
                receiver.body(octets, &mut desk);
            }
            Event::End(flag) => self.end(flag, out),
            Event::Response(head) if self.sender.answers_auth(&head.tid) => {
                out.push(Output::AuthAnswered { status: head.code, headers: head.others });
            }
            Event::Response(head) => {
                let verdict = self.sender.answer(&head.tid, head.code, &mut self.wire, out);
                self.judge(verdict, out);
            }
            Event::Malformed(malformed) => self.malformed(malformed),
        }
    }

    fn request(&mut self, head: RequestHead, out: &mut Outbox<Output>) {
        match head.method {
            Method::Send => self.send_arrived(head, out),
            Method::Report => {
                self.receiver.ignore_request();
                self.report(&head, out);
            }
            Method::Auth => {
                self.receiver.ignore_request();
                self.auth(&head, out);
            }
            // RFC 4975 §12: whatever the session, and whatever Failure-Report says (P10).
            Method::Other(_) => {
                self.receiver.ignore_request();
                self.wire.answer_all_the_way(&Ask::of(&head), StatusCode::NOT_IMPLEMENTED);
            }
        }
    }

    /// RFC 7977 §5.1: to a WebSocket client we are a relay; to nobody else, and of other relays never.
    fn auth(&mut self, head: &RequestHead, out: &mut Outbox<Output>) {
        let ask = Ask::of(head);
        if !self.config.websocket {
            return self.wire.answer_all_the_way(&ask, StatusCode::NOT_IMPLEMENTED);
        }
        let ([to], [from]) = (&head.to_path[..], &head.from_path[..]) else {
            return self.wire.answer_all_the_way(&ask, StatusCode::FORBIDDEN);
        };
        let expires = head.others.iter().find(|(name, _)| name.eq_ignore_ascii_case("Expires"));
        let expires = expires.map(|(_, value)| value.clone());
        let request = AuthRequest { to: to.clone(), from: from.clone(), expires };
        self.auths += 1;
        self.asking = Some(ask);
        out.push(Output::Auth(AuthId(self.auths), Box::new(request)));
    }

    fn send_arrived(&mut self, head: RequestHead, out: &mut Outbox<Output>) {
        if let Some(key) = self.sessions.find(&head.to_path) {
            let (receiver, mut desk) = self.desk(out);
            return receiver.send(key, head, &mut desk);
        }
        let most = if self.config.websocket { 2 } else { 1 };
        if head.to_path.len() > most {
            // RFC 4975 §7.3: we are no relay; to a WebSocket client we are one, but only to ourselves.
            return self.receiver.refuse_request(&Ask::of(&head), StatusCode::NO_SUCH_SESSION, &mut self.wire);
        }
        self.knocks += 1;
        let (to_path, from_path) = (head.to_path.clone(), head.from_path.clone());
        out.push(Output::Knock { knock: KnockId(self.knocks), to_path, from_path });
        self.knocking = Some(head);
    }

    /// RFC 4975 §7.3.2. A REPORT is never answered, whatever is wrong with it.
    fn report(&mut self, head: &RequestHead, out: &mut Outbox<Output>) {
        let Some(Status { namespace: 0, code, .. }) = head.status else { return };
        let Some(session) = self.sessions.find(&head.to_path) else { return };
        let verdict = self.sender.report(session, head, code, &mut self.wire, out);
        self.judge(verdict, out);
    }

    fn end(&mut self, flag: Flag, out: &mut Outbox<Output>) {
        let (receiver, mut desk) = self.desk(out);
        receiver.end(flag, &mut desk);
    }

    /// RFC 4975 §10.2: what cannot be understood is answered 400, if it can be answered at all.
    fn malformed(&mut self, malformed: Malformed) {
        let silent = malformed.response || malformed.method == Some(Method::Report);
        let (false, Some(to_path), Some(from_path)) = (silent, malformed.to_path, malformed.from_path) else { return };
        let ask = Ask { tid: malformed.tid, to_path, from_path, failure_report: malformed.failure_report };
        self.wire.answer(&ask, StatusCode::BAD_REQUEST);
    }

    fn judge(&mut self, verdict: Verdict, out: &mut Outbox<Output>) {
        match verdict {
            Verdict::Nothing => {}
            Verdict::Live(key) => {
                if let Some(session) = self.sessions.get_mut(key).filter(|session| !session.live) {
                    session.live = true;
                    out.push(Output::Greeted { session: key });
                }
            }
            Verdict::TypeRefused(key, content_type) => {
                if let Some(session) = self.sessions.get_mut(key)
                    && !session.refused_types.contains(&content_type)
                {
                    session.refused_types.push(content_type);
                }
            }
            Verdict::Failed(key, why) => {
                if let Some(session) = self.sessions.get_mut(key).filter(|session| !session.failed) {
                    session.failed = true;
                    self.sender.fail_all(Some(key), why, &mut self.wire, out);
                    out.push(Output::SessionFailed { session: key, why });
                }
            }
        }
    }
}

impl Machine for Connection {
    type Input = Input;
    type Output = Output;
    type Reason = Reason;

    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox<Output>) {
        if self.closed {
            return;
        }
        self.take(now, input, out);
        self.decode(now, out);
        if !self.closed {
            self.sender.pump(&mut self.wire, out);
            let reads = !self.is_stalled();
            self.patience.head(self.decoder.open_head().filter(|_| reads), now.instant);
            self.patience.unsent(self.wire.unsent() > 0, now.instant);
        }
    }

    fn deadline(&self) -> Option<(Instant, Reason)> {
        let transaction = self.sender.deadline().map(|due| (due, Reason::Transaction));
        let all = [transaction, self.patience.deadline()].into_iter().flatten().filter(|_| !self.closed);
        all.min_by_key(|(due, _)| *due)
    }
}
