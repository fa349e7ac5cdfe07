//! SIP events and MSML documents: who said what, whether it may, and where it goes.

use std::net::{IpAddr, SocketAddr};

use super::call::{MSML_TYPE, Purpose};
use super::core::Engine;
use super::jobs::{Errand, Turn};
use super::order::Happening;
use super::port::{Output, ScriptSource};
use crate::model::{Machine, Now, Outbox};
use crate::msml;
use crate::queue;
use crate::sip::{self, Body, CallKey, FlowId, RequestKey};

/// The types in which MSML is understood: what real clients send, and the registered one.
pub(super) const MSML_TYPES: [&str; 4] = [MSML_TYPE, "application/xml", "text/xml", "application/vnd.radisys.msml+xml"];

impl Engine {
    /// Feeds the SIP endpoint; what it says is performed before it hears anything else.
    pub(super) fn sip(&mut self, now: Now, input: sip::Input, out: &mut Outbox<Output>) {
        self.agenda.push_back(Turn::Sip(input));
        self.work(now, out);
    }

    /// Feeds the MSML interpreter, in the same manner.
    pub(super) fn msml(&mut self, now: Now, input: msml::Input, out: &mut Outbox<Output>) {
        self.agenda.push_back(Turn::Msml(input));
        self.work(now, out);
    }

    /// Feeds the queue, in the same manner.
    pub(super) fn queue(&mut self, now: Now, input: queue::Input, out: &mut Outbox<Output>) {
        self.agenda.push_back(Turn::Queue(input));
        self.work(now, out);
    }

    /// All machines want every output performed before their next input (see [`Machine`]), and performing one makes
    /// inputs for any: they queue here, and only the outermost call works the queue off.
    fn work(&mut self, now: Now, out: &mut Outbox<Output>) {
        if std::mem::replace(&mut self.working, true) {
            return;
        }
        while let Some(turn) = self.agenda.pop_front() {
            match turn {
                Turn::Sip(input) => self.sip_turn(now, input, out),
                Turn::Msml(input) => self.msml_turn(now, input, out),
                Turn::Queue(input) => self.queue_turn(now, input, out),
            }
        }
        self.working = false;
    }

    fn sip_turn(&mut self, now: Now, input: sip::Input, out: &mut Outbox<Output>) {
        let mut outputs = Outbox::new();
        self.endpoint.handle(now, input, &mut outputs);
        while let Some(output) = outputs.pop() {
            match output {
                sip::Output::Transmit { flow, transport, remote, octets } => {
                    out.push(Output::Transmit { flow, transport, remote, octets });
                }
                sip::Output::Close(flow) => out.push(Output::CloseFlow(flow)),
                sip::Output::Event(event) => {
                    if let Some(event) = self.with_names(event, out) {
                        self.event(now, event, out);
                    }
                }
            }
        }
    }

    pub(super) fn command(&mut self, now: Now, command: sip::Command, out: &mut Outbox<Output>) {
        self.sip(now, sip::Input::Command(command), out);
    }

