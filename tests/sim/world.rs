//! The whole of a simulation: a server, its phones, the network between them, and what happens to them in order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use restante::engine::link;
use restante::engine::{self, LinkId, Query, Ticket};
use restante::model::Instant;
use restante::msrp::SessionKey;
use restante::sip::{self, Flow, Transport};
use restante::spool::{Carried, Delivery, EnvelopeDraft, Sealed};

use crate::bucket::SimBucket;
use crate::clock::{Dice, Timeline};
use crate::faults::Bug;
use crate::forward::Far;
use crate::net::{End, Network, Port};
use crate::node::{Node, Process, UDP};
use crate::oracle::Oracle;
use crate::phone::{Nudge, Phone};
use crate::plan::{Blow, Crash, Plan, When};

/// The node that is tested; the others are phones.
pub(crate) const SERVER: usize = 0;

/// No world lives longer: by then every timer of every room has run out.
const DOOMSDAY: Duration = Duration::from_secs(2 * 3600);

/// No world is busier.
const EVENTS: u64 = 3_000_000;

/// One life of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessId {
    pub(crate) node: usize,
    pub(crate) life: u64,
}

/// What a connection is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Sip,
    Msrp(SessionKey),
}

#[derive(Debug)]
pub(crate) enum Event {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        octets: Bytes,
    },
    Connect {
        from: ProcessId,
        to: SocketAddr,
        purpose: Purpose,
    },
    Connected {
        from: ProcessId,
        to: SocketAddr,
        purpose: Purpose,
        end: Option<End>,
    },
    Segment {
        to: End,
        octets: Bytes,
    },
    Over {
        at: End,
    },
    Room {
        at: End,
    },
    Engine(ProcessId, Box<engine::Input>),
    Link(ProcessId, LinkId, link::Input),
    Disk(ProcessId, LinkId),
    Find(ProcessId, Ticket, Query),
    Commit(ProcessId, Ticket, Box<Sealed>, Box<EnvelopeDraft>),
    Carry(ProcessId),
    Record(ProcessId, Box<Delivery>),
    Phone(usize, Nudge),
    Blow(Blow),
    Restart,
    /// The process of another node starts again.
    Rise(usize),
}

pub(crate) struct World {
    pub(crate) time: Timeline,
    pub(crate) dice: Dice,
    pub(crate) net: Network,
    pub(crate) nodes: Vec<Node>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) oracle: Oracle,
    pub(crate) bug: Option<Bug>,
    /// Commits that the early bug has told too early.
    pub(crate) early: BTreeSet<Ticket>,
    /// Nothing bad happens in it, so everything has to succeed.
    pub(crate) calm: bool,
    pub(crate) ports: u16,
    /// Outputs that the server has performed.
    pub(crate) steps: u64,
    crash_at: Option<(u64, Crash)>,
    /// The server stands still until then.
    frozen: Instant,
    /// SIP connections that broke: what was on its way is not sent again (RFC 3261 §17.1.2.2).
    pub(crate) lost_words: u64,
    pub(crate) crashes: u64,
    /// The process that was asked to go.
    draining: Option<ProcessId>,
    drains: u64,
    /// The process whose carrier will go once more.
    carrier: Option<ProcessId>,
    /// Where everything is forwarded to.
    pub(crate) far: Option<Far>,
    trace: Option<Vec<String>>,
}

/// Who wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sleeper {
    Engine(ProcessId),
    Link(ProcessId, LinkId),
}

/// What is left of a world.
pub(crate) struct Ending {
    pub(crate) faults: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) steps: u64,
    pub(crate) crashes: u64,
    pub(crate) drains: u64,
    pub(crate) stored: usize,
    /// Files that went into a bucket.
    pub(crate) carried: u64,
    /// Calls that a bucket failed.
    pub(crate) lapses: u64,
    /// Deliveries that have got through.
    pub(crate) forwarded: u64,
    /// Those of them that have not at once.
    pub(crate) again: u64,
}

