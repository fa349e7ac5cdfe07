//! Client transactions: requests of ours, resent, given up, and matched with their responses.

use std::net::SocketAddr;

use rsip::{Method, Request, Response};

use super::client::{Client, Event, State, key};
use super::table::Layer;
use super::words::{Alarm, ClientId, Hop, Outcome, Parcel, Purpose, Report};
use crate::model::{Now, Outbox};
use crate::sip::command::Output;
use crate::sip::flow::Transport;
use crate::sip::message::{cseq, method_name, text};
use crate::sip::transaction::{Act, Timer, invite_client, request_client};
use crate::sip::{build, serialise};

impl Layer {
    /// Sends a request and waits for its responses.
    pub(in crate::sip) fn begin(
        &mut self,
        now: Now,
        purpose: Purpose,
        parcel: Parcel,
        out: &mut Outbox<Output>,
    ) -> ClientId {
        let request = &parcel.request;
        self.next += 1;
        let id = ClientId(self.next);
        let key = key(text(&request.headers, "Via"), method_name(request.method)).unwrap_or_default();
        self.by_branch.insert(key.clone(), id);
        let state = match request.method {
            Method::Invite => State::Invite(invite_client::State::Calling),
            _ => State::Request(request_client::State::Trying),
        };
        let client = Client { state, key, purpose, parcel, ack: None, interval: self.t1 };
        self.clients.insert(id, client);
        self.client_step(now, id, Event::Begin, None, out);
        id
    }

    /// Matches a response; `None` if nobody waits for it (RFC 6026 §8.9: then it is dropped).
    pub(in crate::sip) fn receive(&mut self, now: Now, response: Response, out: &mut Outbox<Output>) -> Option<Report> {
        let (_, method) = cseq(text(&response.headers, "CSeq")).ok()?;
        let id = *self.by_branch.get(&key(text(&response.headers, "Via"), method)?)?;
        let event = Event::Response(response.status_code.code());
        self.client_step(now, id, event, Some(response), out)
    }

    /// The request of a client transaction that is still alive.
    pub(in crate::sip) fn sent(&self, id: ClientId) -> Option<(&Request, Hop)> {
        self.clients.get(&id).map(|client| (&client.parcel.request, client.parcel.hop))
    }

    /// Forgets a request whose outcome no longer matters (RFC 3261 §9.1): an INVITE may ring for ever.
    pub(in crate::sip) fn abandon(&mut self, id: ClientId) {
        self.close_client(id);
    }

    /// Tells every transaction on this hop that its transport failed.
    pub(in crate::sip) fn transport_failed(&mut self, now: Now, failed: Hop, out: &mut Outbox<Output>) -> Vec<Report> {
        let ids = self.on_hop(failed);
        ids.into_iter().filter_map(|id| self.client_step(now, id, Event::TransportFailed, None, out)).collect()
    }

    /// Tells every transaction that waits for this connection that it does not come to be: what goes there for its size alone
    /// leaves as a datagram. What has left on a connection does not, for it may have arrived, and a copy under another
    /// branch would be another request (RFC 3261 §8.2.2.2).
    pub(in crate::sip) fn unconnected(
        &mut self,
        now: Now,
        failed: Hop,
        refused: bool,
        out: &mut Outbox<Output>,
    ) -> Vec<Report> {
        if refused && failed.transport == Transport::Tcp {
            self.without_tcp.note(now.instant, failed.remote);
        }
        let ids = self.on_hop(failed);
        let step = |id| {
            let event = if self.fall_back(id) { Event::Begin } else { Event::TransportFailed };
            self.client_step(now, id, event, None, out)
        };
        ids.into_iter().filter_map(step).collect()
    }

    fn on_hop(&self, failed: Hop) -> Vec<ClientId> {
        // A connection is known by its number; a UDP socket serves many peers, and a new connection has no number yet.
        let on_hop = |hop: &Hop| match (hop.transport, hop.flow) {
            (Transport::Tcp | Transport::Tls, Some(flow)) => failed.flow == Some(flow),
            (transport, _) => transport == failed.transport && hop.remote == failed.remote,
        };
        self.clients.iter().filter(|(_, client)| on_hop(&client.parcel.hop)).map(|(id, _)| *id).collect()
    }

