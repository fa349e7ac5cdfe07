//! Server transactions: requests found again by branch, sent-by and method, responses kept for their copies.

use std::sync::Arc;
use std::time::Duration;

use rsip::{Method, Request, Response};

use super::server::{Event, Owed, Server, State, key, origin};
use super::table::Layer;
use super::words::{Alarm, Arrival, Hop, ServerId};
use crate::model::{Now, Outbox};
use crate::sip::address::tag;
use crate::sip::command::Output;
use crate::sip::flow::CallKey;
use crate::sip::message::text;
use crate::sip::transaction::{Act, Timer, invite_server, request_server};
use crate::sip::{build, serialise};

/// RFC 3261 §17.2.1: an INVITE that is answered within this time needs no 100.
const INVITE_QUIET: Duration = Duration::from_millis(200);

impl Layer {
    /// Sorts a request in. `hop` is where its responses go; while we are `busy` none begins anything new.
    pub(in crate::sip) fn arrive(
        &mut self,
        now: Now,
        hop: Hop,
        request: Request,
        busy: bool,
        out: &mut Outbox<Output>,
    ) -> Arrival {
        let key = key(&request, request.method);
        let known = self.by_key.get(key.as_str()).copied();
        if request.method == Method::Ack {
            let delivered = known.is_none_or(|id| self.server_step(now, id, Event::Ack, out));
            return if delivered { Arrival::Ack(Box::new(request)) } else { Arrival::Absorbed };
        }
        if let Some(id) = known {
            self.server_step(now, id, Event::Request, out);
            return Arrival::Absorbed;
        }
        let is_new = || request.method != Method::Cancel && tag(text(&request.headers, "To")).is_none();
        if self.is_full() || (busy && is_new()) {
            return Arrival::Full(Box::new(request));
        }
        let origin = origin(&request);
        let merged = origin.as_ref().is_some_and(|origin| self.by_origin.contains_key(origin.as_str()));
        let origin = origin.filter(|_| !merged).map(Arc::from);
        let id = self.open(now, key.into(), origin, hop, request);
        if merged { Arrival::Merged(id) } else { Arrival::New(id) }
    }

    fn open(&mut self, now: Now, key: Arc<str>, origin: Option<Arc<str>>, hop: Hop, request: Request) -> ServerId {
        self.next += 1;
        let id = ServerId(self.next);
        self.by_key.insert(Arc::clone(&key), id);
        if let Some(origin) = &origin {
            self.by_origin.insert(Arc::clone(origin), id);
        }
        let (state, quiet) = if request.method == Method::Invite {
            (State::Invite(invite_server::State::Proceeding), INVITE_QUIET)
        } else {
            // An owner that forgets the request must not keep it for ever; the peer gave up long before.
            self.timers.set(Alarm::Server(id, Timer::Over), now.instant + self.timeout() * 2);
            (State::Request(request_server::State::Trying), self.slowest_resend())
        };
        self.timers.set(Alarm::Server(id, Timer::Trying), now.instant + quiet);
        let server = Server {
            state,
            key,
            origin,
            hop,
            request: Some(Arc::new(request)),
            last: None,
            interval: self.t1,
            owed: Owed::No,
        };
        self.servers.insert(id, server);
        id
    }

    /// RFC 4320 §4.1: the time until a client's timer E has grown to T2.
    fn slowest_resend(&self) -> Duration {
        let (mut interval, mut sum) = (self.t1, Duration::ZERO);
        while !interval.is_zero() && interval < self.t2 {
            sum += interval;
            interval *= 2;
        }
        sum
    }

    /// Sends a response and keeps it for copies of the request.
    pub(in crate::sip) fn respond(&mut self, now: Now, id: ServerId, response: &Response, out: &mut Outbox<Output>) {
        let event = Event::Respond(response.status_code.code());
        let Some(server) = self.servers.get_mut(&id) else { return };
        if server.step(event).is_some() {
            if response.status_code.code() >= 200 {
                server.owed = Owed::No;
                server.request = None;
            }
            server.last = Some(serialise::response(response));
            self.server_step(now, id, event, out);
        }
    }

