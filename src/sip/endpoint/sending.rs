//! Requests of ours: calls, and what waits for its turn inside them.

use std::collections::VecDeque;

use rsip::{Header, Headers, Method, Request, Scheme};

use super::{Alarm, Endpoint, TOKEN_LETTERS, allow, next_hop};
use crate::model::limits::SIP_QUEUED_REQUESTS;
use crate::model::{Now, Outbox};
use crate::sip::address;
use crate::sip::build::{self, Outline};
use crate::sip::call::{Call, Cancel, HangUp, Inviting, LastAck, Path, Phase, Sent};
use crate::sip::command::{Command, Output};
use crate::sip::dialog::Dialog;
use crate::sip::event::{EndReason, Event, Refusal};
use crate::sip::flow::{Body, CallKey, Transport};
use crate::sip::layer::{ClientId, Hop, Parcel, Purpose};
use crate::sip::message::{header, text};
use crate::sip::target::Place;

/// RFC 3261 §18.1.1: a request that is longer must not leave by UDP.
const UDP_OCTETS_MAX: usize = 1300;

impl Endpoint {
    /// Begins a call.
    pub(super) fn invite(&mut self, now: Now, command: Command, out: &mut Outbox<Output>) {
        let Command::Invite { call: key, target, from, to, route, places, body, headers } = command else { return };
        if self.calls.contains_key(&key) {
            return;
        }
        let mut places = VecDeque::from(places);
        let Some(Place { transport, remote }) = places.pop_front() else { return no_call(key, 503, out) };
        let path = Path { flow: None, transport, remote, local: None };
        let tag = self.mint.token(TOKEN_LETTERS);
        let call_id = self.mint.token(TOKEN_LETTERS);
        let via = self.via(transport, None);
        let Ok(uri) = address::uri(&target) else { return no_call(key, 416, out) };
        if self.layer.is_full() || self.calls.len() >= self.config.calls_max {
            return no_call(key, 503, out);
        }
        let (from, to) = (format!("{};tag={tag}", bracketed(&from)), bracketed(&to));
        let outline =
            Outline { method: Method::Invite, uri, via: &via, from: &from, to: &to, call_id: &call_id, seq: 1 };
        let mut request = build::request(outline);
        route.iter().for_each(|route| request.headers.push(header("Route", &loose(route))));
        if headers.iter().any(|(name, _)| name == "Max-Forwards") {
            request.headers.retain(|field| !matches!(field, Header::MaxForwards(_)));
        }
        let dialog = Dialog::caller(&request, &tag);
        self.describe(key, &mut request.headers, &self.contact(&path, dialog.secure));
        headers.iter().for_each(|(name, value)| request.headers.push(header(name, value)));
        self.dialogs.insert(dialog.id.clone(), key);
        self.calls.insert(key, Call::new(dialog, true, path));
        let hop = Hop { flow: None, transport, remote };
        let id = self.send(now, Purpose::Invite(key), hop, request, body.clone(), out);
        let sent = self.layer.sent(id).map(|(request, _)| Box::new(request.clone()));
        let inviting = Inviting { id, seq: 1, offer: body, provisional: false, cancel: Cancel::Unwanted };
        if let Some(call) = self.calls.get_mut(&key) {
            (call.inviting, call.invite, call.places) = (Some(inviting), sent, places);
            call.proxied = route.is_some();
        }
    }

    /// RFC 3261 §13.2.1: what every INVITE of ours says of us.
    fn describe(&self, key: CallKey, headers: &mut Headers, contact: &str) {
        headers.push(header("Contact", contact));
        headers.push(header("Allow", &allow()));
        headers.push(header("Allow-Events", &self.event_packages()));
        self.describe_session(key, headers);
        headers.push(header("Accept", &self.config.accept.join(", ")));
    }

