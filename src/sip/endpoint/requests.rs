//! Requests of peers: inspected in the order of RFC 3261 §8.2, then matched with their dialog.

use std::sync::Arc;

use rsip::{Method, Request};

use super::{Alarm, Endpoint, FULL_RETRY_SECS, METHODS, RECEIVED, Reply, TOKEN_LETTERS, Waiting, allow, arrived};
use crate::model::limits::SIP_QUEUED_REQUESTS;
use crate::model::{Now, Outbox};
use crate::sip::address::tag;
use crate::sip::call::{Call, Path, Phase};
use crate::sip::command::Output;
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::event::{EndReason, Event, Opening};
use crate::sip::flow::{Body, CallKey, Flow, RequestKey};
use crate::sip::guard::Proof;
use crate::sip::layer::{Arrival, Owed, ServerId};
use crate::sip::message::{body, cseq_number, text, tokens, value};
use crate::sip::multipart;

/// RFC 3261 §14.2: Retry-After of the 500 to an overlapping INVITE is 0 to 10 seconds.
const OVERLAP_SECS_MAX: u64 = 10;

impl Endpoint {
    pub(super) fn request(&mut self, now: Now, flow: Flow, mut request: Request, out: &mut Outbox<Output>) {
        let hop = arrived(flow, &mut request.headers);
        match self.layer.arrive(now, hop, request, self.busy, out) {
            Arrival::Absorbed => {}
            Arrival::Ack(request) => self.acknowledged(now, flow, &request, out),
            Arrival::Full(request) => {
                let reply = Reply::status(503).with("Retry-After", FULL_RETRY_SECS.to_string());
                self.reply_once(flow, request.headers, reply, out);
            }
            Arrival::Merged(id) => self.reply(now, id, None, Reply::status(482), out),
            Arrival::New(id) => {
                let Some(request) = self.layer.request(id) else { return };
                match self.refusal(&request).or_else(|| self.identified(now, &request)) {
                    Some(reply) => self.reply(now, id, None, reply, out),
                    None => self.dispatch(now, flow, id, &request, out),
                }
            }
        }
    }

    /// RFC 3261 §8.2.1 to §8.2.3: what can be refused without knowing the dialog.
    fn refusal(&self, request: &Request) -> Option<Reply> {
        let headers = &request.headers;
        if !METHODS.contains(&request.method) {
            return Some(Reply::status(405).with("Allow", allow()));
        }
        // RFC 3261 §8.2.2.3: Require means nothing in CANCEL.
        let known = |option: &&str| option.eq_ignore_ascii_case(super::SUPPORTED);
        let required: Vec<&str> = tokens(headers, "Require").filter(|option| !known(option)).collect();
        if request.method != Method::Cancel && !required.is_empty() {
            return Some(Reply::status(420).with("Unsupported", required.join(", ")));
        }
        if tokens(headers, "Content-Encoding").any(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Some(Reply::status(415).with("Accept-Encoding", "identity"));
        }
        let spoken = matches!(request.method, Method::Invite | Method::Info | Method::Update);
        let body = body(headers, &request.body).filter(|_| spoken);
        if body.is_some_and(|body| !self.understands(&body)) {
            return Some(Reply::status(415).with("Accept", self.config.accept.join(", ")));
        }
        if let Some(too_short) = Self::too_short(request) {
            return Some(too_short);
        }
        let accepts = |range: &str| ["application/sdp", "application/*", "*/*"].contains(&range);
        let media_range = |range: &str| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut ranges = tokens(headers, "Accept").map(media_range).peekable();
        let described = matches!(request.method, Method::Invite | Method::Update);
        if described && ranges.peek().is_some() && !ranges.any(|range| accepts(&range)) {
            return Some(Reply::status(406));
        }
        // RFC 6086 §4.2.2: MSML is INFO's old use, without a package, and there is no package that is wanted.
        let packaged = request.method == Method::Info && value(headers, "Info-Package").is_some();
        packaged.then(|| Reply::status(469).with("Recv-Info", ""))
    }