    /// Whether a request that is too large for a datagram is worth a connection to this peer.
    pub(in crate::sip) fn takes_tcp(&self, now: Now, peer: SocketAddr) -> bool {
        !self.without_tcp.knows(now.instant, peer)
    }

    fn fall_back(&mut self, id: ClientId) -> bool {
        let Some(client) = self.clients.get_mut(&id).filter(|client| client.parcel.instead.is_some()) else {
            return false;
        };
        let falls_back = client.fall_back();
        let (via, method) = (text(&client.parcel.request.headers, "Via"), method_name(client.parcel.request.method));
        let key = key(via, method).unwrap_or_default();
        let old = std::mem::replace(&mut client.key, key.clone());
        self.by_branch.remove(&old);
        self.by_branch.insert(key, id);
        falls_back
    }

    pub(super) fn client_timer(
        &mut self,
        now: Now,
        id: ClientId,
        timer: Timer,
        out: &mut Outbox<Output>,
    ) -> Option<Report> {
        self.client_step(now, id, Event::Timer(timer), None, out)
    }

    fn client_step(
        &mut self,
        now: Now,
        id: ClientId,
        event: Event,
        response: Option<Response>,
        out: &mut Outbox<Output>,
    ) -> Option<Report> {
        let client = self.clients.get_mut(&id)?;
        let (next, acts) = client.step(event)?;
        client.state = next;
        let purpose = client.purpose;
        for act in acts {
            self.client_act(now, id, *act, response.as_ref(), out);
        }
        if self.clients.get(&id).is_some_and(Client::is_over) {
            self.close_client(id);
        }
        let outcome = match response {
            Some(response) if acts.contains(&Act::Deliver) => Outcome::Response(Box::new(response)),
            _ if acts.contains(&Act::ReportTimeout) => Outcome::Timeout,
            _ if acts.contains(&Act::ReportTransport) => Outcome::TransportFailed,
            _ => return None,
        };
        Some((id, purpose, outcome))
    }

    fn client_act(&mut self, now: Now, id: ClientId, act: Act, response: Option<&Response>, out: &mut Outbox<Output>) {
        let (t1, t2) = (self.t1, self.t2);
        let Some(client) = self.clients.get_mut(&id) else { return };
        let hop = client.parcel.hop;
        let alarm = |timer| Alarm::Client(id, timer);
        match act {
            Act::Send => out.push(client.parcel.transmit()),
            Act::Resend => {
                out.push(client.parcel.transmit());
                // RFC 3261 §17.1.1.2 and §17.1.2.2: timer A doubles without bound, timer E up to T2.
                let doubled = client.interval * 2;
                client.interval = if matches!(client.state, State::Invite(_)) { doubled } else { doubled.min(t2) };
                self.timers.set(alarm(Timer::Resend), now.instant + client.interval);
            }
            Act::SendAck => {
                let Some(response) = response else { return };
                let build = || serialise::request(&build::ack_failure(&client.parcel.request, response));
                let ack = client.ack.get_or_insert_with(build).clone();
                out.push(hop.transmit(ack));
            }
            Act::StartResending if !hop.transport.is_reliable() => {
                client.interval = t1;
                self.timers.set(alarm(Timer::Resend), now.instant + t1);
            }
            Act::SlowResending => client.interval = t2,
            Act::StopTimers => self.timers.clear(alarm(Timer::Resend)),
            Act::StopOver => self.timers.clear(alarm(Timer::Over)),
            Act::Start(span) => self.timers.set(alarm(Timer::Over), now.instant + self.span(span, hop.transport)),
            // The rest is a server's, a stream's or the caller's affair.
            _ => {}
        }
    }

    fn close_client(&mut self, id: ClientId) {
        for timer in [Timer::Resend, Timer::Over] {
            self.timers.clear(Alarm::Client(id, timer));
        }
        if let Some(client) = self.clients.remove(&id) {
            self.by_branch.remove(&client.key);
        }
    }
}