    pub(super) fn event(&mut self, now: Now, event: sip::Event, out: &mut Outbox<Output>) {
        use sip::Event;
        match event {
            Event::Invited { call, tag, invite } => self.invited(now, call, tag, *invite, out),
            Event::Reinvited { call, body } => self.reinvited(now, call, body, out),
            Event::Updated { call, request, body } => self.updated(now, call, request, body, out),
            Event::Acked { call, body } => self.acked(now, call, body, out),
            Event::Cancelled { call } => drop(self.offers.remove(&call)),
            Event::Info { call, request, body, source, flow, user, .. } => {
                let trusted = self.may_command(source.ip(), flow, user.as_deref());
                self.info(now, (call, request), body, (source, user.is_some(), trusted), out);
            }
            Event::Options { request, .. } => self.capabilities(now, request, out),
            Event::Bye { call, .. } => self.hung_up(now, call),
            Event::Answered { call, peer_tag, body, .. } => self.answered(now, call, peer_tag, body, out),
            Event::Progress { .. } => {}
            Event::Refused { call, refusal } => self.refused(now, call, refusal, out),
            Event::RefreshDue { call } => self.refresh_due(now, call, out),
            Event::ReinviteAnswered { call, body } => self.reoffer_answered(now, call, body, out),
            Event::ReinviteRefused { call, status } => self.reoffer_refused(now, call, status, out),
            Event::InfoAnswered { call, token, status, body } => {
                let body = body.map(|body| String::from_utf8_lossy(&body.octets).into_owned());
                if !(200..300).contains(&status) {
                    tracing::warn!(status, "the peer refused our INFO");
                }
                self.event_answered(token, status, out);
                self.tell(call, Happening::InfoAnswered(token, status, body), out);
            }
            Event::OptionsAnswered { .. } => {}
            Event::MessageAnswered { token, status, silent, retry_after } => {
                self.page_answered(token, status, silent, retry_after, out);
            }
            Event::Subscribed { subscription, subscribe, .. } => self.subscribed(now, subscription, &subscribe, out),
            Event::Unsubscribed { subscription } => self.unsubscribed(subscription, out),
            Event::Ended { call, why } => self.ended(now, call, why, out),
        }
    }

    /// Tells the command that placed the call, if a command did.
    pub(super) fn tell(&self, call: CallKey, what: Happening, out: &mut Outbox<Output>) {
        if let Some(Purpose::Client(order)) = self.board.calls.get(&call).map(|call| call.purpose) {
            out.push(Output::Happened(order, what));
        }
    }

    /// RFC 3261 §11.2, RFC 5547 §8.5: what we could do, without doing it.
    fn capabilities(&mut self, now: Now, request: RequestKey, out: &mut Outbox<Output>) {
        let body = self.capability_description();
        let command =
            sip::Command::Answer { request, status: 200, reason: None, body: Some(body), headers: Vec::new() };
        self.command(now, command, out);
    }

    /// Whether who is there may command us: by its network, by the certificate of its connection, or as a user.
    pub(super) fn may_command(&self, source: IpAddr, flow: FlowId, user: Option<&str>) -> bool {
        let certified = || {
            let hosts = self.hosts.get(&flow).into_iter().flatten();
            hosts.into_iter().any(|host| self.policy.certified.iter().any(|name| name.eq_ignore_ascii_case(host)))
        };
        let commands = |user: &str| !self.policy.owners.contains(user);
        self.policy.may_control(source) || user.is_some_and(commands) || certified()
    }

    fn info(
        &mut self,
        now: Now,
        (call, request): (CallKey, RequestKey),
        body: Option<Body>,
        (source, known, trusted): (SocketAddr, bool, bool),
        out: &mut Outbox<Output>,
    ) {
        let answer = |status: u16, reason: Option<&str>| sip::Command::Answer {
            request,
            status,
            reason: reason.map(str::to_owned),
            body: None,
            headers: if status == 415 { vec![("Accept".to_owned(), MSML_TYPES.join(", "))] } else { Vec::new() },
        };
        // F-5: an empty INFO is a keep-alive; its answer has no body.
        let Some(body) = body.filter(|body| !body.octets.is_empty()) else {
            return self.command(now, answer(200, None), out);
        };
        let kind = body.media_type();
        if !MSML_TYPES.contains(&kind.as_str()) {
            tracing::warn!(%source, %kind, "INFO with a body that is not MSML: 415");
            return self.command(now, answer(415, None), out);
        }
        let Some(entry) = self.board.calls.get_mut(&call) else {
            return self.command(now, answer(481, None), out);
        };
        if entry.manners.content_type.is_none() {
            entry.msml_type.clone_from(&kind);
        }
        if let Purpose::Client(order) = entry.purpose {
            let text = String::from_utf8_lossy(&body.octets).into_owned();
            out.push(Output::Happened(order, Happening::Msml(text)));
            return self.command(now, answer(200, None), out);
        }
        if !trusted {
            let status = if known { 403 } else { self.policy.not_allowed() };
            tracing::warn!(%source, call_id = %entry.parties.call_id, status, "MSML from outside control.trusted: refused");
            let reason = (status == 403).then_some("MSML Is Not Allowed From This Address");
            return self.command(now, answer(status, reason), out);
        }
        let style = entry.manners.style;
        let token = self.number();
        self.requests.insert(token, (request, call));
        let context = msml::ContextId(call.0);
        self.msml(now, msml::Input::Request { context, request: token, style, body: body.octets }, out);
    }