    /// RFC 5621 §8.4: whether what has to be understood is. A part of which nobody says so may be what it likes: RFC 3204 has
    /// it otherwise, but phones and networks add parts of their own to calls that go well without.
    fn understands(&self, body: &Body) -> bool {
        let known = |body: &Body| self.config.accept.contains(&body.media_type());
        let required = |part: &&Body| multipart::handling(part.disposition.as_deref(), "required");
        // RFC 5547 §8.8: the picture of a file that is offered.
        let pictured = |part: &Body| part.media_type().starts_with("image/");
        let parts = || multipart::parts(body);
        multipart::handling(body.disposition.as_deref(), "optional")
            || (known(body) && parts().iter().filter(required).all(|part| known(part) || pictured(part)))
    }

    /// RFC 3261 §22.1: who is behind the request, if it says so; or what wrong credentials are answered.
    fn identified(&mut self, now: Now, request: &Request) -> Option<Reply> {
        // RFC 3261 §22.1: nobody can be asked again for a CANCEL.
        if self.config.users.is_empty() || request.method == Method::Cancel {
            return None;
        }
        let proof = self.guard.check(now.instant, request);
        if proof == Proof::Astray {
            return Some(Reply::status(400)); // RFC 7616 §3.4.6
        }
        let refused = matches!(proof, Proof::Refused { .. });
        let stale = matches!(proof, Proof::Refused { stale: true });
        self.user = proof.user();
        refused.then(|| Reply { headers: self.guard.challenge(now.instant, stale), ..Reply::status(401) })
    }

    fn dispatch(&mut self, now: Now, flow: Flow, id: ServerId, request: &Arc<Request>, out: &mut Outbox<Output>) {
        let in_dialog = tag(text(&request.headers, "To")).is_some();
        match request.method {
            Method::Cancel => self.cancelled(now, id, request, out),
            Method::Subscribe => self.subscribe(now, flow, id, request, out),
            _ if in_dialog => match self.find(request) {
                Some(call) => self.in_dialog(now, flow, id, call, request, out),
                None => self.reply(now, id, None, Reply::status(481), out),
            },
            Method::Invite | Method::Options if self.draining.is_some() => {
                let secs = self.draining.unwrap_or_default();
                self.reply(now, id, None, Reply::status(503).with("Retry-After", secs.to_string()), out);
            }
            Method::Invite => self.invited(now, flow, id, request, out),
            Method::Options => self.asked(flow, id, None, request, out),
            // RFC 3261 §12.2.2, §15.1.2, RFC 3311 §5: BYE, INFO and UPDATE live in dialogs alone.
            _ => self.reply(now, id, None, Reply::status(481), out),
        }
    }

    /// The call of a request with a To tag. Before the first 2xx any fork of our INVITE may speak (RFC 6086 §4.2.1).
    fn find(&self, request: &Request) -> Option<CallKey> {
        let ours = tag(text(&request.headers, "To"))?.to_owned();
        let id = DialogId { call_id: text(&request.headers, "Call-ID").to_owned(), tag: ours };
        let key = *self.dialogs.get(&id)?;
        let call = self.calls.get(&key)?;
        let theirs = tag(text(&request.headers, "From"));
        (call.phase == Phase::Calling || call.dialog.is_peer(theirs)).then_some(key)
    }

    fn invited(&mut self, now: Now, flow: Flow, id: ServerId, request: &Arc<Request>, out: &mut Outbox<Output>) {
        let source = flow.remote.ip();
        let from_there = self.callers.get(&source).copied().unwrap_or(0);
        if self.calls.len() >= self.config.calls_max || from_there >= self.config.calls_per_address_max {
            let reply = Reply::status(503).with("Retry-After", FULL_RETRY_SECS.to_string());
            return self.reply(now, id, None, reply, out);
        }
        self.received += 1;
        let key = CallKey(RECEIVED | self.received);
        let tag = self.mint.token(TOKEN_LETTERS);
        let dialog = Dialog::callee(request, &tag);
        self.dialogs.insert(dialog.id.clone(), key);
        let mut call = Call::new(dialog, false, Path::from(flow));
        call.waiting = Some(Waiting { id, first: true });
        call.source = Some(source);
        self.callers.insert(source, from_there + 1);
        self.calls.insert(key, call);
        self.await_owner(now, key, id, request);
        let invite = Box::new(Opening::new(request, flow, self.user.take()));
        out.push(Output::Event(Event::Invited { call: key, tag, invite }));
    }