    /// Adds what all requests share and hands it to the transaction layer.
    pub(super) fn send(
        &mut self,
        now: Now,
        purpose: Purpose,
        hop: Hop,
        mut request: Request,
        body: Option<Body>,
        out: &mut Outbox<Output>,
    ) -> ClientId {
        request.headers.push(header("User-Agent", &self.config.user_agent));
        // RFC 3262 §5: a provisional response with an offer would want its answer in the PRACK, and we have none there.
        let reliable = request.method == Method::Invite && body.is_some();
        // RFC 4028 §7.1: every request says it, not the first alone.
        let supported = if reliable { super::SUPPORTED_OUT } else { super::SUPPORTED };
        request.headers.push(header("Supported", supported));
        if let Some(body) = body {
            build::put_body(&mut request.headers, &mut request.body, body);
        }
        self.begin(now, purpose, hop, request, out)
    }

    /// Hands a request to the transaction layer.
    pub(super) fn begin(
        &mut self,
        now: Now,
        purpose: Purpose,
        hop: Hop,
        request: Request,
        out: &mut Outbox<Output>,
    ) -> ClientId {
        let parcel = self.parcel(now, hop, request);
        self.layer.begin(now, purpose, parcel, out)
    }

    /// RFC 3261 §18.1.1: what is too large for a datagram leaves by TCP, unless the peer is known to have none; a MESSAGE
    /// never goes by UDP then (RFC 3428 §8), and fails where there is no TCP.
    fn parcel(&mut self, now: Now, hop: Hop, request: Request) -> Parcel {
        let parcel = Parcel::new(request, hop);
        let large = hop.transport == Transport::Udp && parcel.octets.len() > UDP_OCTETS_MAX;
        let strict = parcel.request.method == Method::Message;
        if !(large && (strict || self.config.large_by_tcp && self.layer.takes_tcp(now, hop.remote))) {
            return parcel;
        }
        let mut request = parcel.request;
        let instead = (!strict).then(|| (hop, text(&request.headers, "Via").to_owned()));
        build::replace_via(&mut request, &self.via(Transport::Tcp, None));
        let tcp = Hop { flow: None, transport: Transport::Tcp, remote: hop.remote };
        Parcel { instead, ..Parcel::new(request, tcp) }
    }

    /// OPTIONS outside any dialog.
    pub(super) fn options(&mut self, now: Now, token: u64, target: &str, hop: Hop, out: &mut Outbox<Output>) {
        let refuse = |status| Event::OptionsAnswered { token, status, headers: Vec::new(), body: None };
        let Ok(uri) = address::uri(target) else { return out.push(Output::Event(refuse(416))) };
        if self.layer.is_full() {
            return out.push(Output::Event(refuse(503)));
        }
        let via = self.via(hop.transport, None);
        let path = Path { flow: None, transport: hop.transport, remote: hop.remote, local: None };
        let contact = self.contact(&path, uri.scheme == Some(Scheme::Sips));
        let from = format!("{contact};tag={}", self.mint.token(TOKEN_LETTERS));
        let (to, call_id) = (bracketed(target), self.mint.token(TOKEN_LETTERS));
        let outline =
            Outline { method: Method::Options, uri, via: &via, from: &from, to: &to, call_id: &call_id, seq: 1 };
        let mut request = build::request(outline);
        request.headers.push(header("Accept", &self.config.accept.join(", ")));
        self.send(now, Purpose::Options(token), hop, request, None, out);
    }

    /// The ACK that the owner owes to a 2xx with an offer.
    pub(super) fn late_ack(&mut self, now: Now, key: CallKey, body: Option<Body>, out: &mut Outbox<Output>) {
        let Some(seq) = self.calls.get_mut(&key).and_then(|call| call.ack_owed.take()) else { return };
        self.send_ack(now, key, seq, body, out);
        self.pump(now, key, out);
    }

