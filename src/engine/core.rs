//! The engine itself: its tables, its inputs and outputs, its clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::attempts::Delivering;
use super::call::Switchboard;
use super::delivery::DeliveryKey;
use super::follow::Forwarding;
use super::jobs::{
    Drain, Errand, Lookups, Outgoing, Pending, Play, Receipt, Recorder, Sending, Timer, Turn, Unanswered,
};
use super::link::{Bearer, LinkId, Notice};
use super::order::{LocalFile, Order, OrderId};
use super::paths::Relay;
use super::policy::{Door, Policy};
use super::port::{Census, Found, Input, Output, Page, Ticket};
use super::relays::Relays;
use super::watching::Watching;
use crate::model::{Instant, Machine, Mint, Now, Outbox};
use crate::msml::{self, ContextId, Interpreter, PrimitiveKey};
use crate::msrp::{Carrier, InboundKey, MsrpUri, OutboundKey, SendFailure, SessionKey};
use crate::queue;
use crate::sip::{self, CallKey, Endpoint, FlowId};

/// SIP, MSML and MSRP brought together. See the room's front page.
#[derive(Debug)]
pub struct Engine {
    pub(super) policy: Policy,
    pub(super) mint: Mint,
    pub(super) endpoint: Endpoint,
    pub(super) interpreter: Interpreter,
    pub(super) board: Switchboard,
    /// What each link runs on.
    pub(super) bearers: HashMap<LinkId, Bearer>,
    pub(super) relays: Relays,
    pub(super) receipts: BTreeMap<(LinkId, InboundKey), Receipt>,
    /// Which message is writing a file, by the keys of its plan.
    pub(super) writers: HashMap<String, (LinkId, InboundKey)>,
    pub(super) recorders: HashMap<PrimitiveKey, Recorder>,
    /// Records that wait for the stream of a re-INVITE.
    pub(super) asking: HashMap<PrimitiveKey, (CallKey, Box<msml::Record>)>,
    pub(super) plays: HashMap<PrimitiveKey, Play>,
    /// Files that move without a peer, and since when.
    pub(super) moving: HashMap<PrimitiveKey, (Ticket, Instant)>,
    pub(super) forwarding: Forwarding,
    pub(super) watching: Watching,
    /// Messages of ours that wait for their way.
    pub(super) pages: HashMap<u64, Page>,
    pub(super) sendings: HashMap<OutboundKey, Sending>,
    pub(super) offers: HashMap<CallKey, Pending>,
    pub(super) unanswered: Unanswered,
    pub(super) errands: HashMap<Ticket, Errand>,
    /// Files that go out as soon as their stream's peer is there.
    pub(super) pushes: HashMap<SessionKey, Outgoing>,
    /// What a command's call will push once it is answered.
    pub(super) local_files: HashMap<CallKey, (Order, LocalFile)>,
    /// Where what came before of a command's file waits.
    pub(super) parts: HashMap<CallKey, String>,
    pub(super) orders: HashMap<OrderId, CallKey>,
    /// Hosts that an authority of ours vouches for at the other end of a SIP connection.
    pub(super) hosts: HashMap<FlowId, Vec<String>>,
    /// Attempts to hand an object on.
    pub(super) deliveries: HashMap<DeliveryKey, Delivering>,
    pub(super) requests: HashMap<u64, (sip::RequestKey, CallKey)>,
    /// Events whose INFO has no answer yet.
    pub(super) untold: HashSet<u64>,
    /// Call-IDs of SIP dialogs that are gone and whose MSML dialogs are not.
    pub(super) departed: HashMap<ContextId, String>,
    pub(super) lookups: Lookups,
    pub(super) agenda: VecDeque<Turn>,
    pub(super) working: bool,
    timers: BTreeSet<(Instant, Timer)>,
    next: u64,
    pub(super) drain: Option<Drain>,
    /// New files are taken.
    pub(super) taking: bool,
    pub(super) relay: Relay,
    /// Relays that take only short frames, by `host:port`, and until when we believe it.
    pub(super) short_frames: HashMap<String, Instant>,
}