    /// From now on the owner owes an answer to this INVITE.
    fn await_owner(&mut self, now: Now, key: CallKey, id: ServerId, request: &Request) {
        self.entrust(id, key);
        let expires = value(&request.headers, "Expires").and_then(|secs| secs.trim().parse::<u32>().ok());
        let expires = expires.map(|secs| std::time::Duration::from_secs(secs.into()));
        let within = expires.map_or(self.config.answer_within, |expires| expires.min(self.config.answer_within));
        self.alarms.set((key, Alarm::Unanswered), now.instant + within);
        self.alarms.set((key, Alarm::Remind), now.instant + super::alarms::REMIND_EVERY);
    }

    fn in_dialog(
        &mut self,
        now: Now,
        flow: Flow,
        id: ServerId,
        key: CallKey,
        request: &Arc<Request>,
        out: &mut Outbox<Output>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        // RFC 3261 §12.2.2: a lower CSeq is out of order. Forks of our INVITE count each for itself.
        if call.phase != Phase::Calling && !call.dialog.in_order(cseq_number(&request.headers)) {
            return self.reply(now, id, Some(key), Reply::status(500), out);
        }
        call.path = Path::from(flow);
        let closing = matches!(call.phase, Phase::Closing(_));
        let full = call.owed.len() >= SIP_QUEUED_REQUESTS;
        match request.method {
            Method::Bye => self.hung_up(now, id, key, request, out),
            _ if closing => self.reply(now, id, Some(key), Reply::status(481), out),
            _ if full => {
                let reply = Reply::status(503).with("Retry-After", FULL_RETRY_SECS.to_string());
                self.reply(now, id, Some(key), reply, out);
            }
            Method::Invite => self.reinvited(now, id, key, request, out),
            Method::Update => self.updated(now, id, key, request, out),
            Method::Options => self.asked(flow, id, Some(key), request, out),
            _ => {
                self.entrust(id, key);
                let headers = &request.headers;
                out.push(Output::Event(Event::Info {
                    call: key,
                    request: RequestKey(id.0),
                    body: body(headers, &request.body),
                    source: flow.remote,
                    flow: flow.id,
                    user: self.user.take(),
                }));
            }
        }
    }

    fn reinvited(&mut self, now: Now, id: ServerId, key: CallKey, request: &Arc<Request>, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.waiting.is_some() || call.updating.is_some() {
            return self.overlapping(now, id, key, out);
        }
        // RFC 3261 §14.2: ours is under way; or our offer in a 2xx has no answer yet, which is the same.
        if call.inviting.is_some() || call.unacked.is_some_and(|unacked| unacked.offered) {
            return self.reply(now, id, Some(key), Reply::status(491), out);
        }
        // A later INVITE shows that the 2xx arrived, though its ACK did not.
        if let Some(unacked) = call.unacked.take() {
            self.layer.success_arrived(unacked.id);
            self.stop_repeating(key);
            out.push(Output::Event(Event::Acked { call: key, body: None }));
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.waiting = Some(Waiting { id, first: false });
        }
        self.await_owner(now, key, id, request);
        out.push(Output::Event(Event::Reinvited { call: key, body: body(&request.headers, &request.body) }));
    }

    /// RFC 3261 §14.2, RFC 3311 §5.2: the request before it has no final response yet.
    fn overlapping(&mut self, now: Now, id: ServerId, key: CallKey, out: &mut Outbox<Output>) {
        let secs = self.mint.number() % (OVERLAP_SECS_MAX + 1);
        let reply = Reply::status(500).with("Retry-After", secs.to_string());
        self.reply(now, id, Some(key), reply, out);
    }