    /// ACK to a 2xx: a request of its own, without a transaction (RFC 3261 §13.2.2.4).
    pub(super) fn send_ack(&mut self, now: Now, key: CallKey, seq: u32, body: Option<Body>, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get(&key) else { return };
        let hop = next_hop(&call.path, &call.dialog);
        let local = call.path.local;
        let via = self.via(hop.transport, local);
        let credentials = self.credentials_of(key);
        let Some(call) = self.calls.get(&key) else { return };
        let ack = ack(&call.dialog, seq, &via, credentials, body);
        let parcel = self.parcel(now, hop, ack);
        out.push(parcel.transmit());
        if let Some(call) = self.calls.get_mut(&key) {
            call.last_ack = Some(LastAck { seq, parcel });
        }
    }

    pub(super) fn want_reinvite(&mut self, now: Now, key: CallKey, body: Body, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.reinvite = Some(body);
        self.pump(now, key, out);
    }

    pub(super) fn want_info(&mut self, now: Now, key: CallKey, token: u64, body: Body, out: &mut Outbox<Output>) {
        let refuse = |status| Output::Event(Event::InfoAnswered { call: key, token, status, body: None });
        let Some(call) = self.calls.get_mut(&key) else { return out.push(refuse(481)) };
        // M6086-4.2.1-05: no INFO once the dialog is being ended.
        if matches!(call.phase, Phase::Closing(_)) || call.hang_up.is_some() {
            return out.push(refuse(481));
        }
        if call.infos.len() >= SIP_QUEUED_REQUESTS {
            return out.push(refuse(503));
        }
        call.infos.push_back((token, body));
        self.pump(now, key, out);
    }

    /// Ends a call in the way its phase asks for.
    pub(super) fn hang_up(
        &mut self,
        now: Now,
        key: CallKey,
        body: Option<Body>,
        reason: Option<String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        match call.phase {
            Phase::Ringing => self.refuse_call(now, key, super::Reply::status(480), out),
            Phase::Calling => self.cancel(now, key, out),
            Phase::Closing(_) => {}
            Phase::Up => {
                call.hang_up.get_or_insert(HangUp { body, reason });
                if call.ack_owed.is_some() {
                    self.late_ack(now, key, None, out);
                } else {
                    self.pump(now, key, out);
                }
            }
        }
    }

