//! The endpoint: flows in, calls and events out.

mod again;
mod alarms;
mod answers;
mod early;
mod outcomes;
mod paging;
mod requests;
mod sending;
mod session;
mod subscribing;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use rsip::{Headers, Method, Response, SipMessage};
use sha2::{Digest as _, Sha256};

use super::address::{self, Via};
use super::call::{ALARMS, Alarm, Call, Path, Phase, Sent, Waiting};
use super::command::{Command, Input, Output};
use super::config::Config;
use super::dialog::{Dialog, DialogId, DialogReport};
use super::event::{EndReason, Event, Reason};
use super::flow::{Body, CallKey, Flow, FlowId, SubscriptionKey, Transport};
use super::guard::Guard;
use super::layer::{Hop, Layer, ServerId};
use super::message::{header, method_name, text, value, values};
use super::page::Page;
use super::parse::{Fault, answerable, parse};
use super::stream::{Frame, Stream};
use super::subscription::{Subscriptions, Wake};
use super::target::{Place, Target};
use super::timers::Timers;
use super::{SipError, build, serialise};
use crate::model::limits::SIP_FLOWS;
use crate::model::{Instant, Machine, Mint, Now, Outbox};

/// What we serve, for Allow (RFC 3261 §20.5).
const METHODS: [Method; 8] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Info,
    Method::Update,
    Method::Subscribe,
];

/// What we understand beyond RFC 3261, for Supported: extensions that a peer may require of us.
const SUPPORTED: &str = "timer";

/// And what a request of ours leaves to its peer to require (RFC 3262).
const SUPPORTED_OUT: &str = "timer, 100rel";

/// Letters of a tag, branch or Call-ID: 130 random bits.
const TOKEN_LETTERS: usize = 22;

/// Keys of calls we received have this bit.
const RECEIVED: u64 = 1 << 63;

/// Seconds for Retry-After when we are full.
const FULL_RETRY_SECS: u32 = 10;

/// A SIP user agent, client and server.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    mint: Mint,
    layer: Layer,
    streams: BTreeMap<FlowId, (Flow, Stream)>,
    calls: BTreeMap<CallKey, Call>,
    dialogs: HashMap<DialogId, CallKey>,
    /// Calls that came in, by the address of their INVITE.
    callers: HashMap<IpAddr, usize>,
    alarms: Timers<(CallKey, Alarm)>,
    subscriptions: Subscriptions,
    wakes: Timers<(SubscriptionKey, Wake)>,
    /// Messages of ours, by their tokens.
    pages: BTreeMap<u64, Page>,
    received: u64,
    draining: Option<u32>,
    busy: bool,
    /// Makes the tags of answers that are not remembered.
    secret: [u8; 32],
    guard: Guard,
    /// Who is behind the request at hand, as far as that is proven.
    user: Option<String>,
}

/// A response of ours, before its headers are put together.
#[derive(Debug, Default)]
struct Reply {
    status: u16,
    reason: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Body>,
}

impl Reply {
    fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl Machine for Endpoint {
    type Input = Input;
    type Output = Output;
    type Reason = Reason;

    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox<Output>) {
        match input {
            Input::Octets { flow, octets } => match flow.transport {
                Transport::Udp => self.message(now, flow, &octets, out),
                Transport::Tcp | Transport::Tls => self.stream(now, flow, &octets, out),
            },
            Input::FlowClosed(flow) => self.flow_closed(now, flow, out),
            Input::TransportFailed { flow, transport, remote } => {
                self.transport_failed(now, Hop { flow, transport, remote }, out);
            }
            Input::Unconnected { transport, remote, refused } => {
                self.unconnected(now, Hop { flow: None, transport, remote }, refused, out);
            }
            Input::Busy(busy) => self.busy = busy,
            Input::Timeout => {}
            Input::Command(command) => self.command(now, command, out),
        }
        while let Some(report) = self.layer.fire(now, out) {
            report.into_iter().for_each(|report| self.outcome(now, report, out));
        }
        while let Some((call, alarm)) = self.alarms.pop_due(now.instant) {
            self.alarm(now, call, alarm, out);
        }
        while let Some((subscription, wake)) = self.wakes.pop_due(now.instant) {
            self.wake(now, subscription, wake, out);
        }
    }

    fn deadline(&self) -> Option<(Instant, Reason)> {
        let call = self.alarms.next().map(|(at, (_, alarm))| match alarm {
            Alarm::RepeatSuccess | Alarm::AckOverdue => (at, Reason::Acknowledgement),
            _ => (at, Reason::Call),
        });
        let subscription = self.wakes.next().map(|(at, _)| (at, Reason::Subscription));
        self.layer.deadline().into_iter().chain(call).chain(subscription).min_by_key(|(at, _)| *at)
    }
}