impl Engine {
    /// An engine over its two interpreters of the outside world.
    pub fn new(policy: Policy, endpoint: Endpoint, interpreter: Interpreter, mut mint: Mint) -> Self {
        let forwarding = Forwarding::new(mint.fork());
        let relay = Relay::new(policy.relay.clone(), if policy.relay.is_some() { mint.fork() } else { mint.clone() });
        Self {
            policy,
            mint,
            endpoint,
            interpreter,
            board: Switchboard::default(),
            bearers: HashMap::new(),
            relays: Relays::default(),
            receipts: BTreeMap::new(),
            writers: HashMap::new(),
            recorders: HashMap::new(),
            asking: HashMap::new(),
            plays: HashMap::new(),
            moving: HashMap::new(),
            forwarding,
            watching: Watching::default(),
            pages: HashMap::new(),
            sendings: HashMap::new(),
            offers: HashMap::new(),
            unanswered: Unanswered::default(),
            errands: HashMap::new(),
            pushes: HashMap::new(),
            local_files: HashMap::new(),
            parts: HashMap::new(),
            orders: HashMap::new(),
            hosts: HashMap::new(),
            deliveries: HashMap::new(),
            requests: HashMap::new(),
            untold: HashSet::new(),
            departed: HashMap::new(),
            lookups: Lookups::default(),
            agenda: VecDeque::new(),
            working: false,
            timers: BTreeSet::new(),
            next: 0,
            drain: None,
            taking: true,
            relay,
            short_frames: HashMap::new(),
        }
    }

