//! Streams coming to life and going away: knocks, connections, hang-ups.

use std::time::Duration;

use super::call::Purpose;
use super::core::Engine;
use super::failure::ReceiveFailure;
use super::jobs::{Receipt, Timer};
use super::link::{Command, LinkId};
use super::order::Happening;
use super::port::Output;
use super::trust::{Demand, Distrust};
use crate::model::limits::CALL_DESERTED;
use crate::model::{Now, Outbox};
use crate::msml;
use crate::msrp::{Carrier, InboundKey, KnockId, MsrpUri, Path, SendFailure, SessionKey, StatusCode};
use crate::sdp::{Role, Terms};
use crate::sip::{self, CallKey, EndReason};

/// BYE takes another way than the octets and may overtake the last of them: they get this long to arrive.
const LAST_OCTETS: Duration = Duration::from_secs(2);

impl Engine {
    /// A request on a link names a session the link does not carry.
    pub(super) fn knock(
        &mut self,
        _: Now,
        link: LinkId,
        knock: KnockId,
        to_path: &Path,
        from_path: &Path,
        out: &mut Outbox<Output>,
    ) {
        let Some(session) = self.session_at(to_path) else {
            if self.came_early(link, knock, to_path, from_path) {
                return;
            }
            // RFC 4975 §7.3: no such session. Who tries is worth a line: guessing ids is attack S4.
            let remote = self.bearers.get(&link).and_then(|bearer| bearer.remote);
            let (to, from) = (to_path.last().map(MsrpUri::authority), from_path.last().map(MsrpUri::authority));
            tracing::warn!(?remote, to, from, "no such session: 481");
            return out.push(Output::Link(link, Command::Refuse(knock, StatusCode::NO_SUCH_SESSION)));
        };
        let stream = &self.board.streams[&session];
        if stream.link().or(stream.relay).is_some_and(|bound| bound != link) {
            // RFC 4975 §5.4: a session belongs to the connection that first used it, or that its relay URI names.
            tracing::warn!(session = session.0, "the session is bound to another connection: 506");
            return out.push(Output::Link(link, Command::Refuse(knock, StatusCode::WRONG_CONNECTION)));
        }
        if !stream.relays.is_empty() && !self.relay.is_on(link) {
            // Its path begins with our relay: who goes around that was not told of it by us.
            tracing::warn!(session = session.0, "the session is reached by way of the relay alone: 481");
            return out.push(Output::Link(link, Command::Refuse(knock, StatusCode::NO_SUCH_SESSION)));
        }
        if stream.lost {
            // RFC 4975 §5.4: a session fails with its connection, and a new one takes a new SDP exchange.
            tracing::warn!(session = session.0, "the session's connection was lost, and no new offer has come: 481");
            return out.push(Output::Link(link, Command::Refuse(knock, StatusCode::NO_SUCH_SESSION)));
        }
        // RFC 4975 §5.4: an `msrps` session goes over TLS, whatever the request's own URI claims of its stream.
        let carrier = self.bearers.get(&link).map_or(Carrier::Tcp, |bearer| bearer.carrier);
        if !stream.is_carried_by(carrier) {
            tracing::warn!(session = session.0, %carrier, "the session was agreed on for another transport: 481");
            return out.push(Output::Link(link, Command::Refuse(knock, StatusCode::NO_SUCH_SESSION)));
        }
        // RFC 8122 §6.2: not an octet of the session is taken from who is not proven to be its peer. The session waits on.
        if let Err(why) = self.proven(&stream.peer, link) {
            let call_id = self.board.calls.get(&stream.call).map(|call| call.parties.call_id.as_str());
            let remote = self.bearers.get(&link).and_then(|bearer| bearer.remote);
            tracing::warn!(call_id, ?remote, %why, "not the session's peer: connection closed");
            out.push(Output::Link(link, Command::Refuse(knock, StatusCode::NO_SUCH_SESSION)));
            if self.board.streams_on(link).is_empty() {
                out.push(Output::Link(link, Command::Close));
            }
            return;
        }
        let spec = stream.spec(session, self.policy.max_size, &self.policy.root_types());
        self.board.attach(session, link);
        out.push(Output::Link(link, Command::Bind(spec)));
    }

    /// Whether the other end of this link has proven to be the peer with these terms. Plain TCP proves nothing and asks for
    /// nothing; nor does a WebSocket, for browsers have no certificates: who knows the session's URI is its peer.
    pub(super) fn proven(&self, peer: &Terms, link: LinkId) -> Result<(), Distrust> {
        let bearer = self.bearers.get(&link);
        // Our relay has proven itself when we connected; who sends through it is the relays' affair (RFC 4976 §9.4).
        if !peer.is_secure() || self.relay.is_on(link) || bearer.is_some_and(|bearer| bearer.carrier.is_websocket()) {
            return Ok(());
        }
        let certificate = bearer.and_then(|bearer| bearer.certificate.as_ref());
        Demand::new(&self.policy, peer)?.met_by(certificate)
    }

