//! The transaction layer: which message belongs to which machine, its timers, and what the machines ask for.

mod client;
mod server;

pub(super) use server::Owed;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rsip::{Request, Response};

use super::command::Output;
use super::config::Config;
use super::event::Reason;
use super::flow::{CallKey, FlowId, Transport};
use super::timers::Timers;
use super::transaction::{Span, Timer};
use crate::model::{Instant, Now, Outbox};

/// RFC 3261 table 4: timer D is at least this on an unreliable transport.
const COPIES_MIN: Duration = Duration::from_secs(32);

/// A server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServerId(pub(super) u64);

/// A client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClientId(u64);

/// Where the messages of one transaction go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// The flow, if there is one already.
    pub(super) flow: Option<FlowId>,
    /// Its transport.
    pub(super) transport: Transport,
    /// Its far end.
    pub(super) remote: SocketAddr,
}

impl Hop {
    /// These octets on this hop.
    pub(super) const fn transmit(self, octets: Bytes) -> Output {
        Output::Transmit { flow: self.flow, transport: self.transport, remote: self.remote, octets }
    }
}

/// What a request turned out to be.
#[derive(Debug)]
pub(super) enum Arrival {
    /// The first of its transaction.
    New(ServerId),
    /// A request under way that came another way round too (RFC 3261 §8.2.2.2).
    Merged(ServerId),
    /// A copy, or an ACK to a 300-699: dealt with.
    Absorbed,
    /// An ACK to a 2xx.
    Ack(Box<Request>),
    /// No room for another transaction.
    Full(Box<Request>),
}

/// Why we sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To begin this call.
    Invite(CallKey),
    /// To change its session.
    Reinvite(CallKey),
    /// The owner's INFO with this token.
    Info(CallKey, u64),
    /// To end it.
    Bye(CallKey),
    /// To give up its INVITE.
    Cancel(CallKey),
    /// The owner's OPTIONS with this token.
    Options(u64),
    /// Nobody waits for the answer.
    Courtesy,
}

/// What became of a request of ours.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A response, provisional or final.
    Response(Box<Response>),
    /// Nobody answered in time.
    Timeout,
    /// It could not be sent.
    TransportFailed,
}

/// An outcome with the request it belongs to.
pub(super) type Report = (ClientId, Purpose, Outcome);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Server(ServerId, Timer),
    Client(ClientId, Timer),
}

/// All transactions of an endpoint.
#[derive(Debug)]
pub(super) struct Layer {
    t1: Duration,
    t2: Duration,
    t4: Duration,
    max: usize,
    next: u64,
    servers: BTreeMap<ServerId, server::Server>,
    by_key: HashMap<String, ServerId>,
    by_origin: HashMap<String, ServerId>,
    clients: BTreeMap<ClientId, client::Client>,
    by_branch: HashMap<String, ClientId>,
    timers: Timers<Alarm>,
}

impl Layer {
    /// No transactions yet.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            t1: config.timer_t1,
            t2: config.timer_t2,
            t4: config.timer_t4,
            max: config.transactions_max,
            next: 0,
            servers: BTreeMap::new(),
            by_key: HashMap::new(),
            by_origin: HashMap::new(),
            clients: BTreeMap::new(),
            by_branch: HashMap::new(),
            timers: Timers::new(),
        }
    }

    /// Transactions alive.
    pub(super) fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Whether another transaction would pass the limit.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    /// RFC 3261's longest wait, 64*T1.
    pub(super) const fn timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// RFC 3261 table 4.
    fn span(&self, span: Span, transport: Transport) -> Duration {
        match span {
            Span::Timeout => self.timeout(),
            // Zero: nothing of it can still be on its way.
            _ if transport.is_reliable() => Duration::ZERO,
            Span::Copies => self.timeout().max(COPIES_MIN),
            Span::Repeats => self.timeout(),
            Span::Network => self.t4,
        }
    }

    /// The earliest deadline.
    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        let (at, alarm) = self.timers.next()?;
        let (Alarm::Server(_, timer) | Alarm::Client(_, timer)) = alarm;
        let reason = match timer {
            Timer::Resend => Reason::Retransmit,
            Timer::Trying => Reason::Provisional,
            Timer::Over => Reason::TransactionOver,
        };
        Some((at, reason))
    }

    /// Fires one timer that is due; `None` if there is none.
    pub(super) fn fire(&mut self, now: Now, out: &mut Outbox<Output>) -> Option<Option<Report>> {
        Some(match self.timers.pop_due(now.instant)? {
            Alarm::Server(id, timer) => {
                self.server_timer(now, id, timer, out);
                None
            }
            Alarm::Client(id, timer) => self.client_timer(now, id, timer, out),
        })
    }
}