impl World {
    /// Lives a planned world to its end.
    pub(crate) fn run(plan: Plan, traced: bool) -> Ending {
        let dice = Dice::new(plan.seed);
        let net_dice = Dice::new(plan.seed ^ u64::MAX);
        let far = plan.far.map(|moods| Far::new(plan.phones.len() + 1, moods));
        let nodes = (0..=plan.phones.len() + usize::from(far.is_some()))
            .map(|index| Node::new(index, plan.habits(index)))
            .collect();
        let mut world = Self {
            time: Timeline::default(),
            dice,
            net: Network::new(plan.weather, net_dice),
            nodes,
            phones: Vec::new(),
            oracle: Oracle::default(),
            bug: plan.bug,
            early: BTreeSet::new(),
            calm: plan.blows.is_empty(),
            ports: 40_000,
            steps: 0,
            crash_at: None,
            frozen: Instant::default(),
            lost_words: 0,
            crashes: 0,
            draining: None,
            drains: 0,
            carrier: None,
            far,
            trace: traced.then(Vec::new),
        };
        if plan.remembers {
            world.nodes[SERVER].memory = Some(tempfile::tempdir().expect("a directory"));
        }
        if let Some(pail) = plan.bucket {
            let bucket = SimBucket::new();
            bucket.fail_at_random(pail.lapses, plan.seed);
            world.oracle.sick = pail.lapses > 0;
            if world.bug == Some(Bug::Bucket) {
                bucket.lie();
            }
            world.nodes[SERVER].bucket = Some((bucket, pail));
        }
        for node in 0..world.nodes.len() {
            world.start(node);
        }
        for (index, errands) in plan.phones.into_iter().enumerate() {
            world.add_phone(index + 1, errands);
        }
        for blow in plan.blows {
            match blow {
                (When::Step(step), Blow::Crash(crash)) => world.crash_at = Some((step, crash)),
                (When::Step(_), _) => unreachable!("only the server counts its steps"),
                (When::After(delay), blow) => world.time.after(delay, Event::Blow(blow)),
            }
        }
        world.live();
        world.judge();
        let stored = world.oracle.stored();
        let (steps, crashes, drains) = (world.steps, world.crashes, world.drains);
        let (carried, lapses) = world.nodes[SERVER].bucket.as_ref().map_or((0, 0), |(bucket, _)| bucket.tally());
        let (forwarded, again) = world.far.as_ref().map_or((0, 0), Far::delivered);
        let (faults, trace) = (world.oracle.faults, world.trace.unwrap_or_default());
        Ending { faults, trace, steps, crashes, drains, stored, carried, lapses, forwarded, again }
    }

    fn live(&mut self) {
        let mut events = 0;
        while self.time.now().instant.since_origin() < DOOMSDAY && events < EVENTS {
            events += 1;
            let sleeper = self.next_sleeper();
            match (self.time.next(), sleeper) {
                (None, None) => return,
                (Some(event), Some((due, _))) if event <= due => self.next_event(),
                (Some(_), None) => self.next_event(),
                (_, Some((due, sleeper))) => self.wake(due, sleeper),
            }
        }
        self.oracle.blame(format!("wedged: after {events} events and {:?} there is no end", self.time.now().instant));
    }

