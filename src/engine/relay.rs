//! Paths through a relay of ours (RFC 4976): who waits for one, on which connection it is asked for, when it runs out.
//!
//! ```text
//!   INVITE, re-INVITE, a command, a lease that ends --> waiting --front--> AUTH ... 200 --> granted --> offer or answer
//! ```
//! Each session gets a path of its own, so each costs an AUTH; they go one after the other on the one connection. What
//! waits too long, or finds the relay down, is refused with a reason; nothing goes around a relay that is configured.

use std::collections::VecDeque;
use std::time::Duration;

use super::call::{Call, Offered, Stream};
use super::core::Engine;
use super::jobs::Timer;
use super::link::{Command, LinkId};
use super::order::{Happening, Order, OrderId};
use super::paths::{Applicant, Line, OwnPath, Waiting};
use super::port::Output;
use crate::model::limits::{MSRP_RELAY_PATHS, MSRP_RELAY_PATIENCE, MSRP_RELAY_SHORTEST, MSRP_RELAY_WAITING};
use crate::model::{Now, Outbox};
use crate::msrp::{AuthFailure, AuthStep, Carrier, MsrpUri, SessionKey, SessionSpec, StatusCode, UsePath};
use crate::sdp::{self, Role};
use crate::sip::{self, Body, CallKey, EndReason};

/// A new path is asked for when this share of the old one's time is left: enough for a relay that is being restarted.
const LEASE_REST: u32 = 3;

/// After a failed renewal: a relay that is back serves us soon, one that is not has its peace.
const RENEW_AGAIN: Duration = Duration::from_secs(10);

/// While another offer of the call is under way (RFC 3264 §4: one at a time).
const RENEW_SOON: Duration = Duration::from_secs(1);

// Who waits.
impl Engine {
    /// Whether so many paths for this call have to be asked for first.
    pub(super) fn lacks_paths(&self, call: CallKey, need: usize) -> bool {
        let have = self.relay.granted.get(&call).map_or(0, VecDeque::len);
        self.relay.client.is_some() && have < need.min(MSRP_RELAY_PATHS)
    }

    /// What carries peers to the outermost relay of the path granted next.
    pub(super) fn outermost_carrier(&self, call: CallKey) -> Option<Carrier> {
        Carrier::of(self.relay.granted.get(&call)?.front()?.relays.last()?)
    }

    /// The path of a new session. `None`: it was not asked for, which makes no session rather than one without relay.
    pub(super) fn own_path(&mut self, call: CallKey, carrier: Option<Carrier>) -> Option<OwnPath> {
        if self.relay.client.is_some() {
            return self.relay.granted.get_mut(&call)?.pop_front();
        }
        Some(OwnPath { relays: Vec::new(), local: self.mint_uri(carrier) })
    }

    /// Asks for the paths and goes on when they are there.
    pub(super) fn apply(&mut self, now: Now, call: CallKey, need: usize, what: Waiting, out: &mut Outbox<Output>) {
        let ticket = self.number();
        let applicant = Applicant { ticket, call, need: need.min(MSRP_RELAY_PATHS), what };
        if self.relay.waiting.len() >= MSRP_RELAY_WAITING {
            return self.denied(now, applicant, "too many wait for the MSRP relay", out);
        }
        self.relay.waiting.push_back(applicant);
        self.wake(now, MSRP_RELAY_PATIENCE, Timer::Relay(ticket));
        self.pursue(out);
    }

    /// Forgets a command's call that is not placed yet; false if it is not among those who wait.
    pub(super) fn withdraw(&mut self, order: OrderId) -> bool {
        let before = self.relay.waiting.len();
        let of = |what: &Waiting| matches!(what, Waiting::Order(call) if matches!(**call, Order::Call { id, .. } if id == order));
        self.relay.waiting.retain(|applicant| !of(&applicant.what));
        self.relay.waiting.len() < before
    }

    pub(super) fn waited_too_long(&mut self, now: Now, ticket: u64, out: &mut Outbox<Output>) {
        let at = self.relay.waiting.iter().position(|applicant| applicant.ticket == ticket);
        if let Some(applicant) = at.and_then(|at| self.relay.waiting.remove(at)) {
            self.denied(now, applicant, "the MSRP relay does not answer in time", out);
        }
    }