impl Endpoint {
    /// An endpoint without calls. The mint makes tags, branches and Call-IDs.
    pub fn new(config: Config, mut mint: Mint) -> Self {
        Self {
            secret: std::array::from_fn(|_| mint.octet()),
            guard: Guard::new(config.realm.clone(), config.users.clone(), mint.fork()),
            user: None,
            layer: Layer::new(&config),
            config,
            mint,
            streams: BTreeMap::new(),
            calls: BTreeMap::new(),
            dialogs: HashMap::new(),
            callers: HashMap::new(),
            alarms: Timers::new(),
            subscriptions: Subscriptions::default(),
            wakes: Timers::new(),
            pages: BTreeMap::new(),
            received: 0,
            draining: None,
            busy: false,
        }
    }

    /// Calls alive.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// What there is to tell about a call's SIP dialog.
    pub fn report(&self, call: CallKey) -> Option<DialogReport> {
        self.calls.get(&call).map(|call| call.dialog.report())
    }

    /// Transactions alive.
    pub fn transactions(&self) -> usize {
        self.layer.len()
    }

    fn command(&mut self, now: Now, command: Command, out: &mut Outbox<Output>) {
        match command {
            Command::Ring { call } => self.provisional(now, call, 180, out),
            Command::Accept { call, body } => self.accept(now, call, body, out),
            Command::Refuse { call, status, reason, retry_after, warning } => {
                let mut reply = Reply { status, reason, ..Reply::default() };
                reply.headers.extend(retry_after.map(|secs| ("Retry-After".to_owned(), secs.to_string())));
                let warning =
                    warning.map(|text| format!("399 {} \"{}\"", self.config.user, text.replace(['"', '\\'], "'")));
                reply.headers.extend(warning.map(|warning| ("Warning".to_owned(), warning)));
                self.refuse_call(now, call, reply, out);
            }
            Command::Answer { request, status, reason, body, headers } => {
                self.answer(now, ServerId(request.0), Reply { status, reason, headers, body }, out);
            }
            Command::Ack { call, body } => self.late_ack(now, call, body, out),
            Command::Reinvite { call, body } => self.want_reinvite(now, call, body, out),
            Command::Info { call, token, body } => self.want_info(now, call, token, body, out),
            Command::Bye { call, body, reason } => self.hang_up(now, call, body, reason, out),
            Command::Cancel { call } => self.cancel(now, call, out),
            Command::Grant { subscription, body } => self.grant(now, subscription, body, out),
            Command::Decline { subscription, status } => {
                self.decline(now, subscription, Reply::status(status), out);
            }
            Command::Notify { subscription, body } => self.notify(now, subscription, body, out),
            message @ Command::Message { .. } => self.page(now, message, out),
            Command::Drain { retry_after } => {
                self.draining = Some(retry_after);
                self.end_subscriptions(now, retry_after, out);
            }
            invite @ Command::Invite { .. } => self.invite(now, invite, out),
            Command::Options { token, target, remote, transport } => {
                self.options(now, token, &target, Hop { flow: None, transport, remote }, out);
            }
        }
    }

    fn stream(&mut self, now: Now, flow: Flow, octets: &[u8], out: &mut Outbox<Output>) {
        if !self.streams.contains_key(&flow.id) && self.streams.len() >= SIP_FLOWS {
            return out.push(Output::Close(flow.id));
        }
        self.streams.entry(flow.id).or_insert_with(|| (flow, Stream::default())).1.push(octets);
        while let Some(frame) = self.streams.get_mut(&flow.id).and_then(|(_, stream)| stream.next()) {
            match frame {
                Frame::Message(octets) => self.message(now, flow, &octets, out),
                // RFC 5626 §3.5.1: one CRLF for two.
                Frame::Ping => out.push(Hop::from(flow).transmit(Bytes::from_static(b"\r\n"))),
                Frame::Broken { error, head } => {
                    let headers = answerable(&head);
                    self.reject(flow, Fault { error, headers }, out);
                    out.push(Output::Close(flow.id));
                }
            }
        }
    }

    fn message(&mut self, now: Now, flow: Flow, octets: &[u8], out: &mut Outbox<Output>) {
        match parse(octets) {
            Ok(SipMessage::Request(request)) => self.request(now, flow, request, out),
            Ok(SipMessage::Response(response)) => self.response(now, flow, response, out),
            Err(fault) => self.reject(flow, fault, out),
        }
    }