    fn next_sleeper(&self) -> Option<(Instant, Sleeper)> {
        let mut first: Option<(Instant, Sleeper)> = None;
        let mut consider = |due: Option<Instant>, sleeper| {
            if let Some(due) = due.filter(|due| first.is_none_or(|(earliest, _)| *due < earliest)) {
                first = Some((due, sleeper));
            }
        };
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(process) = &node.process else { continue };
            let awake = if index == SERVER { self.frozen } else { Instant::default() };
            let mut consider = |due: Option<Instant>, sleeper| consider(due.map(|due| due.max(awake)), sleeper);
            if index == SERVER && self.bug == Some(Bug::Timer) {
                continue;
            }
            let id = node.id(index);
            consider(process.engine.deadline(), Sleeper::Engine(id));
            for (link, task) in process.links.iter().filter(|(_, task)| !task.is_waiting()) {
                consider(task.link.deadline(), Sleeper::Link(id, *link));
            }
        }
        first
    }

    fn wake(&mut self, due: Instant, sleeper: Sleeper) {
        self.time.advance(due);
        let now = self.time.now();
        match sleeper {
            Sleeper::Engine(id) => self.tell_engine(id, engine::Input::Timeout),
            Sleeper::Link(id, link) => self.link_input(id, link, link::Input::Timeout),
        }
        let again = self.next_sleeper().filter(|(due, next)| *due <= now.instant && *next == sleeper);
        if again.is_some() {
            self.oracle.blame("a deadline did not move forward".to_owned());
            self.time.advance(now.instant + DOOMSDAY);
        }
    }

    fn next_event(&mut self) {
        let Some(event) = self.time.pop() else { return };
        let now = self.time.now().instant;
        if now < self.frozen && self.is_for_the_server(&event) {
            return self.time.after(self.frozen - now, event);
        }
        self.note(|| format!("{event:?}"));
        match event {
            Event::Datagram { from, to, octets } => self.datagram(from, to, octets),
            Event::Connect { from, to, purpose } => self.connect(from, to, purpose),
            Event::Connected { from, to, purpose, end } => self.connected(from, to, purpose, end),
            Event::Segment { to, octets } => {
                self.net.arrive(to, octets);
                self.poke(to);
            }
            Event::Over { at } => {
                self.net.over(at);
                self.poke(at);
            }
            Event::Room { at } => self.poke(at),
            Event::Engine(id, input) => self.tell_engine(id, *input),
            Event::Link(id, link, input) => self.link_input(id, link, input),
            Event::Disk(id, link) => self.disk_done(id, link),
            Event::Find(id, ticket, query) => self.find(id, ticket, query),
            Event::Commit(id, ticket, sealed, draft) => self.commit(id, ticket, sealed, draft),
            Event::Carry(id) => self.carry(id),
            Event::Record(id, delivery) => self.record(id, &delivery),
            Event::Phone(phone, nudge) => self.nudge(phone, nudge),
            Event::Blow(Blow::Crash(crash)) => self.crash(crash),
            Event::Blow(Blow::Drain) => {
                let id = self.nodes[SERVER].id(SERVER);
                self.draining = Some(id);
                self.tell_engine(id, engine::Input::Drain);
            }
            Event::Blow(Blow::Reset) => {
                let pipes = self.net.open_pipes();
                if !pipes.is_empty() {
                    let pipe = self.dice.pick(&pipes);
                    self.lost_words += u64::from(self.net.carries_sip(pipe));
                    self.net.reset(&mut self.time, pipe);
                }
            }
            Event::Blow(Blow::Vanish) => self.vanish(),
            Event::Blow(Blow::Sync(pause)) => {
                self.nodes[SERVER].files.fail_next_sync();
                self.oracle.sick = true;
                self.time.after(pause, Event::Blow(Blow::Crash(Crash::Kill)));
            }
            Event::Blow(Blow::Freeze(pause)) => self.frozen = now + pause,
            Event::Blow(Blow::Clock(secs)) => self.time.jump(secs),
            Event::Blow(Blow::Part(pause)) => self.part(pause),
            Event::Blow(Blow::Far(crash)) => self.crash_far(crash),
            Event::Restart => self.start(SERVER),
            Event::Rise(node) => self.start(node),
        }
    }

    /// Whether the server's process would have to do something now.
    fn is_for_the_server(&mut self, event: &Event) -> bool {
        match event {
            Event::Datagram { to, .. } => to.ip() == self.nodes[SERVER].host,
            Event::Connect { to, .. } => to.ip() == self.nodes[SERVER].host,
            Event::Connected { from: id, .. }
            | Event::Engine(id, _)
            | Event::Link(id, ..)
            | Event::Disk(id, _)
            | Event::Find(id, ..)
            | Event::Commit(id, ..)
            | Event::Record(id, _)
            | Event::Carry(id) => id.node == SERVER,
            Event::Segment { to: end, .. } | Event::Over { at: end } | Event::Room { at: end } => {
                self.net.owner(*end).is_some_and(|(id, _)| id.node == SERVER)
            }
            Event::Phone(..) | Event::Blow(_) | Event::Restart | Event::Rise(_) => false,
        }
    }

    /// Somebody owns this end of a connection and has to look at it.
    fn poke(&mut self, end: End) {
        match self.net.owner(end) {
            Some((id, Port::Msrp(link))) => self.work(id, link),
            Some((id, Port::Sip(flow))) => self.flow_heard(id, flow, end),
            None => {}
        }
    }

    fn datagram(&mut self, from: SocketAddr, to: SocketAddr, octets: Bytes) {
        let Some(node) = self.nodes.iter().position(|node| node.host == to.ip()) else { return };
        if self.is_lost(from, to, &octets) {
            return;
        }
        let id = self.nodes[node].id(node);
        let flow = Flow { id: UDP, transport: Transport::Udp, local: to, remote: from };
        self.tell_engine(id, engine::Input::Sip(sip::Input::Octets { flow, octets }));
    }

    /// There may be something for the carrier of a server with a bucket.
    pub(crate) fn will_carry(&mut self, node: usize) {
        let id = self.nodes[node].id(node);
        if self.nodes[node].bucket.is_some() && self.carrier != Some(id) {
            self.carrier = Some(id);
            let pause = self.chatter();
            self.time.after(pause, Event::Carry(id));
        }
    }

    /// One step of the carrier, and the next one unless there is nothing to do.
    fn carry(&mut self, id: ProcessId) {
        let now = self.time.now();
        if let Some((bucket, _)) = &self.nodes[id.node].bucket {
            bucket.set_clock(now.wall);
        }
        let Some(process) = self.process(id) else { return };
        let pause = match process.spool.carry(Duration::ZERO) {
            Carried::Something => Duration::from_millis(1),
            Carried::Failed => Duration::from_secs(5),
            // A bucket that has failed is asked now and then whether it is back.
            Carried::Nothing if process.spool.status().reason.is_some() => Duration::from_secs(5),
            Carried::Nothing => {
                self.carrier = None;
                return;
            }
        };
        self.time.after(pause, Event::Carry(id));
    }

    /// The process of this name, if it still lives.
    pub(crate) fn process(&mut self, id: ProcessId) -> Option<&mut Process> {
        let node = &mut self.nodes[id.node];
        node.process.as_mut().filter(|_| node.life == id.life)
    }

    fn start(&mut self, node: usize) {
        let (now, mint) = (self.time.now(), self.dice.mint());
        let bug = self.bug.filter(|_| node == SERVER);
        if let Some((bucket, _)) = &self.nodes[node].bucket {
            bucket.set_clock(now.wall);
        }
        self.nodes[node].start(now, mint, bug);
        self.oracle.life = self.nodes[SERVER].life;
        self.will_carry(node);
        if node == SERVER {
            self.begin_forwarding();
        }
    }

    /// A process is about to perform an output. True if it dies instead.
    pub(crate) fn step(&mut self, id: ProcessId, what: impl Fn() -> String) -> bool {
        self.note(|| format!("{}: {}", id.node, what()));
        if self.process(id).is_none() {
            return true;
        }
        if id.node != SERVER {
            return false;
        }
        self.steps += 1;
        match self.crash_at {
            Some((step, crash)) if step == self.steps => {
                self.crash(crash);
                true
            }
            _ => false,
        }
    }

    /// The server dies, its connections with it; another one starts on what is left of its disk.
    fn crash(&mut self, crash: Crash) {
        let (now, node) = (self.time.now(), &mut self.nodes[SERVER]);
        let id = node.id(SERVER);
        let left = match crash {
            Crash::Kill => node.files.kill(),
            Crash::Power(seed) => node.files.crash(seed),
        };
        if node.process.take().is_none() {
            return;
        }
        self.crashes += 1;
        for seed in 0..4 {
            let copy = if crash == Crash::Kill { left.kill() } else { node.files.crash(seed) };
            self.oracle.audit(&copy, node.bucket.as_ref(), now);
        }
        node.files = left;
        self.oracle.life += 1;
        self.net.bury(&mut self.time, id);
        let pause = self.dice.between((Duration::from_millis(100), Duration::from_secs(4)));
        self.time.after(pause, Event::Restart);
    }

    /// The server has nothing left to do and goes, as `serve` does after SIGTERM; the next one finds what it left.
    pub(crate) fn drained(&mut self, id: ProcessId) {
        let (now, Some(process)) = (self.time.now(), self.process(id)) else { return };
        let (census, _) = process.census();
        if census.receiving > 0 || census.sending > 0 {
            self.oracle.blame(format!("a drain ends with {census:?}"));
        }
        self.draining = None;
        self.drains += 1;
        let node = &mut self.nodes[SERVER];
        node.process = None;
        node.files = node.files.kill();
        let left = node.files.kill();
        self.oracle.audit(&left, node.bucket.as_ref(), now);
        self.oracle.life += 1;
        self.net.bury(&mut self.time, id);
        let pause = self.dice.between((Duration::from_millis(100), Duration::from_secs(4)));
        self.time.after(pause, Event::Restart);
    }

    /// A phone runs out of battery.
    fn vanish(&mut self) {
        let index = self.dice.below(self.phones.len() as u64) as usize;
        let id = self.nodes[index + 1].id(index + 1);
        self.nodes[index + 1].process = None;
        self.phones[index].forget();
        self.net.bury(&mut self.time, id);
    }

    /// How long a word takes from one task of a process to another.
    pub(crate) fn chatter(&mut self) -> Duration {
        Duration::from_micros(self.dice.below(300))
    }

    pub(crate) fn note(&mut self, what: impl Fn() -> String) {
        let at = self.time.now().instant.since_origin();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{at:>12?} {}", what().chars().take(400).collect::<String>()));
        }
    }

    /// When nothing happens any more: is everything over, and is everything there?
    fn judge(&mut self) {
        let busy = self.phones.iter().filter(|phone| !phone.is_idle()).count();
        if busy > 0 {
            self.oracle.blame(format!("wedged: {busy} phones wait for ever"));
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(process) = &node.process else { continue };
            let (census, links) = process.census();
            if (census, links) != (engine::Census::default(), 0) {
                self.oracle.blame(format!("leak: node {index} ends with {census:?} and {links} links"));
            }
        }
        if self.draining.is_some_and(|id| self.process(id).is_some()) {
            self.oracle.blame("wedged: a drain never ends".to_owned());
        }
        let now = self.time.now();
        let node = &self.nodes[SERVER];
        for copy in [node.files.kill(), node.files.crash(7)] {
            self.oracle.audit(&copy, node.bucket.as_ref(), now);
        }
        self.oracle.close();
        self.judge_forwarding();
    }

    /// Gives an engine something to do, as a command line would.
    pub(crate) fn order(&mut self, node: usize, order: engine::Order) {
        let id = self.nodes[node].id(node);
        self.time.after(Duration::ZERO, Event::Engine(id, Box::new(engine::Input::Order(order))));
    }
}