    /// Takes the next step for whoever waits longest.
    fn pursue(&mut self, out: &mut Outbox<Output>) {
        let Some(front) = self.relay.waiting.front() else { return };
        let Some(client) = &self.relay.client else { return };
        match self.relay.line {
            Line::Dialling => {}
            Line::Down => {
                let Some(first) = client.first().cloned() else { return };
                self.relay.line = Line::Dialling;
                out.push(Output::DialRelay(first));
            }
            Line::Up(link) if self.relay.running.is_none() => {
                self.relay.running = Some(front.ticket);
                let again = match front.what {
                    Waiting::Renew(session) => self.board.streams.get(&session).map(|stream| stream.local.clone()),
                    _ => None,
                };
                let carrier = client.first().and_then(Carrier::of);
                let fresh = |engine: &mut Self| {
                    let uri = engine.mint_uri(carrier);
                    // Nobody connects to it, so its scheme is that of the connection it lives on, listener or not.
                    MsrpUri { secure: carrier.is_some_and(Carrier::is_secure), transport: "tcp".to_owned(), ..uri }
                };
                let local = again.unwrap_or_else(|| fresh(self));
                let Some(client) = &mut self.relay.client else { return };
                let request = client.begin(local);
                out.push(Output::Link(link, Command::AskRelay(request)));
            }
            Line::Up(_) => {}
        }
    }

    fn go_on(&mut self, now: Now, applicant: Applicant, out: &mut Outbox<Output>) {
        let call = applicant.call;
        match applicant.what {
            Waiting::Answer(offer, icons) => self.consider(now, call, *offer, icons, out),
            Waiting::Offer => self.offer_ours(now, call, false, out),
            Waiting::Reoffer(primitive) => {
                self.reoffer(now, primitive, out);
                if self.board.calls.get(&call).is_none_or(|call| call.reoffers.is_empty()) {
                    self.relay.waste(call); // whoever wanted it has ended meanwhile
                }
            }
            Waiting::Order(order) => self.place_call(now, call, *order, out),
            Waiting::Delivery(key) => self.call_with_path(now, call, key, out),
            Waiting::Renew(_) => {} // has got its path already: nobody else may have it
        }
    }

    fn denied(&mut self, now: Now, applicant: Applicant, why: &str, out: &mut Outbox<Output>) {
        let call = applicant.call;
        tracing::warn!(call = call.0, why, "no path through the MSRP relay");
        self.relay.waste(call);
        match applicant.what {
            Waiting::Answer(..) | Waiting::Offer => self.refuse_for_relay(now, call, why, out),
            Waiting::Reoffer(primitive) => self.reoffer_denied(now, call, primitive, why, out),
            Waiting::Order(order) => {
                let Order::Call { id, .. } = *order else { return };
                out.push(Output::Happened(id, Happening::Refused(UNAVAILABLE, why.to_owned())));
                out.push(Output::Happened(id, Happening::Ended(EndReason::Refused(UNAVAILABLE))));
            }
            Waiting::Delivery(key) => self.delivery_denied(now, key, why, out),
            Waiting::Renew(session) => self.wake(now, RENEW_AGAIN, Timer::Renew(session)),
        }
    }

    /// The relay is not to be had: so say all who wait, and those who want to renew try again.
    fn deny_all(&mut self, now: Now, why: &str, out: &mut Outbox<Output>) {
        for applicant in std::mem::take(&mut self.relay.waiting) {
            self.denied(now, applicant, why, out);
        }
    }
}

// The connection and what the relay says on it.
impl Engine {
    pub(super) fn relay_dialled(&mut self, now: Now, result: Result<LinkId, String>, out: &mut Outbox<Output>) {
        let protected = |link: &LinkId| self.bearers.get(link).is_some_and(|bearer| bearer.carrier.is_secure());
        match result {
            // RFC 4976 §8: not a word of AUTH goes over a connection that is not TLS.
            Ok(link) if !protected(&link) => {
                self.relay.line = Line::Down;
                out.push(Output::Link(link, Command::Close));
                tracing::error!("the connection to the MSRP relay is not protected by TLS");
                self.deny_all(now, "the MSRP relay cannot be reached by TLS", out);
            }
            Ok(link) => {
                self.relay.line = Line::Up(link);
                self.pursue(out);
            }
            Err(why) => {
                self.relay.line = Line::Down;
                tracing::error!(%why, "cannot reach the MSRP relay");
                self.deny_all(now, "the MSRP relay cannot be reached", out);
            }
        }
    }