    /// The peer has shown up: whatever waited for its connection can go.
    pub(super) fn greeted(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        self.start_sending(now, session, out);
    }

    /// The peer of this stream listens: we connect (RFC 6135 §4.2), unless its WebSocket is there already.
    pub(super) fn dial_if_active(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get(&session) else { return };
        if !stream.relays.is_empty() {
            return self.join_relay(session, out);
        }
        let idle = stream.link().is_none() && !stream.lost && !stream.dialling && !stream.spent;
        if let Some(link) = stream.relay.filter(|_| idle) {
            return self.bind_websocket(now, session, link, out);
        }
        let Some(hop) = stream.hop().filter(|_| stream.role == Role::Active && idle) else { return };
        if !self.may_dial(stream.call, stream.role, &stream.route, &stream.peer.path) {
            // Its first offer was looked at, too, but a later one may lead elsewhere.
            tracing::warn!(session = session.0, "a stranger asks us to connect to somebody else: not connected");
            return;
        }
        let demand = match Demand::new(&self.policy, &stream.peer) {
            _ if !stream.peer.is_secure() => None,
            Ok(demand) => Some(demand),
            Err(why) => {
                tracing::warn!(session = session.0, %why, "the peer could not prove who it is: not connected");
                return; // what waits for the connection has its time limit
            }
        };
        out.push(Output::Dial(session, hop.clone(), demand));
        if let Some(stream) = self.board.streams.get_mut(&session) {
            stream.dialling = true;
        }
    }

    pub(super) fn dialled(
        &mut self,
        now: Now,
        session: SessionKey,
        result: Result<LinkId, String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(stream) = self.board.streams.get_mut(&session) else {
            if let Ok(link) = result {
                out.push(Output::Link(link, Command::Close));
            }
            return;
        };
        stream.dialling = false;
        let stream = &self.board.streams[&session];
        // RFC 8122 §6.2: a description that came meanwhile may want another certificate.
        let result = result.and_then(|link| match self.proven(&stream.peer, link) {
            Err(why) if stream.link().is_none() => {
                out.push(Output::Link(link, Command::Close));
                Err(why.to_string())
            }
            _ => Ok(link),
        });
        match result {
            // The peer connected first, though it said that it would not.
            Ok(link) if stream.link().is_some() => out.push(Output::Link(link, Command::Close)),
            Ok(link) => {
                let spec = stream.spec(session, self.policy.max_size, &self.policy.root_types());
                self.board.attach(session, link);
                out.push(Output::Link(link, Command::Bind(spec)));
                self.start_sending(now, session, out);
            }
            Err(why) => {
                tracing::warn!(session = session.0, %why, "cannot reach the peer's MSRP address");
                self.no_connection(now, session, out);
            }
        }
    }

    /// The peer refuses our session, or its connection has as many as it may: nothing can be sent in it.
    pub(super) fn session_failed(&mut self, now: Now, session: SessionKey, why: SendFailure, out: &mut Outbox<Output>) {
        tracing::warn!(session = session.0, ?why, "the MSRP session has failed");
        if why == SendFailure::TooManySessions {
            self.board.detach(session); // it was never on that connection, and another one may still carry it
        }
        self.no_connection(now, session, out);
    }

    pub(super) fn link_closed(&mut self, now: Now, link: LinkId, out: &mut Outbox<Output>) {
        self.relays.forget(link);
        self.bearers.remove(&link);
        let relay = self.relay.is_on(link);
        // A grant or a send that crossed with the loss never reached the link: its end is told here.
        let cut: Vec<_> =
            self.receipts.range((link, InboundKey(0))..=(link, InboundKey(u64::MAX))).map(|(key, _)| *key).collect();
        for key in cut {
            self.receipt_cut(now, key, out);
        }
        for session in self.board.streams_on(link) {
            let Some(stream) = self.board.streams.get_mut(&session) else { continue };
            stream.lost = true;
            stream.waiting.clear();
            let (call, sending) = (stream.call, stream.sending);
            self.board.detach(session);
            if let Some(message) = sending {
                self.send_failed(now, message, &SendFailure::ConnectionLost, 0, out);
            }
            self.no_connection(now, session, out);
            self.wait_for_connection(now, call);
        }
        if relay {
            self.relay_lost(now, out);
        }
    }

    /// A stream of this call has no connection, or no longer: its peer may be gone without a word, for a BYE can be lost
    /// with the connection it was sent on.
    pub(super) fn wait_for_connection(&mut self, now: Now, key: CallKey) {
        if let Some(call) = self.board.calls.get_mut(&key).filter(|call| call.purpose == Purpose::Service) {
            let before = std::mem::replace(&mut call.waits_since, now.instant);
            self.unwake(before + CALL_DESERTED, Timer::Deserted(key));
            self.wake(now, CALL_DESERTED, Timer::Deserted(key));
        }
    }