    /// Takes one input; everything that follows from it is appended to `out` in the order to be performed.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outbox<Output>) {
        match input {
            Input::Sip(input) => {
                if let sip::Input::FlowClosed(flow) = &input {
                    self.hosts.remove(&flow.id);
                }
                self.sip(now, input, out);
            }
            Input::Certified(flow, hosts) => _ = self.hosts.insert(flow, hosts),
            Input::Linked(link, bearer) => _ = self.bearers.insert(link, bearer),
            Input::Notice(link, notice) => self.notice(now, link, notice, out),
            Input::Dialled(session, result) => self.dialled(now, session, result, out),
            Input::RelayDialled(result) => self.relay_dialled(now, result, out),
            Input::Found(ticket, result) => self.found(now, ticket, result, out),
            Input::Resolved(ticket, names) => {
                if let Some(Errand::Names(call)) = self.errands.remove(&ticket) {
                    self.resolved(now, call, names, out);
                }
            }
            Input::Fetched(ticket, result) => {
                if let Some(Errand::Script(fetch)) = self.errands.remove(&ticket) {
                    self.msml(now, msml::Input::Fetched { fetch, result }, out);
                }
            }
            Input::Changed(ticket, result) => match self.errands.remove(&ticket) {
                Some(Errand::Delete(primitive)) => self.play_deleted(now, primitive, result, out),
                Some(Errand::Change(context)) => self.asked_change(now, context, result, out),
                Some(Errand::Read) => {
                    if let Err(why) = result {
                        tracing::warn!(why, "the object was fetched, and cannot be marked as seen");
                    }
                }
                _ => {}
            },
            Input::Deliver(attempt) => self.deliver(*attempt, out),
            Input::CallBack(delivery, token) => self.call_back(now, &delivery, token, out),
            Input::Located(ticket, result) => match self.errands.remove(&ticket) {
                Some(Errand::Locate(key)) => self.located(now, key, result, out),
                Some(Errand::Page(number)) => self.page_located(now, number, result, out),
                _ => {}
            },
            Input::Page(number, page) => self.page(number, page, out),
            Input::Moved(ticket, result) => self.moved(now, ticket, result, out),
            Input::Recalled(ticket, page) => self.recalled(now, ticket, page, out),
            Input::Deliveries(deliveries) => {
                for delivery in deliveries {
                    self.queue(now, queue::Input::Known(Box::new(delivery)), out);
                }
            }
            Input::Handed(handed) => self.call_over(now, handed, out),
            Input::Recorded(id, result) => self.recorded(now, id, result, out),
            Input::Wish(number, wish) => self.wish(now, number, wish, out),
            Input::Committed(ticket, result) => self.committed(now, ticket, result, out),
            Input::Stirred(mailboxes) => self.stirred(now, &mailboxes, out),
            Input::Fingerprints(fingerprints) => self.policy.fingerprints = fingerprints,
            Input::Taking(taking) => {
                self.taking = taking;
                self.msml(now, msml::Input::Taking(taking), out);
            }
            Input::Order(order) => self.order(now, order, out),
            Input::Drain => self.begin_drain(now, out),
            Input::Timeout => self.timeout(now, out),
        }
        self.go_on_draining(now, out);
    }

    /// When the engine wants [`Input::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let own = self.timers.first().map(|(instant, _)| *instant);
        let sip = self.endpoint.deadline().map(|(instant, _)| instant);
        let msml = self.interpreter.deadline().map(|(instant, _)| instant);
        let queue = self.forwarding.queue.deadline().map(|(instant, _)| instant);
        [own, sip, msml, queue].into_iter().flatten().min()
    }

    /// How many calls and files are under way, for metrics.
    pub fn census(&self) -> Census {
        Census {
            calls: self.board.calls.len(),
            sessions: self.board.streams.len(),
            receiving: self.receipts.len(),
            sending: self.sendings.len(),
        }
    }

    fn timeout(&mut self, now: Now, out: &mut Outbox<Output>) {
        self.sip(now, sip::Input::Timeout, out);
        self.msml(now, msml::Input::Timeout, out);
        self.queue(now, queue::Input::Timeout, out);
        while let Some((due, timer)) = self.timers.first().copied()
            && due <= now.instant
        {
            self.timers.pop_first();
            match timer {
                Timer::Hold(session, link, message) => self.held_too_long(now, session, link, message, out),
                Timer::First(primitive) => self.nothing_came(now, primitive, out),
                Timer::Retire(session) => self.retired(now, session, out),
                Timer::Connect(session) => self.nobody_connected(now, session, out),
                Timer::OnHold(session) => self.held_for_long(now, session, out),
                Timer::Again(primitive) => self.tried_again(now, primitive, out),
                Timer::Answer(call) => self.unanswered(now, call, out),
                Timer::Report(message) => self.unreported(now, message, out),
                Timer::Deserted(call) => self.deserted(now, call, out),
                Timer::Leave(call) => self.left(now, call, out),
                Timer::Relay(ticket) => self.waited_too_long(now, ticket, out),
                Timer::Renew(session) => self.renew(now, session, out),
                Timer::Linger => self.lingered(now, out),
                Timer::Count(watch) => self.count_is_due(now, watch, out),
                Timer::Bind(number) => self.unbound(now, number, out),
            }
        }
    }

    fn notice(&mut self, now: Now, link: LinkId, notice: Notice, out: &mut Outbox<Output>) {
        match notice {
            Notice::Knock { knock, to_path, from_path } => self.knock(now, link, knock, &to_path, &from_path, out),
            Notice::Auth(auth, request) => self.auth(now, link, auth, &request, out),
            Notice::Greeted(session) => self.greeted(now, session, out),
            Notice::SessionFailed(session, why) => self.session_failed(now, session, why, out),
            Notice::Arrived(session, message, head) => self.arrived(now, link, session, message, head, out),
            Notice::Withdrawn(message) => self.withdrawn(link, message),
            Notice::Received(message, octets) => self.received(now, link, message, octets, out),
            Notice::Unwrapped(message, content) => self.unwrapped(link, message, *content),
            Notice::Whole(message) => self.whole(link, message),
            Notice::Sealed(message, sealed) => self.sealed(link, message, sealed, out),
            Notice::Lost(message, why, octets) => self.lost(now, link, message, &why, octets, out),
            Notice::Acknowledged(message, octets) => self.acknowledged(now, message, octets, out),
            Notice::Delivered(message) => self.delivered(now, message, out),
            Notice::SendFailed(message, why, octets) => {
                if why == SendFailure::ConnectionLost {
                    self.broken_by_length(now, message);
                }
                self.send_failed(now, message, &why, octets, out);
            }
            Notice::Shortened(message, status) => self.shortened(now, message, status),
            Notice::AuthAnswered(status, headers) => self.auth_answered(now, link, status, &headers, out),
            Notice::Closed => self.link_closed(now, link, out),
        }
    }

    fn found(&mut self, now: Now, ticket: Ticket, result: Result<Found, String>, out: &mut Outbox<Output>) {
        let object = |found| if let Found::Object(object) = found { object } else { None };
        match self.errands.remove(&ticket) {
            Some(Errand::Play(primitive)) => self.play_found(now, primitive, result.map(object), out),
            Some(Errand::Deliver(key)) => self.delivery_found(key, result.map(object), out),
            Some(Errand::Picture(primitive)) => {
                let picture = result.map(|found| match found {
                    Found::Picture(picture) => picture,
                    _ => None,
                });
                self.picture_found(now, primitive, picture, out);
            }
            Some(Errand::Forward(primitive)) => {
                self.forward_found(now, primitive, result.map(object), out);
            }
            Some(Errand::Count(watch)) => self.counted(now, watch, result, out),
            Some(Errand::Room(primitive)) => self.room_found(now, primitive, result, out),
            Some(Errand::Ask(context, asked)) => self.asked(now, context, asked, result, out),
            Some(Errand::Stream { call, round, index }) => self.stream_found(now, call, (round, index), result, out),
            Some(
                Errand::Commit(..)
                | Errand::Names(_)
                | Errand::Locate(_)
                | Errand::Page(_)
                | Errand::Script(_)
                | Errand::Delete(_)
                | Errand::Change(_)
                | Errand::Move(_)
                | Errand::Known(_)
                | Errand::Read
                | Errand::Recall(_),
            )
            | None => {}
        }
    }

    pub(super) fn errand(&mut self, errand: Errand) -> Ticket {
        let ticket = Ticket(self.number());
        self.errands.insert(ticket, errand);
        ticket
    }

    pub(super) const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn wake(&mut self, now: Now, after: Duration, timer: Timer) {
        self.timers.insert((now.instant + after, timer));
    }

    pub(super) fn wake_at(&mut self, at: Instant, timer: Timer) {
        self.timers.insert((at, timer));
    }

    pub(super) fn unwake(&mut self, at: Instant, timer: Timer) {
        self.timers.remove(&(at, timer));
    }

    /// A fresh MSRP URI of ours (RFC 4975 §14.1: the session id is unguessable). Scheme, host and port are those of a
    /// real listener: the one for this carrier, and the first if there is none for it.
    pub(super) fn mint_uri(&mut self, carrier: Option<Carrier>) -> MsrpUri {
        let doors = &self.policy.doors;
        let Door { carrier, host, port } = carrier.and_then(|carrier| doors.find(carrier)).unwrap_or(&doors.first);
        MsrpUri {
            secure: carrier.is_secure(),
            user: None,
            host: host.clone(),
            port: Some(*port),
            session_id: Some(self.mint.token(SESSION_ID_LETTERS)),
            transport: carrier.transport().to_owned(),
            params: Vec::new(),
        }
    }
}

/// RFC 4975 §14.1 asks for 80 random bits; 22 letters carry 130.
const SESSION_ID_LETTERS: usize = 22;
