//! Two endpoints on one virtual clock and a network that loses, doubles, delays and splits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::model::{Instant, Machine as _, Mint, Now, Outbox, Wall};
use crate::sip::{Command, Config, Endpoint, Event, Flow, FlowId, Input, Output, Transport};

/// Longer than any call of these tests: 64*T1 and then some.
const PATIENCE: Duration = Duration::from_secs(100);

/// How bad the network is, in percent and milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) loss: u64,
    pub(super) doubles: u64,
    pub(super) jitter_ms: u64,
}

pub(super) const CALM: Weather = Weather { loss: 0, doubles: 0, jitter_ms: 0 };
pub(super) const STORM: Weather = Weather { loss: 20, doubles: 20, jitter_ms: 700 };

#[derive(Debug)]
pub(super) struct Side {
    pub(super) endpoint: Endpoint,
    pub(super) events: Vec<Event>,
    /// Everything it transmitted.
    pub(super) sent: Vec<String>,
}

/// The two ends of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Alice = 0,
    Bob = 1,
}

impl Who {
    const fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Now,
    pub(super) sides: [Side; 2],
    weather: Weather,
    mint: Mint,
    seed: u64,
    /// What is under way, by arrival and order of sending.
    wire: BTreeMap<(Instant, u64), (Who, Flow, Bytes)>,
    packets: u64,
    /// TCP connections by their number, with the port of Alice's and Bob's end.
    connections: Vec<[SocketAddr; 2]>,
    /// Last arrival on each connection and direction: a stream keeps its order.
    latest: BTreeMap<(FlowId, usize), Instant>,
    cut: BTreeSet<FlowId>,
}

pub(super) fn address(who: Who) -> SocketAddr {
    let text = if who == Who::Alice { "192.0.2.1:5060" } else { "192.0.2.2:5060" };
    text.parse().expect("an address")
}

/// The number of either side's UDP socket.
const UDP: FlowId = FlowId(0);

