//! Where SIP waits for the engine: in one queue for those who may command us and in another for everybody else, so that a
//! crowd at the door keeps no application server waiting.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::metrics;
use super::pipe::Pipe;
use super::pressure::Pressure;
use crate::model::limits::{SIP_UNREAD, SIP_UNREAD_OCTETS};
use crate::model::{self, Network};
use crate::sip::{self, Flow};

/// What the sockets' tasks tell the driver.
#[derive(Debug)]
pub(super) enum Wire {
    /// For the endpoint.
    Sip(sip::Input),
    /// Octets that came.
    Octets(Arrived),
    /// A connection stands, incoming or outgoing; these are the hosts that an authority of ours vouches for at its end, and
    /// the one that we have connected to, if we have.
    Up(Flow, Pipe, Vec<String>, Option<String>),
}

/// What a socket has brought.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) flow: Flow,
    pub(super) octets: Bytes,
    /// It is of those who come first.
    first: bool,
    /// When it was read: what it waits from now on, it waits for us.
    since: Instant,
    /// Its share of what may wait.
    _room: OwnedSemaphorePermit,
}

/// The way into one of the two queues.
#[derive(Clone)]
pub(super) struct Door {
    first: bool,
    wire: mpsc::Sender<Wire>,
    room: Arc<Semaphore>,
}

impl Door {
    fn open(first: bool, whose: &'static str) -> (Self, Queue) {
        let (sender, wire) = mpsc::channel(SIP_UNREAD);
        let room = Arc::new(Semaphore::new(SIP_UNREAD_OCTETS as usize));
        (Self { first, wire: sender, room }, Queue { wire, pressure: Pressure::default(), whose })
    }

    /// Hands octets to the driver, as soon as there is room for them. `false`: it has gone.
    pub(super) async fn arrived(&self, flow: Flow, octets: Bytes) -> bool {
        let since = Instant::now();
        let share = u32::try_from(octets.len()).unwrap_or(u32::MAX).min(SIP_UNREAD_OCTETS);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(share).await else { return false };
        self.tell(Wire::Octets(Arrived { flow, octets, first: self.first, since, _room: room })).await
    }

    /// Tells the driver something. `false`: it has gone.
    pub(super) async fn tell(&self, wire: Wire) -> bool {
        self.wire.send(wire).await.is_ok()
    }
}

/// Both of them.
#[derive(Clone)]
pub(super) struct Doors {
    first: Door,
    others: Door,
    trusted: Arc<[Network]>,
}

impl Doors {
    /// Those in `trusted` networks come first.
    pub(super) fn open(trusted: &[Network]) -> (Self, Waiting) {
        let ((first, first_queue), (others, others_queue)) = (Door::open(true, "trusted"), Door::open(false, "others"));
        let waiting = Waiting { first: first_queue, others: others_queue, told: false };
        (Self { first, others, trusted: trusted.into() }, waiting)
    }

    /// The one for who calls from there.
    pub(super) fn of(&self, peer: IpAddr) -> &Door {
        if self.trusted.iter().any(|network| network.contains(peer)) { &self.first } else { &self.others }
    }
}

/// What waits behind the doors.
pub(super) struct Waiting {
    first: Queue,
    others: Queue,
    /// Who has sent the octets at hand was last said to be one of too many.
    told: bool,
}

struct Queue {
    wire: mpsc::Receiver<Wire>,
    pressure: Pressure,
    whose: &'static str,
}

impl Waiting {
    /// The next one, of the first queue while there is any. `None`: all sockets are gone.
    pub(super) async fn next(&mut self) -> Option<Wire> {
        tokio::select! {
            biased;
            Some(wire) = self.first.wire.recv() => Some(wire),
            Some(wire) = self.others.wire.recv() => Some(wire),
            else => None,
        }
    }

    /// Whether nothing new is to be begun for who has sent these octets, if that is another word than the last one.
    pub(super) fn word(&mut self, now: model::Instant, arrived: &Arrived) -> Option<bool> {
        let queue = if arrived.first { &mut self.first } else { &mut self.others };
        let waited = arrived.since.elapsed();
        if let Some(busy) = queue.pressure.measure(now, waited, queue.wire.is_empty()) {
            let whose = queue.whose;
            metrics::busy(whose, busy);
            match busy {
                true => tracing::warn!(whose, waited_ms = waited.as_millis(), "too much to do: new calls get 503"),
                false => tracing::warn!(whose, "new calls are taken again"),
            }
        }
        let busy = queue.pressure.is_high();
        (std::mem::replace(&mut self.told, busy) != busy).then_some(busy)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::model::Instant;
    use crate::sip::{FlowId, Transport};

    fn flow(peer: &str) -> Flow {
        let remote: SocketAddr = peer.parse().expect("an address");
        Flow { id: FlowId(1), transport: Transport::Udp, local: remote, remote }
    }

    async fn came(doors: &Doors, peer: &str) {
        let flow = flow(peer);
        assert!(doors.of(flow.remote.ip()).arrived(flow, Bytes::from_static(b"x")).await);
    }

    #[tokio::test]
    async fn who_may_command_is_served_before_a_crowd_that_was_there_first() {
        let (doors, mut waiting) = Doors::open(&["192.0.2.0/24".parse().expect("a network")]);
        for peer in ["198.51.100.1:5060", "198.51.100.2:5060", "192.0.2.1:5060"] {
            came(&doors, peer).await;
        }
        let mut order = Vec::new();
        for _ in 0..3 {
            let Some(Wire::Octets(arrived)) = waiting.next().await else { panic!("three came") };
            order.push(arrived.flow.remote.to_string());
        }
        assert_eq!(order, ["192.0.2.1:5060", "198.51.100.1:5060", "198.51.100.2:5060"]);
        drop(doors);
        assert!(waiting.next().await.is_none());
    }

    #[tokio::test]
    async fn a_crowd_is_too_much_for_itself_alone() {
        let (doors, mut waiting) = Doors::open(&["192.0.2.0/24".parse().expect("a network")]);
        for _ in 0..4 {
            came(&doors, "198.51.100.1:5060").await;
        }
        let mut words = Vec::new();
        let mut hear = async |at: u64, waiting: &mut Waiting| {
            let Some(Wire::Octets(mut arrived)) = waiting.next().await else { panic!("somebody") };
            arrived.since -= Duration::from_secs(1); // it has waited for long
            words.push(waiting.word(Instant::from_origin(Duration::from_millis(at)), &arrived));
        };
        hear(0, &mut waiting).await;
        hear(200, &mut waiting).await;
        came(&doors, "192.0.2.1:5060").await;
        hear(210, &mut waiting).await;
        hear(220, &mut waiting).await;
        assert_eq!(words, [None, Some(true), Some(false), Some(true)], "the third was of those who may command");
    }
}