    /// Answers a request that is not sound, and forgets it: a copy of it gets the same again.
    fn reject(&mut self, flow: Flow, fault: Fault, out: &mut Outbox<Output>) {
        let Fault { error, headers: Some(headers) } = fault else { return };
        let mut reply = Reply { status: error.status(), reason: Some(error.to_string()), ..Reply::default() };
        if matches!(error, SipError::UnknownMethod { .. }) {
            reply = reply.with("Allow", allow());
        }
        self.reply_once(flow, headers, reply, out);
    }

    /// A response without a transaction.
    fn reply_once(&mut self, flow: Flow, mut headers: Headers, reply: Reply, out: &mut Outbox<Output>) {
        if value(&headers, "Via").is_none() {
            return;
        }
        let hop = arrived(flow, &mut headers);
        let tag = self.steady_tag(&headers);
        let response = self.compose(&headers, &tag, reply);
        out.push(hop.transmit(serialise::response(&response)));
    }

    /// RFC 3261 §8.2.7: each copy of a request is answered under the same tag, though nobody remembers it.
    fn steady_tag(&self, request: &Headers) -> String {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            hash.update(text(request, name));
            hash.update([0]);
        }
        Mint::new(hash.finalize().into()).token(TOKEN_LETTERS)
    }

    fn compose(&self, request: &Headers, tag: &str, reply: Reply) -> Response {
        let mut response = build::reply(request, reply.status, reply.reason.as_deref(), Some(tag));
        response.headers.push(header("Server", &self.config.user_agent));
        reply.headers.iter().for_each(|(name, value)| response.headers.push(header(name, value)));
        if let Some(body) = reply.body {
            build::put_body(&mut response.headers, &mut response.body, body);
        }
        response
    }

    /// Answers the request of a transaction, with the tag of its call or a new one.
    fn reply(&mut self, now: Now, id: ServerId, call: Option<CallKey>, reply: Reply, out: &mut Outbox<Output>) {
        let tag = call.and_then(|call| self.calls.get(&call)).map(|call| call.dialog.id.tag.clone());
        let tag = tag.unwrap_or_else(|| self.mint.token(TOKEN_LETTERS));
        self.reply_tagged(now, id, &tag, reply, out);
    }

    fn reply_tagged(&mut self, now: Now, id: ServerId, tag: &str, reply: Reply, out: &mut Outbox<Output>) {
        let Some(request) = self.layer.request(id) else { return };
        let response = self.compose(&request.headers, tag, reply);
        self.layer.respond(now, id, &response, out);
    }

    fn flow_closed(&mut self, now: Now, flow: Flow, out: &mut Outbox<Output>) {
        let id = flow.id;
        for call in self.calls.values_mut().filter(|call| call.path.flow == Some(id)) {
            call.path.flow = None;
        }
        for subscription in self.subscriptions.each().filter(|known| known.path.flow == Some(id)) {
            subscription.path.flow = None;
        }
        self.streams.remove(&id);
        self.transport_failed(now, Hop::from(flow), out);
    }

    fn transport_failed(&mut self, now: Now, hop: Hop, out: &mut Outbox<Output>) {
        for report in self.layer.transport_failed(now, hop, out) {
            self.outcome(now, report, out);
        }
    }

    fn unconnected(&mut self, now: Now, hop: Hop, refused: bool, out: &mut Outbox<Output>) {
        for report in self.layer.unconnected(now, hop, refused, out) {
            self.outcome(now, report, out);
        }
        // An ACK to a 2xx has no transaction that would do it.
        let acks = self.calls.values_mut().filter_map(|call| call.last_ack.as_mut());
        for ack in acks.filter(|ack| ack.parcel.hop == hop) {
            if ack.parcel.fall_back() {
                out.push(ack.parcel.transmit());
            }
        }
    }

    /// Forgets a call, gives everything that waits for it an end, and says so.
    fn end(&mut self, now: Now, key: CallKey, why: EndReason, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        // RFC 3261 §15.1.2: requests that still wait get 487.
        for id in std::mem::take(&mut call.owed) {
            self.reply(now, id, Some(key), Reply::status(487), out);
        }
        let Some(call) = self.calls.remove(&key) else { return };
        self.dialogs.remove(&call.dialog.id);
        if let Some(source) = call.source
            && let Some(calls) = self.callers.get_mut(&source)
        {
            *calls -= 1;
            if *calls == 0 {
                self.callers.remove(&source);
            }
        }
        ALARMS.into_iter().for_each(|alarm| self.alarms.clear((key, alarm)));
        let sent = call.sent.and_then(|sent| if let Sent::Info(token) = sent { Some(token) } else { None });
        for token in sent.into_iter().chain(call.infos.into_iter().map(|(token, _)| token)) {
            out.push(Output::Event(Event::InfoAnswered { call: key, token, status: 481, body: None }));
        }
        if let Some(inviting) = &call.inviting {
            self.layer.abandon(inviting.id);
        }
        if call.phase != Phase::Calling && (call.inviting.is_some() || call.reinvite.is_some()) {
            out.push(Output::Event(Event::ReinviteRefused { call: key, status: 481 }));
        }
        out.push(Output::Event(Event::Ended { call: key, why }));
    }

    /// `HOST:PORT` of ours as peers should see it.
    fn authority(&self, transport: Transport, local: Option<SocketAddr>) -> String {
        let advertised = match transport {
            Transport::Udp => &self.config.advertise_udp,
            Transport::Tcp => &self.config.advertise_tcp,
            Transport::Tls => &self.config.advertise_tls,
        };
        let listened = || self.config.listened(transport, local);
        let local = || listened().or(local).map_or_else(|| "localhost".to_owned(), |local| local.to_string());
        advertised.clone().unwrap_or_else(local)
    }

    /// A Via value with a new branch; RFC 3581 §3: with an empty rport.
    fn via(&mut self, transport: Transport, local: Option<SocketAddr>) -> String {
        let branch = self.mint.token(TOKEN_LETTERS);
        format!("SIP/2.0/{} {};rport;branch=z9hG4bK{branch}", transport.name(), self.authority(transport, local))
    }

    /// RFC 3261 §8.1.1.8, §12.1.1: in a call to a `sips` URI, or by one, ours is one, too.
    fn contact(&self, path: &Path, secure: bool) -> String {
        let transport = if secure { Transport::Tls } else { path.transport };
        let authority = self.authority(transport, path.local);
        let (scheme, named) = match transport {
            Transport::Udp => ("sip", ""),
            Transport::Tcp => ("sip", ";transport=tcp"),
            Transport::Tls if secure => ("sips", ""),
            Transport::Tls => ("sip", ";transport=tls"),
        };
        format!("<{scheme}:{}@{authority}{named}>", self.config.user)
    }
}