    /// RFC 3311 §5.2. Without an offer it refreshes the dialog, and needs nobody to decide on it.
    fn updated(&mut self, now: Now, id: ServerId, key: CallKey, request: &Arc<Request>, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let offer = body(&request.headers, &request.body);
        if call.updating.is_some() || (offer.is_some() && call.waiting.is_some()) {
            return self.overlapping(now, id, key, out);
        }
        let ours_waits = call.inviting.is_some() || call.ack_owed.is_some();
        if offer.is_some() && (ours_waits || call.unacked.is_some_and(|unacked| unacked.offered)) {
            return self.reply(now, id, Some(key), Reply::status(491), out); // an offer of ours has no answer yet
        }
        call.updating = Some(id);
        self.entrust(id, key);
        match offer {
            Some(_) => out.push(Output::Event(Event::Updated { call: key, request: RequestKey(id.0), body: offer })),
            None => self.answer(now, id, Reply::status(200), out),
        }
    }

    fn asked(&mut self, flow: Flow, id: ServerId, call: Option<CallKey>, request: &Request, out: &mut Outbox<Output>) {
        match call {
            Some(call) => self.entrust(id, call),
            None => self.layer.entrust(id, None),
        }
        out.push(Output::Event(Event::Options {
            request: RequestKey(id.0),
            call,
            request_uri: request.uri.to_string(),
            accept: tokens(&request.headers, "Accept").map(str::to_owned).collect(),
            source: flow.remote,
        }));
    }

    fn hung_up(&mut self, now: Now, id: ServerId, key: CallKey, request: &Request, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get(&key) else { return };
        let why = match call.phase {
            // RFC 3261 §15: the callee does not hang up before it has answered.
            Phase::Calling => return self.reply(now, id, Some(key), Reply::status(481), out),
            Phase::Closing(why) => why,
            Phase::Ringing | Phase::Up => EndReason::ByeReceived,
        };
        self.reply(now, id, Some(key), Reply::status(200), out);
        out.push(Output::Event(Event::Bye { call: key, body: body(&request.headers, &request.body) }));
        self.end(now, key, why, out);
    }

    /// RFC 3261 §9.2.
    fn cancelled(&mut self, now: Now, id: ServerId, request: &Request, out: &mut Outbox<Output>) {
        let Some(invite) = self.layer.cancelled_by(request) else {
            return self.reply(now, id, None, Reply::status(481), out);
        };
        let call = if let Owed::In(call) = self.layer.owed(invite) { Some(call) } else { None };
        self.reply(now, id, call, Reply::status(200), out);
        // After the final response a CANCEL changes nothing.
        if let Some(call) = call {
            self.give_up_waiting(now, call, out);
        }
    }

    fn acknowledged(&mut self, now: Now, flow: Flow, request: &Request, out: &mut Outbox<Output>) {
        let Some(key) = self.find(request) else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let seq = cseq_number(&request.headers);
        let Some(unacked) = call.unacked.take_if(|unacked| unacked.seq == seq) else { return };
        self.layer.success_arrived(unacked.id);
        call.path = Path::from(flow);
        self.stop_repeating(key);
        out.push(Output::Event(Event::Acked { call: key, body: body(&request.headers, &request.body) }));
        self.pump(now, key, out);
    }

    /// From now on the owner owes an answer to this request of the call.
    pub(super) fn entrust(&mut self, id: ServerId, key: CallKey) {
        self.layer.entrust(id, Some(key));
        if let Some(call) = self.calls.get_mut(&key) {
            call.owed.push(id);
        }
    }

    pub(super) fn stop_repeating(&mut self, key: CallKey) {
        self.alarms.clear((key, Alarm::RepeatSuccess));
        self.alarms.clear((key, Alarm::AckOverdue));
    }
}