impl World {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        let mut mint = Mint::from_number(seed);
        let mut side = |who| {
            let host = Some(address(who).to_string());
            let config = Config { advertise_udp: host.clone(), advertise_tcp: host, ..Config::default() };
            Side { endpoint: Endpoint::new(config, mint.fork()), events: Vec::new(), sent: Vec::new() }
        };
        let sides = [side(Who::Alice), side(Who::Bob)];
        let now = Now { instant: Instant::default(), wall: Wall::from_micros(0) };
        Self {
            now,
            sides,
            weather,
            mint,
            seed,
            wire: BTreeMap::new(),
            packets: 0,
            connections: Vec::new(),
            latest: BTreeMap::new(),
            cut: BTreeSet::new(),
        }
    }

    pub(super) fn command(&mut self, who: Who, command: Command) {
        self.input(who, Input::Command(command));
    }

    fn input(&mut self, who: Who, input: Input) {
        let mut out = Outbox::new();
        self.sides[who as usize].endpoint.handle(self.now, input, &mut out);
        for output in out.drain() {
            match output {
                Output::Event(event) => self.sides[who as usize].events.push(event),
                Output::Transmit { flow, transport, remote, octets } => {
                    self.sides[who as usize].sent.push(String::from_utf8_lossy(&octets).into_owned());
                    self.transmit(who, flow, transport, remote, octets);
                }
                Output::Close(flow) => panic!("seed {}: {who:?} closes {flow:?}", self.seed),
            }
        }
    }

    fn transmit(&mut self, from: Who, flow: Option<FlowId>, transport: Transport, remote: SocketAddr, octets: Bytes) {
        match transport {
            Transport::Udp => {
                assert_eq!(remote, address(from.other()), "seed {}", self.seed);
                for _ in 0..1 + u64::from(self.chance(self.weather.doubles)) {
                    if self.chance(self.weather.loss) {
                        continue;
                    }
                    let (local, remote) = (address(from.other()), address(from));
                    let flow = Flow { id: UDP, transport, local, remote };
                    let at = self.now.instant + self.delay();
                    self.post(at, from.other(), flow, octets.clone());
                }
            }
            Transport::Tcp | Transport::Tls => {
                let id = flow.filter(|id| !self.cut.contains(id)).unwrap_or_else(|| self.connect(from, remote));
                let ends = self.connections[id.0 as usize - 1];
                let (local, remote) = (ends[from.other() as usize], ends[from as usize]);
                let flow = Flow { id, transport, local, remote };
                let mut rest = octets;
                while !rest.is_empty() {
                    let piece = rest.split_to(1 + (self.mint.number() % rest.len() as u64) as usize);
                    let at = self.now.instant + self.delay();
                    let latest = self.latest.entry((id, from as usize)).or_default();
                    *latest = at.max(*latest);
                    let at = *latest;
                    self.post(at, from.other(), flow, piece);
                }
            }
        }
    }

    fn connect(&mut self, from: Who, remote: SocketAddr) -> FlowId {
        assert_eq!(remote, address(from.other()), "seed {}: nobody listens there", self.seed);
        let mut ends = [address(Who::Alice), address(Who::Bob)];
        ends[from as usize].set_port(40_000 + self.connections.len() as u16);
        self.connections.push(ends);
        FlowId(self.connections.len() as u64)
    }

    /// Cuts the newest TCP connection with everything under way on it.
    pub(super) fn cut(&mut self) {
        let id = FlowId(self.connections.len() as u64);
        if id == UDP || !self.cut.insert(id) {
            return;
        }
        self.wire.retain(|_, (_, flow, _)| flow.id != id);
        let ends = self.connections[id.0 as usize - 1];
        for who in [Who::Alice, Who::Bob] {
            let (local, remote) = (ends[who as usize], ends[who.other() as usize]);
            self.input(who, Input::FlowClosed(Flow { id, transport: Transport::Tcp, local, remote }));
        }
    }

    fn post(&mut self, at: Instant, to: Who, flow: Flow, octets: Bytes) {
        self.packets += 1;
        self.wire.insert((at, self.packets), (to, flow, octets));
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.mint.number() % 100 < percent
    }

    fn delay(&mut self) -> Duration {
        Duration::from_millis(5 + self.mint.number() % (self.weather.jitter_ms + 1))
    }

    /// Does the next thing that is due before `end`; false if there is nothing.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.wire.first_key_value().map(|((at, _), _)| *at);
        let wake = |who: Who| self.sides[who as usize].endpoint.deadline().map(|(at, _)| (at, who));
        let wake = [Who::Alice, Who::Bob].into_iter().filter_map(wake).min_by_key(|(at, _)| *at);
        let at = arrival.into_iter().chain(wake.map(|(at, _)| at)).min();
        let Some(at) = at.filter(|at| *at <= end) else { return false };
        self.now.instant = at.max(self.now.instant);
        if arrival == Some(at) {
            let (_, (to, flow, octets)) = self.wire.pop_first().expect("the arrival is on the wire");
            self.input(to, Input::Octets { flow, octets });
        } else if let Some((_, who)) = wake {
            self.input(who, Input::Timeout);
        }
        true
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.instant + time;
        while self.step(end) {}
        self.now.instant = end;
    }

    /// Lets time pass until an event of this kind is there, and takes it.
    pub(super) fn wait<T>(&mut self, who: Who, pick: impl Fn(&Event) -> Option<T>) -> T {
        let end = self.now.instant + PATIENCE;
        loop {
            let events = &mut self.sides[who as usize].events;
            if let Some((at, found)) = events.iter().enumerate().find_map(|(at, event)| Some((at, pick(event)?))) {
                events.remove(at);
                return found;
            }
            assert!(
                self.step(end),
                "seed {}: {who:?} waits in vain; it has {:?}",
                self.seed,
                self.sides[who as usize].events
            );
        }
    }

    /// How many connections there have been.
    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// How often a side sent something that begins like this.
    pub(super) fn count(&self, who: Who, start: &str) -> usize {
        self.sides[who as usize].sent.iter().filter(|text| text.starts_with(start)).count()
    }

    /// Nothing is left of anything.
    pub(super) fn assert_empty(&mut self) {
        self.pass(PATIENCE);
        for side in &self.sides {
            assert_eq!((side.endpoint.calls(), side.endpoint.transactions()), (0, 0), "seed {}", self.seed);
            assert_eq!(side.endpoint.deadline(), None, "seed {}", self.seed);
            assert!(side.events.is_empty(), "seed {}: {:?}", self.seed, side.events);
        }
    }
}