/// Where a dialog's next request goes: on its live TCP connection, else to the route or target if that is numeric,
/// else where the last message came from. The address is right for a new connection too.
fn next_hop(path: &Path, dialog: &Dialog) -> Hop {
    let Path { flow, transport, remote, .. } = *path;
    let uri = dialog.next_hop();
    // RFC 3261 §19.1.1: what names a transport that is not spoken here is reached as the peer was.
    let target = Target::of_uri(&uri);
    let secure = target.as_ref().is_some_and(|target| target.secure);
    let Some(Place { transport: wanted, remote: numeric }) = target.and_then(|target| target.place()) else {
        return Hop { flow, transport, remote };
    };
    let named = address::uri_param(&uri, "transport").is_some();
    let connected = transport.is_reliable() && flow.is_some();
    // RFC 3261 §26.2.2: what is `sips` goes over TLS, wherever its last message came by.
    let wanted = if secure || (named && !connected) { wanted } else { transport };
    Hop { flow: flow.filter(|_| wanted == transport), transport: wanted, remote: numeric }
}

/// Completes the top Via and says where the response goes (RFC 3261 §18.2, RFC 3581 §4).
fn arrived(flow: Flow, headers: &mut Headers) -> Hop {
    let top = text(headers, "Via").to_owned();
    let Some(via) = Via::parse(&top) else { return Hop::from(flow) };
    let others: Vec<String> = values(headers, "Via").skip(1).map(str::to_owned).collect();
    headers.retain(|field| !matches!(field, rsip::Header::Via(_)));
    headers.push(header("Via", &via.arrived(&top, flow.remote)));
    others.iter().for_each(|via| headers.push(header("Via", via)));
    let sent_by = SocketAddr::new(flow.remote.ip(), via.sent_by_port());
    let remote = if flow.transport == Transport::Udp && via.wants_rport() { flow.remote } else { sent_by };
    Hop { flow: Some(flow.id), transport: flow.transport, remote }
}

fn allow() -> String {
    METHODS.map(method_name).join(", ")
}

impl From<Flow> for Hop {
    fn from(flow: Flow) -> Self {
        Self { flow: Some(flow.id), transport: flow.transport, remote: flow.remote }
    }
}
