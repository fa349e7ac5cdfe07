//! The owner's answers to requests of peers.

use rsip::{Method, Request};

use super::{Alarm, Endpoint, Reply, Waiting, allow};
use crate::model::{Now, Outbox};
use crate::sip::call::{Phase, Unacked};
use crate::sip::command::Output;
use crate::sip::event::{EndReason, Event};
use crate::sip::flow::{Body, CallKey};
use crate::sip::layer::{Owed, ServerId};
use crate::sip::message::{cseq_number, value, values};

impl Endpoint {
    /// A provisional response to the INVITE that waits.
    pub(super) fn provisional(&mut self, now: Now, key: CallKey, status: u16, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get(&key) else { return };
        let Some(waiting) = call.waiting else { return };
        let Some(request) = self.layer.request(waiting.id) else { return };
        let reply = self.invite_reply(key, &request, Reply::status(status));
        self.reply(now, waiting.id, Some(key), reply, out);
    }

    /// RFC 3261 §12.1.1, §13.3.1.4: what responses to INVITE that make a dialog carry.
    fn invite_reply(&self, key: CallKey, request: &Request, mut reply: Reply) -> Reply {
        for route in values(&request.headers, "Record-Route") {
            reply = reply.with("Record-Route", route);
        }
        if let Some(call) = self.calls.get(&key) {
            reply = reply.with("Contact", self.contact(&call.path, call.dialog.secure));
        }
        // RFC 6086 §5.2.3: who speaks of INFO packages hears that we want none.
        if value(&request.headers, "Recv-Info").is_some() {
            reply = reply.with("Recv-Info", "");
        }
        reply.with("Allow", allow()).with("Allow-Events", self.event_packages()).with("Supported", super::SUPPORTED)
    }

    /// 200 to the INVITE or re-INVITE that waits; repeated until its ACK comes.
    pub(super) fn accept(&mut self, now: Now, key: CallKey, body: Option<Body>, out: &mut Outbox<Output>) {
        let Some((waiting, _)) = self.answered(key) else { return };
        let Some(request) = self.layer.request(waiting.id) else { return };
        let interval = self.config.timer_t1;
        let offered = request.body.is_empty() && body.is_some();
        let seq = cseq_number(&request.headers);
        if let Some(call) = self.calls.get_mut(&key) {
            call.phase = Phase::Up;
            // RFC 3261 §12.2.2: only a request that is accepted refreshes the target.
            call.dialog.refresh(&request.headers);
            call.unacked = Some(Unacked { id: waiting.id, seq, offered, interval });
        }
        let reply = self.invite_reply(key, &request, Reply { status: 200, body, ..Reply::default() });
        let reply = self.agree_on_session(now, key, &request, reply);
        self.reply(now, waiting.id, Some(key), reply, out);
        // RFC 3261 §13.3.1.4: on any transport, for a proxy may lose it on the next one.
        self.alarms.set((key, Alarm::RepeatSuccess), now.instant + interval);
        self.alarms.set((key, Alarm::AckOverdue), now.instant + self.layer.timeout());
    }

    /// A final refusal of the INVITE or re-INVITE that waits.
    pub(super) fn refuse_call(&mut self, now: Now, key: CallKey, reply: Reply, out: &mut Outbox<Output>) {
        // A status that is no refusal would leave the peer waiting.
        let status = if (300..700).contains(&reply.status) { reply.status } else { 500 };
        let Some((waiting, _)) = self.answered(key) else { return };
        let reply = self.challenging(now, Reply { status, ..reply });
        self.reply(now, waiting.id, Some(key), reply, out);
        if waiting.first {
            self.end(now, key, EndReason::Refused(status), out);
        }
    }

    /// RFC 3261 §21.4.2: a 401 says what it takes to come back.
    pub(super) fn challenging(&mut self, now: Now, mut reply: Reply) -> Reply {
        if reply.status == 401 {
            reply.headers.extend(self.guard.challenge(now.instant, false));
        }
        reply
    }

    /// Takes the INVITE that waits off the call, with everything that watched over it.
    fn answered(&mut self, key: CallKey) -> Option<(Waiting, &mut super::Call)> {
        let call = self.calls.get_mut(&key)?;
        let waiting = call.waiting.take()?;
        call.owed.retain(|id| *id != waiting.id);
        self.alarms.clear((key, Alarm::Unanswered));
        self.alarms.clear((key, Alarm::Remind));
        Some((waiting, call))
    }

    /// 487 to the INVITE that waits, because the peer or the time says so.
    pub(super) fn give_up_waiting(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let Some((waiting, _)) = self.answered(key) else { return };
        self.reply(now, waiting.id, Some(key), Reply::status(487), out);
        out.push(Output::Event(Event::Cancelled { call: key }));
        if waiting.first {
            self.end(now, key, EndReason::Cancelled, out);
        }
    }

    /// The final response to an INFO, OPTIONS or UPDATE.
    pub(super) fn answer(&mut self, now: Now, id: ServerId, mut reply: Reply, out: &mut Outbox<Output>) {
        let call = match self.layer.owed(id) {
            Owed::No => return,
            Owed::Outside => None,
            Owed::In(call) => Some(call),
        };
        let Some(request) = self.layer.request(id) else { return };
        if matches!(request.method, Method::Invite | Method::Subscribe) || !(200..700).contains(&reply.status) {
            return;
        }
        let accepted = reply.status < 300;
        if let Some(call) = call.and_then(|call| self.calls.get_mut(&call)) {
            call.owed.retain(|owed| *owed != id);
            call.updating.take_if(|updating| *updating == id);
            if request.method == Method::Update && accepted {
                call.dialog.refresh(&request.headers); // RFC 3311 §5.2
            }
        }
        if let Some(call) = call.filter(|_| request.method == Method::Update && accepted) {
            reply = self.invite_reply(call, &request, reply);
            reply = self.agree_on_session(now, call, &request, reply);
        }
        if request.method == Method::Options && reply.status < 300 {
            // RFC 3261 §11.2.
            reply = reply
                .with("Allow", allow())
                .with("Allow-Events", self.event_packages())
                .with("Accept", self.config.accept.join(", "))
                .with("Accept-Encoding", "identity")
                .with("Accept-Language", "en")
                .with("Supported", super::SUPPORTED);
        }
        let reply = self.challenging(now, reply);
        self.reply(now, id, call, reply, out);
        if let Some(call) = call.filter(|_| request.method == Method::Update) {
            self.pump(now, call, out); // a re-INVITE of ours may have waited for it
        }
    }
}
