//! All transactions of an endpoint, found by key and by timer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::server::Server;
use super::without_tcp::WithoutTcp;
use super::words::{Alarm, ClientId, Report, ServerId};
use crate::model::{Instant, Now, Outbox};
use crate::sip::command::Output;
use crate::sip::config::Config;
use crate::sip::event::Reason;
use crate::sip::flow::Transport;
use crate::sip::timers::Timers;
use crate::sip::transaction::{Span, Timer};

/// RFC 3261 table 4: timer D is at least this on an unreliable transport.
const COPIES_MIN: Duration = Duration::from_secs(32);

/// All transactions of an endpoint.
#[derive(Debug)]
pub(in crate::sip) struct Layer {
    pub(super) t1: Duration,
    pub(super) t2: Duration,
    pub(super) t4: Duration,
    pub(super) max: usize,
    pub(super) next: u64,
    pub(super) servers: BTreeMap<ServerId, Server>,
    pub(super) by_key: HashMap<Arc<str>, ServerId>,
    pub(super) by_origin: HashMap<Arc<str>, ServerId>,
    pub(super) clients: BTreeMap<ClientId, Client>,
    pub(super) by_branch: HashMap<String, ClientId>,
    pub(super) timers: Timers<Alarm>,
    pub(super) without_tcp: WithoutTcp,
}

impl Layer {
    /// No transactions yet.
    pub(in crate::sip) fn new(config: &Config) -> Self {
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
            without_tcp: WithoutTcp::default(),
        }
    }

    /// Transactions alive.
    pub(in crate::sip) fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Whether another transaction would pass the limit.
    pub(in crate::sip) fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    /// RFC 3261's longest wait, 64*T1.
    pub(in crate::sip) const fn timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// RFC 3261 table 4.
    pub(super) fn span(&self, span: Span, transport: Transport) -> Duration {
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
    pub(in crate::sip) fn deadline(&self) -> Option<(Instant, Reason)> {
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
    pub(in crate::sip) fn fire(&mut self, now: Now, out: &mut Outbox<Output>) -> Option<Option<Report>> {
        Some(match self.timers.pop_due(now.instant)? {
            Alarm::Server(id, timer) => {
                self.server_timer(now, id, timer, out);
                None
            }
            Alarm::Client(id, timer) => self.client_timer(now, id, timer, out),
        })
    }
}