    pub(super) fn deserted(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let connected = |session: &SessionKey| self.board.streams[session].link().is_some();
        let Some(call) = self.board.calls.get(&key).filter(|call| call.waits_since + CALL_DESERTED <= now.instant)
        else {
            return;
        };
        let sessions = self.board.streams_of(key);
        if !sessions.is_empty() && !sessions.iter().any(connected) {
            tracing::warn!(call_id = %call.parties.call_id, "no MSRP connection for too long: hanging up");
            self.command(now, sip::Command::Bye { call: key, body: None, reason: None }, out);
        }
    }

    /// The peer hangs up. What is on its way may still come; then the connection object ends (RFC 5707 §3.1).
    pub(super) fn hung_up(&mut self, now: Now, key: CallKey) {
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        call.leaving = true;
        self.wake(now, LAST_OCTETS, Timer::Leave(key));
    }

    pub(super) fn maybe_left(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        if let Some(call) = self.board.streams.get(&session).map(|stream| stream.call) {
            self.leave_if_done(now, call, out);
        }
    }

    fn leave_if_done(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let leaving = self.board.calls.get(&key).is_some_and(|call| call.leaving);
        let busy = self.board.streams_of(key).iter().any(|session| !self.board.streams[session].receiving.is_empty());
        if leaving && !busy {
            self.left(now, key, out);
        }
    }

    /// The call is over for good: its sessions end, its dialogs are told, partial files are kept for a resume.
    pub(super) fn left(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let sealed = |engine: &Self, session: &SessionKey| {
            let sealed = |key| engine.receipts.get(key).is_some_and(|receipt: &Receipt| receipt.sealed);
            engine.board.streams.get(session).is_some_and(|stream| stream.receiving.iter().any(sealed))
        };
        let sessions = self.board.streams_of(key);
        if sessions.iter().any(|session| sealed(self, session)) {
            // A commit is under way: it decides, and its end comes back here.
            if let Some(call) = self.board.calls.get_mut(&key) {
                call.leaving = true;
            }
            return;
        }
        for session in sessions {
            self.drop_stream(now, session, out);
        }
        self.relay.forget(key);
        if let Some(call) = self.board.remove_call(key) {
            self.remember_departed(key, &call);
            self.msml(now, msml::Input::Disconnected { conn: call.tag }, out);
            self.msml(now, msml::Input::ContextGone(msml::ContextId(key.0)), out);
            self.attempts_lost(now, key, out);
        }
        self.offers.remove(&key);
        self.local_files.remove(&key);
        self.parts.remove(&key);
        self.answer_decided(now, key, out);
    }

    /// Ends one stream: a file coming in is stopped and kept, one going out is broken off.
    pub(super) fn drop_stream(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get(&session) else { return };
        let (link, receiving, sending) = (stream.link(), stream.receiving.clone(), stream.sending);
        for key in receiving {
            out.push(Output::Link(key.0, Command::Stop { message: key.1, discard: false }));
            self.receipt_cut(now, key, out);
        }
        if let Some(message) = sending {
            if let Some(link) = link {
                out.push(Output::Link(link, Command::Abort(message)));
            }
            self.send_failed(now, message, &SendFailure::ConnectionLost, 0, out);
        }
        self.no_connection(now, session, out);
        if let Some(link) = link {
            out.push(Output::Link(link, Command::Unbind(session)));
            if self.board.is_alone_on(link, session) && !self.relays.lead_to(link) && !self.relay.is_on(link) {
                // Nobody else uses the connection: the side that knows so closes it (RFC 4975 §5.4).
                out.push(Output::Link(link, Command::Close));
            }
        }
        self.board.remove_stream(session);
    }

    /// A file that a command of ours has asked for, and of which nothing has come, will not come by this stream.
    pub(super) fn pull_lost(&self, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get(&session) else { return };
        let is_awaited = stream.file.is_some() && stream.receives && !stream.spent && stream.receiving.is_empty();
        if let Some(Purpose::Client(order)) = self.board.calls.get(&stream.call).map(|call| call.purpose)
            && is_awaited
            && self.orders.contains_key(&order)
        {
            out.push(Output::Happened(order, Happening::ReceiveFailed(ReceiveFailure::Disconnected)));
        }
    }

    pub(super) fn ended(&mut self, now: Now, key: CallKey, why: EndReason, out: &mut Outbox<Output>) {
        self.tell(key, Happening::Ended(why), out);
        self.orders.retain(|_, call| *call != key);
        let call_id = self.board.calls.get(&key).map(|call| call.parties.call_id.as_str());
        tracing::info!(call_id, ?why, "call over");
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        call.leaving = true;
        if why == EndReason::ByeReceived {
            return self.leave_if_done(now, key, out); // its last octets have LAST_OCTETS to arrive
        }
        self.left(now, key, out);
    }
}