    /// Notes that the user has to answer this request.
    pub(in crate::sip) fn entrust(&mut self, id: ServerId, call: Option<CallKey>) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.owed = call.map_or(Owed::Outside, Owed::In);
        }
    }

    /// Whether the user has to answer this request.
    pub(in crate::sip) fn owed(&self, id: ServerId) -> Owed {
        self.servers.get(&id).map_or(Owed::No, |server| server.owed)
    }

    /// Sends the 2xx of an INVITE once more.
    pub(in crate::sip) fn repeat_success(&mut self, now: Now, id: ServerId, out: &mut Outbox<Output>) {
        self.server_step(now, id, Event::Respond(200), out);
    }

    /// The 2xx of an INVITE has arrived: nobody wants it again.
    pub(in crate::sip) fn success_arrived(&mut self, id: ServerId) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.last = None;
        }
    }

    /// The request of a transaction that has no final response yet.
    pub(in crate::sip) fn request(&self, id: ServerId) -> Option<Arc<Request>> {
        self.servers.get(&id).and_then(|server| server.request.clone())
    }

    /// RFC 3261 §9.2: the INVITE that a CANCEL means.
    pub(in crate::sip) fn cancelled_by(&self, cancel: &Request) -> Option<ServerId> {
        self.by_key.get(key(cancel, Method::Invite).as_str()).copied()
    }

    pub(super) fn server_timer(&mut self, now: Now, id: ServerId, timer: Timer, out: &mut Outbox<Output>) {
        self.server_step(now, id, Event::Timer(timer), out);
    }

    /// Returns whether the message is to be delivered.
    fn server_step(&mut self, now: Now, id: ServerId, event: Event, out: &mut Outbox<Output>) -> bool {
        let Some(server) = self.servers.get_mut(&id) else { return false };
        let Some((next, acts)) = server.step(event) else { return false };
        server.state = next;
        for act in acts {
            self.server_act(now, id, *act, out);
        }
        if self.servers.get(&id).is_some_and(Server::is_over) {
            self.close_server(id);
        }
        acts.contains(&Act::Deliver)
    }

    fn server_act(&mut self, now: Now, id: ServerId, act: Act, out: &mut Outbox<Output>) {
        let (t1, t2) = (self.t1, self.t2);
        let Some(server) = self.servers.get_mut(&id) else { return };
        let hop = server.hop;
        let alarm = |timer| Alarm::Server(id, timer);
        match act {
            Act::Send => out_last(server, out),
            Act::Resend => {
                out_last(server, out);
                server.interval = (server.interval * 2).min(t2);
                self.timers.set(alarm(Timer::Resend), now.instant + server.interval);
            }
            Act::SendTrying => {
                server.last = server.request.as_ref().map(|request| serialise::response(&build::trying(request)));
                out_last(server, out);
            }
            Act::StartResending if !hop.transport.is_reliable() => {
                server.interval = t1;
                self.timers.set(alarm(Timer::Resend), now.instant + t1);
            }
            Act::StopTimers => {
                self.timers.clear(alarm(Timer::Resend));
                self.timers.clear(alarm(Timer::Trying));
            }
            Act::Start(span) => self.timers.set(alarm(Timer::Over), now.instant + self.span(span, hop.transport)),
            // The rest is a client's, a stream's or the caller's affair.
            _ => {}
        }
    }

    fn close_server(&mut self, id: ServerId) {
        for timer in [Timer::Resend, Timer::Over, Timer::Trying] {
            self.timers.clear(Alarm::Server(id, timer));
        }
        let Some(server) = self.servers.remove(&id) else { return };
        self.by_key.remove(&server.key);
        if let Some(origin) = server.origin {
            self.by_origin.remove(&origin);
        }
    }
}

fn out_last(server: &Server, out: &mut Outbox<Output>) {
    if let Some(last) = &server.last {
        out.push(server.hop.transmit(last.clone()));
    }
}