    fn msml_turn(&mut self, now: Now, input: msml::Input, out: &mut Outbox<Output>) {
        let mut outputs = Outbox::new();
        self.interpreter.handle(now, input, &mut outputs);
        while let Some(output) = outputs.pop() {
            match output {
                msml::Output::Reply { request, reply } => self.reply(now, request, reply, out),
                msml::Output::Event { context, name, id, values, body } => {
                    self.send_event(now, context, self.logged(now, context, name, id, values), body, out);
                }
                msml::Output::EventLost { context, name, id, values, .. } => {
                    self.keep_event(self.logged(now, context, name, id, values), out);
                }
                msml::Output::Ask { context, ask } => self.ask(now, context, ask, out),
                msml::Output::Start { primitive, conn, dialog, work } => {
                    tracing::debug!(%dialog, ?work, "primitive starts");
                    match work {
                        msml::Work::Record(record) => self.record(now, primitive, &conn, record, out),
                        msml::Work::Play(play) => self.play(now, primitive, &conn, play, out),
                        msml::Work::File(work) => self.move_file(now, primitive, work, out),
                        msml::Work::Forward(work) => self.forward(now, primitive, dialog, work, out),
                    }
                }
                msml::Output::Fetch { fetch, src, dialog } => {
                    let ticket = self.errand(Errand::Script(fetch));
                    tracing::info!(%dialog, ?ticket, "fetching a script");
                    let source = src.parse().map_or_else(|_| ScriptSource::Url(src), ScriptSource::Object);
                    out.push(Output::Fetch(ticket, source));
                }
                msml::Output::Order { primitive, order } => {
                    self.order_record(now, primitive, order, out);
                    self.order_play(now, primitive, order, out);
                    self.order_move(primitive, order, out);
                    self.order_forward(now, primitive, order, out);
                }
                msml::Output::Bind { primitive, conn } => self.bound(now, primitive, &conn, out),
                msml::Output::Disconnect { conn, body } => self.disconnect(now, &conn, body, out),
            }
        }
        self.forget_departed();
    }

    /// F-6: a MSML request is always answered with a MSML body, in the type the peer used.
    fn reply(&mut self, now: Now, token: u64, reply: msml::Reply, out: &mut Outbox<Output>) {
        let Some((request, key)) = self.requests.remove(&token) else { return };
        let answer = reply.answer(|conn| self.report(now, conn));
        let call = self.board.calls.get(&key);
        let kind = call.map_or(MSML_TYPE, |call| call.msml_type.as_str());
        let status = call.map_or(200, |call| call.manners.error_style.status(answer.response));
        let body = Some(Body::new(kind, answer.body));
        let command = sip::Command::Answer { request, status, reason: None, body, headers: Vec::new() };
        self.command(now, command, out);
    }

    /// RFC 5707 §9.6.5: `<disconnect>` also ends the SIP dialog of the connection.
    fn disconnect(&mut self, now: Now, conn: &str, body: Option<String>, out: &mut Outbox<Output>) {
        let Some(call) = self.board.by_tag(conn) else { return };
        let kind = self.board.calls.get(&call).map_or(MSML_TYPE, |call| call.msml_type.as_str());
        let body = body.map(|text| Body::new(kind, text));
        self.command(now, sip::Command::Bye { call, body, reason: None }, out);
    }
}