    pub(super) fn auth_answered(
        &mut self,
        now: Now,
        link: LinkId,
        status: StatusCode,
        headers: &[(String, String)],
        out: &mut Outbox<Output>,
    ) {
        let Some(client) = self.relay.client.as_mut().filter(|_| self.relay.line == Line::Up(link)) else { return };
        match client.answer(status, headers) {
            AuthStep::Ask(request) => out.push(Output::Link(link, Command::AskRelay(request))),
            AuthStep::Done(path) => self.let_in(now, path, out),
            AuthStep::Failed(failure) => self.not_let_in(now, link, &failure, out),
        }
    }

    fn let_in(&mut self, now: Now, path: UsePath, out: &mut Outbox<Output>) {
        let running = self.relay.running.take();
        let front = self.relay.waiting.front().filter(|front| Some(front.ticket) == running);
        if let Some(front) = front {
            let (call, need, local) = (front.call, front.need, path.local);
            tracing::debug!(call = call.0, relay = path.uris.first().map(MsrpUri::authority), lifetime = ?path.lifetime, "the relay gives a path");
            if let Some(lifetime) = path.lifetime.map(|lifetime| lifetime.max(MSRP_RELAY_SHORTEST)) {
                let due = now.instant + (lifetime - lifetime / LEASE_REST);
                let leases = self.relay.leases.entry(call).or_default();
                leases.retain(|(id, _)| *id != local.session_id);
                leases.push((local.session_id.clone(), due));
            }
            if let Waiting::Renew(session) = front.what {
                self.relay.waiting.pop_front();
                self.renewed(now, call, session, OwnPath { relays: path.uris, local }, out);
                return self.pursue(out);
            }
            let granted = self.relay.granted.entry(call).or_default();
            granted.push_back(OwnPath { relays: path.uris, local });
            if granted.len() >= need
                && let Some(applicant) = self.relay.waiting.pop_front()
            {
                self.go_on(now, applicant, out);
            }
        }
        self.pursue(out);
    }

    fn not_let_in(&mut self, now: Now, link: LinkId, failure: &AuthFailure, out: &mut Outbox<Output>) {
        tracing::error!(%failure, "the MSRP relay does not serve us");
        let running = self.relay.running.take();
        let why = format!("the MSRP relay does not serve us: {failure}");
        match failure {
            AuthFailure::Refused | AuthFailure::Impostor | AuthFailure::Challenge(_) => self.deny_all(now, &why, out),
            // Nobody answers on this connection any more.
            AuthFailure::Status(StatusCode::TIMEOUT) => {
                self.deny_all(now, &why, out);
                out.push(Output::Link(link, Command::Close));
            }
            _ => {
                let asked = self.relay.waiting.front().is_some_and(|front| Some(front.ticket) == running);
                if asked && let Some(applicant) = self.relay.waiting.pop_front() {
                    self.denied(now, applicant, &why, out);
                }
            }
        }
        self.pursue(out);
    }

    /// RFC 4976 §6.3: with the connection every path asked for on it is void.
    pub(super) fn relay_lost(&mut self, now: Now, out: &mut Outbox<Output>) {
        let served = !self.relay.granted.is_empty() || self.relay.running.is_none();
        tracing::warn!("the connection to the MSRP relay is lost: its paths are void");
        self.relay.line = Line::Down;
        self.relay.running = None;
        self.relay.granted.clear();
        self.relay.leases.clear();
        if let Some(client) = &mut self.relay.client {
            client.abandon();
        }
        if !served {
            // It hangs up instead of answering: it would do so again.
            self.deny_all(now, "the MSRP relay closes the connection", out);
        }
        let relayed = |stream: &Stream| !stream.relays.is_empty();
        let mut sessions: Vec<SessionKey> =
            self.board.streams.iter().filter(|(_, stream)| relayed(stream)).map(|(key, _)| *key).collect();
        sessions.sort_unstable();
        for session in sessions {
            self.renew(now, session, out);
        }
        self.pursue(out);
    }
}