    /// RFC 3261 §9.1: the CANCEL leaves once a provisional response is there.
    pub(super) fn cancel(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase == Phase::Calling) else { return };
        let Some(inviting) = &mut call.inviting else { return };
        if inviting.cancel == Cancel::Sent {
            return;
        }
        inviting.cancel = Cancel::Wanted;
        if !inviting.provisional {
            return;
        }
        inviting.cancel = Cancel::Sent;
        let Some((invite, hop)) = self.layer.sent(inviting.id) else { return };
        let cancel = build::cancel(invite);
        self.layer.begin(now, Purpose::Cancel(key), Parcel::new(cancel, hop), out);
        self.alarms.set((key, Alarm::CancelOverdue), now.instant + self.layer.timeout());
    }

    /// Sends what may leave now: the re-INVITE beside everything, INFOs one by one, the BYE after them.
    pub(super) fn pump(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        self.pump_reinvite(now, key, out);
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.may_send()) else { return };
        if let Some((token, body)) = call.infos.pop_front() {
            call.sent = Some(Sent::Info(token));
            let Some((request, hop)) = self.next_request(key, Method::Info) else { return };
            self.send(now, Purpose::Info(key, token), hop, request, Some(body), out);
        } else if let Some(hang_up) = call.hang_up.take() {
            self.send_bye(now, key, hang_up, EndReason::ByeSent, out);
        }
    }

    /// RFC 3261 §14.1: no second INVITE in either direction.
    fn pump_reinvite(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        // RFC 3261 §14.1: after a 491 the wait has to be over.
        let held = self.alarms.is_set((key, Alarm::Retry));
        let Some(call) = self.calls.get_mut(&key).filter(|_| !held) else { return };
        let peers = call.waiting.is_some() || call.updating.is_some();
        let free = call.phase == Phase::Up && call.inviting.is_none() && !peers;
        if !free || call.unacked.is_some() || call.ack_owed.is_some() || call.hang_up.is_some() {
            return;
        }
        let Some(body) = call.reinvite.take() else { return };
        let Some((mut request, hop)) = self.next_request(key, Method::Invite) else { return };
        let Some(contact) = self.calls.get(&key).map(|call| self.contact(&call.path, call.dialog.secure)) else {
            return;
        };
        self.describe(key, &mut request.headers, &contact);
        let seq = crate::sip::message::cseq_number(&request.headers);
        let id = self.send(now, Purpose::Reinvite(key), hop, request, Some(body.clone()), out);
        if let Some(call) = self.calls.get_mut(&key) {
            call.inviting = Some(Inviting { id, seq, offer: Some(body), provisional: false, cancel: Cancel::Unwanted });
        }
    }

    /// BYE at once; what still waits is dropped when the call ends.
    pub(super) fn send_bye(
        &mut self,
        now: Now,
        key: CallKey,
        hang_up: HangUp,
        why: EndReason,
        out: &mut Outbox<Output>,
    ) {
        // A re-INVITE that still waits has no session left to change.
        self.give_up_waiting(now, key, out);
        let Some((mut request, hop)) = self.next_request(key, Method::Bye) else { return };
        if let Some(reason) = &hang_up.reason {
            request.headers.push(header("Reason", reason)); // RFC 3326
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.phase = Phase::Closing(why);
            call.sent.get_or_insert(Sent::Bye);
        }
        self.send(now, Purpose::Bye(key), hop, request, hang_up.body, out);
    }

    /// The dialog's next request and its way.
    pub(super) fn next_request(&mut self, key: CallKey, method: Method) -> Option<(Request, Hop)> {
        let call = self.calls.get(&key)?;
        let (hop, local) = (next_hop(&call.path, &call.dialog), call.path.local);
        let via = self.via(hop.transport, local);
        let call = self.calls.get_mut(&key)?;
        let mut request = call.dialog.next(method, &via);
        self.authorize(key, &mut request);
        Some((request, hop))
    }

    /// RFC 3261 §13.2.2.4: a 2xx that nobody wants any more, or another fork's, gets ACK and BYE.
    pub(super) fn dismiss(&mut self, now: Now, mut dialog: Dialog, seq: u32, path: &Path, out: &mut Outbox<Output>) {
        if self.layer.is_full() {
            return;
        }
        let hop = next_hop(path, &dialog);
        let via = self.via(hop.transport, path.local);
        let ack = ack(&dialog, seq, &via, Vec::new(), None);
        out.push(self.parcel(now, hop, ack).transmit());
        let via = self.via(hop.transport, path.local);
        let bye = dialog.next(Method::Bye, &via);
        self.send(now, Purpose::Courtesy, hop, bye, None, out);
    }
}

fn ack(dialog: &Dialog, seq: u32, via: &str, credentials: Vec<Header>, body: Option<Body>) -> Request {
    let mut ack = dialog.ack(seq, via);
    ack.headers.extend(credentials);
    if let Some(body) = body {
        build::put_body(&mut ack.headers, &mut ack.body, body);
    }
    ack
}

/// RFC 3261 §8.1.2: the proxy is a loose router, and the Request-URI stays the peer's.
pub(super) fn loose(route: &str) -> String {
    if route.contains(";lr") { format!("<{route}>") } else { format!("<{route};lr>") }
}

fn no_call(key: CallKey, status: u16, out: &mut Outbox<Output>) {
    let refusal = Refusal { status, silent: true, ..Refusal::default() };
    out.push(Output::Event(Event::Refused { call: key, refusal }));
    out.push(Output::Event(Event::Ended { call: key, why: EndReason::Refused(status) }));
}

/// RFC 3261 §20: without brackets the URI's parameters would become the header's.
pub(super) fn bracketed(uri: &str) -> String {
    if uri.contains('<') { uri.to_owned() } else { format!("<{uri}>") }
}
