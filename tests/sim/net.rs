//! The network: datagrams that get lost, doubled and late, and byte streams that are cut anywhere and break.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use restante::engine::LinkId;
use restante::sip::FlowId;

use crate::clock::{Dice, Lane, Timeline};
use crate::world::{Event, ProcessId};

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Of every datagram and segment.
    pub(crate) latency: (Duration, Duration),
    /// Datagrams lost, of a hundred.
    pub(crate) loss: u64,
    /// Datagrams doubled, of a hundred.
    pub(crate) doubles: u64,
    /// Octets of the longest TCP segment.
    pub(crate) grain: usize,
    /// Octets a TCP connection takes before its reader reads.
    pub(crate) window: usize,
}

/// One end of one TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End {
    pub(crate) pipe: u64,
    side: usize,
}

impl End {
    const fn other(self) -> Self {
        Self { pipe: self.pipe, side: 1 - self.side }
    }
}

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Sip(FlowId),
    Msrp(LinkId),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The other side will send no more.
    Over,
    /// Neither side will hear anything any more.
    Broken,
}

struct Half {
    owner: Option<(ProcessId, Port)>,
    address: SocketAddr,
    arrived: VecDeque<Bytes>,
    /// Octets on their way here or arrived, and not taken.
    unread: usize,
    state: State,
    /// Its own side has said that it will write no more.
    finished: bool,
    /// The other side has octets that found no room.
    starved: bool,
    lane: Lane,
}

pub(crate) struct Network {
    pub(crate) weather: Weather,
    pub(crate) dice: Dice,
    pipes: BTreeMap<u64, [Half; 2]>,
}

impl Network {
    pub(crate) const fn new(weather: Weather, dice: Dice) -> Self {
        Self { weather, dice, pipes: BTreeMap::new() }
    }

    pub(crate) fn latency(&mut self) -> Duration {
        self.dice.between(self.weather.latency)
    }

    pub(crate) fn send_datagram(&mut self, time: &mut Timeline, from: SocketAddr, to: SocketAddr, octets: &Bytes) {
        let copies = match (self.dice.percent(self.weather.loss), self.dice.percent(self.weather.doubles)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        for _ in 0..copies {
            let latency = self.latency();
            time.after(latency, Event::Datagram { from, to, octets: octets.clone() });
        }
    }

    /// A new connection; the ends of who asked for it and of who takes it.
    pub(crate) fn connect(&mut self, from: SocketAddr, to: SocketAddr) -> (End, End) {
        let pipe = self.pipes.len() as u64;
        let half = |address| Half {
            owner: None,
            address,
            arrived: VecDeque::new(),
            unread: 0,
            state: State::Open,
            finished: false,
            starved: false,
            lane: Lane::default(),
        };
        self.pipes.insert(pipe, [half(from), half(to)]);
        (End { pipe, side: 0 }, End { pipe, side: 1 })
    }

    fn half(&mut self, end: End) -> &mut Half {
        &mut self.pipes.get_mut(&end.pipe).expect("connections are never forgotten")[end.side]
    }

    pub(crate) fn own(&mut self, end: End, owner: ProcessId, port: Port) {
        self.half(end).owner = Some((owner, port));
    }

    pub(crate) fn owner(&mut self, end: End) -> Option<(ProcessId, Port)> {
        self.half(end).owner
    }

    /// The addresses of this end and of the other.
    pub(crate) fn addresses(&mut self, end: End) -> (SocketAddr, SocketAddr) {
        (self.half(end).address, self.half(end.other()).address)
    }

    /// Octets that may be written now; the end hears of it when there is room again.
    pub(crate) fn room(&mut self, end: End) -> usize {
        let window = self.weather.window;
        let reader = self.half(end.other());
        reader.starved |= reader.unread >= window;
        if reader.starved { 0 } else { window - reader.unread }
    }

    /// Writes octets, cut anywhere.
    pub(crate) fn write(&mut self, time: &mut Timeline, end: End, mut octets: Bytes) {
        while !octets.is_empty() {
            let cut = 1 + self.dice.below(self.weather.grain.min(octets.len()) as u64) as usize;
            let segment = octets.split_to(cut);
            self.half(end.other()).unread += segment.len();
            self.deliver(time, end.other(), |to| Event::Segment { to, octets: segment });
        }
    }

    /// Says that no more will be written.
    pub(crate) fn finish(&mut self, time: &mut Timeline, end: End) {
        if !std::mem::replace(&mut self.half(end).finished, true) {
            self.deliver(time, end.other(), |at| Event::Over { at });
        }
    }

    /// Something for this end that overtakes nothing written to it before.
    pub(crate) fn deliver(&mut self, time: &mut Timeline, to: End, event: impl FnOnce(End) -> Event) {
        let latency = self.latency();
        time.in_order(&mut self.half(to).lane, latency, event(to));
    }

    /// Breaks a connection: what is on its way is gone, and both sides notice.
    pub(crate) fn reset(&mut self, time: &mut Timeline, pipe: u64) {
        for side in 0..2 {
            let at = End { pipe, side };
            let half = self.half(at);
            half.state = State::Broken;
            half.arrived.clear();
            let latency = self.latency();
            time.after(latency, Event::Over { at });
        }
    }

    /// Breaks every connection of a process that is no more.
    pub(crate) fn bury(&mut self, time: &mut Timeline, process: ProcessId) {
        let mine = |half: &Half| half.owner.is_some_and(|(owner, _)| owner == process);
        let pipes: Vec<u64> =
            self.pipes.iter().filter(|(_, halves)| halves.iter().any(mine)).map(|(pipe, _)| *pipe).collect();
        pipes.into_iter().for_each(|pipe| self.reset(time, pipe));
    }

    /// Connections that nobody has finished.
    pub(crate) fn open_pipes(&self) -> Vec<u64> {
        let open = |halves: &[Half; 2]| halves.iter().all(|half| half.state == State::Open);
        self.pipes.iter().filter(|(_, halves)| open(halves)).map(|(pipe, _)| *pipe).collect()
    }

    pub(crate) fn carries_sip(&self, pipe: u64) -> bool {
        let is_sip = |half: &Half| matches!(half.owner, Some((_, Port::Sip(_))));
        self.pipes.get(&pipe).is_some_and(|halves| halves.iter().any(is_sip))
    }

    /// A segment has arrived.
    pub(crate) fn arrive(&mut self, to: End, octets: Bytes) {
        let half = self.half(to);
        if half.state != State::Broken {
            half.arrived.push_back(octets);
        }
    }

    /// The other side's last word has arrived.
    pub(crate) fn over(&mut self, at: End) {
        let half = self.half(at);
        if half.state == State::Open {
            half.state = State::Over;
        }
    }

    /// Reads what one segment brought.
    pub(crate) fn take(&mut self, time: &mut Timeline, end: End) -> Option<Bytes> {
        let window = self.weather.window;
        let half = self.half(end);
        let octets = half.arrived.pop_front()?;
        half.unread -= octets.len();
        // As real windows do, this one opens by half at least: octet by octet nothing would ever get through.
        if half.starved && half.unread <= window / 2 {
            half.starved = false;
            let latency = self.latency();
            time.after(latency, Event::Room { at: end.other() });
        }
        Some(octets)
    }

    /// Whether there is nothing more to read, ever.
    pub(crate) fn is_over(&mut self, end: End) -> bool {
        let half = self.half(end);
        half.state != State::Open && half.arrived.is_empty()
    }

    pub(crate) fn is_broken(&mut self, end: End) -> bool {
        self.half(end).state == State::Broken
    }
}