// Streams by way of the relay.
impl Engine {
    /// A stream has come to life: its path is renewed in time.
    pub(super) fn keep_lease(&mut self, session: SessionKey) {
        let Some(stream) = self.board.streams.get(&session) else { return };
        let (call, id) = (stream.call, stream.local.session_id.clone());
        let Some(leases) = self.relay.leases.get_mut(&call) else { return };
        let Some(at) = leases.iter().position(|(lease, _)| *lease == id) else { return };
        let (_, due) = leases.swap_remove(at);
        self.wake_at(due, Timer::Renew(session));
    }

    /// We are the active side: the relay connects to the peer when our first SEND comes (RFC 6135 §4.5).
    pub(super) fn join_relay(&mut self, session: SessionKey, out: &mut Outbox<Output>) {
        let Line::Up(link) = self.relay.line else { return };
        let Some(stream) = self.board.streams.get(&session) else { return };
        if stream.link().is_some() || stream.lost || stream.spent || stream.role != Role::Active {
            return;
        }
        let spec = stream.spec(session, self.policy.max_size, &self.policy.root_types());
        self.board.attach(session, link);
        out.push(Output::Link(link, Command::Bind(spec)));
    }

    /// RFC 4976 §9.4: before a path runs out, or when it is void, the peer gets another one by offer and answer.
    pub(super) fn renew(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get(&session).filter(|stream| !stream.spent) else { return };
        let call = stream.call;
        let asked = |applicant: &Applicant| matches!(applicant.what, Waiting::Renew(other) if other == session);
        if self.board.calls.get(&call).is_none_or(|call| call.leaving) || self.relay.waiting.iter().any(asked) {
            return;
        }
        if self.offers_now(call) {
            return self.wake(now, RENEW_SOON, Timer::Renew(session));
        }
        self.apply(now, call, 1, Waiting::Renew(session), out);
    }

    /// RFC 3264 §4: whether an offer of either side is under way.
    fn offers_now(&self, key: CallKey) -> bool {
        let ours = |call: &Call| call.offered.is_some() || call.offered_in_2xx.is_some();
        self.board.calls.get(&key).is_some_and(ours) || self.offers.contains_key(&key)
    }

    fn renewed(&mut self, now: Now, key: CallKey, session: SessionKey, path: OwnPath, out: &mut Outbox<Output>) {
        if self.offers_now(key) {
            return self.wake(now, RENEW_SOON, Timer::Renew(session));
        }
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        let index = call.streams.iter().position(|slot| *slot == Some(session));
        let (Some(index), Some(previous)) = (index, call.description.clone()) else { return };
        tracing::info!(call_id = %call.parties.call_id, session = session.0, "a new path through the relay is offered");
        let description = sdp::repath(&previous, index, &path.in_sdp());
        let body = Body::new(super::call::SDP_TYPE, description.to_bytes());
        let renewed = Some((session, path.relays));
        call.offered = Some(Offered { renewed, ..Offered::new(description, Vec::new()) });
        self.command(now, sip::Command::Reinvite { call: key, body }, out);
    }

    /// The peer knows the new path.
    pub(super) fn take_path(&mut self, session: SessionKey, relays: Vec<MsrpUri>, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        stream.relays = relays;
        stream.lost = false;
        self.keep_lease(session);
        let Some(stream) = self.board.streams.get(&session) else { return };
        match stream.link() {
            Some(link) => {
                let spec = stream.spec(session, self.policy.max_size, &self.policy.root_types());
                out.push(Output::Link(link, Command::Bind(SessionSpec { greet: false, ..spec })));
            }
            None => self.join_relay(session, out),
        }
    }

    /// The offer of a new path was refused, or crossed one of the peer's.
    pub(super) fn path_not_taken(&mut self, now: Now, session: SessionKey) {
        self.wake(now, RENEW_AGAIN, Timer::Renew(session));
    }
}

/// RFC 3261 §21.5.4.
pub(super) const UNAVAILABLE: u16 = 503;
