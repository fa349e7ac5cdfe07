//! One MSRP stream of the simulation, performed as `io::stream` does, but in virtual time and on a disk that takes some.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf as _, Bytes};
use restante::engine::link::{Input, Link, Output, Source};
use restante::engine::{self, Bearer, LinkId};
use restante::model::Outbox;
use restante::msrp::{Carrier, Connection, InboundKey, OutboundKey};
use restante::spool::{Body, Stage};

use crate::clock::Lane;
use crate::faults::Bug;
use crate::net::{End, Port};
use crate::world::{Event, ProcessId, SERVER, World};

/// Where an outgoing message's octets are read.
enum Reading {
    Object(Body),
    Local(Bytes),
}

pub(crate) struct Task {
    pub(crate) link: Link,
    end: End,
    waits: bool,
    inbox: VecDeque<Input>,
    /// Outputs that wait for the disk.
    jobs: VecDeque<Output>,
    /// The disk works at the first job.
    busy: bool,
    stages: BTreeMap<InboundKey, Stage>,
    sources: BTreeMap<OutboundKey, Reading>,
    outgoing: VecDeque<Bytes>,
    pub(crate) commands: Lane,
    notices: Lane,
    closing: bool,
    pub(crate) ended: bool,
    writes: u64,
}

impl Task {
    /// A stream that waits for its disk does nothing else meanwhile.
    pub(crate) fn is_waiting(&self) -> bool {
        self.ended || (self.waits && !self.jobs.is_empty())
    }
}

const fn needs_disk(output: &Output) -> bool {
    !matches!(output, Output::Transmit(_) | Output::Notice(_) | Output::Close)
}

impl World {
    /// Puts a connection to work as a link.
    pub(crate) fn make_link(&mut self, id: ProcessId, end: End) -> Option<LinkId> {
        let (now, habits) = (self.time.now(), self.nodes[id.node].habits.clone());
        let process = self.process(id)?;
        let link = LinkId(process.number());
        let task = Task {
            link: Link::new(Connection::new(habits.msrp, process.mint.fork()), now),
            end,
            waits: habits.waits,
            inbox: VecDeque::new(),
            jobs: VecDeque::new(),
            busy: false,
            stages: BTreeMap::new(),
            sources: BTreeMap::new(),
            outgoing: VecDeque::new(),
            commands: Lane::default(),
            notices: Lane::default(),
            closing: false,
            ended: false,
            writes: 0,
        };
        process.links.insert(link, task);
        let bearer = Bearer { carrier: Carrier::Tcp, remote: None, certificate: None };
        process.engine.handle(now, engine::Input::Linked(link, bearer), &mut Outbox::new());
        self.net.own(end, id, Port::Msrp(link));
        Some(link)
    }

    fn task(&mut self, id: ProcessId, link: LinkId) -> Option<&mut Task> {
        self.process(id)?.links.get_mut(&link)
    }

    /// A command or a timeout for a link.
    pub(crate) fn link_input(&mut self, id: ProcessId, link: LinkId, input: Input) {
        if let Some(task) = self.task(id, link).filter(|task| !task.ended) {
            task.inbox.push_back(input);
        }
        self.work(id, link);
    }

    /// Lets a link take whatever is there for it.
    pub(crate) fn work(&mut self, id: ProcessId, link: LinkId) {
        while let Some(input) = self.next_input(id, link) {
            self.give(id, link, input);
        }
    }

    fn next_input(&mut self, id: ProcessId, link: LinkId) -> Option<Input> {
        let Self { nodes, net, time, oracle, .. } = self;
        let node = nodes.get_mut(id.node).filter(|node| node.life == id.life)?;
        let task = node.process.as_mut()?.links.get_mut(&link)?;
        if task.is_waiting() {
            return None;
        }
        let end = task.end;
        let room = if task.closing {
            usize::MAX
        } else if task.outgoing.is_empty() {
            0
        } else {
            net.room(end)
        };
        let mut sent = 0;
        while let Some(front) = task.outgoing.front_mut().filter(|_| sent < room) {
            let piece = front.split_to(front.len().min(room - sent));
            sent += piece.len();
            if !front.has_remaining() {
                task.outgoing.pop_front();
            }
            if id.node == SERVER {
                oracle.msrp_sent(end, &piece);
            }
            net.write(time, end, piece);
        }
        if sent > 0 && !task.closing {
            return Some(Input::Sent(sent));
        }
        if !task.closing {
            if let Some(input) = task.inbox.pop_front() {
                return Some(input);
            }
            if task.link.wants_octets()
                && let Some(octets) = net.take(time, end)
            {
                return Some(Input::Octets(octets));
            }
        }
        let over = net.is_broken(end) || (task.link.wants_octets() && net.is_over(end));
        if task.closing || over {
            task.ended = true;
            net.finish(time, end);
            return Some(Input::Closed);
        }
        None
    }

    /// One input and what follows from it.
    fn give(&mut self, id: ProcessId, link: LinkId, input: Input) {
        let now = self.time.now();
        let mut out = Outbox::new();
        let Some(task) = self.task(id, link) else { return };
        task.link.handle(now, input, &mut out);
        while let Some(output) = out.pop() {
            let Some(task) = self.task(id, link) else { return };
            if needs_disk(&output) || (task.waits && !task.jobs.is_empty()) {
                task.jobs.push_back(output);
            } else {
                self.perform_link(id, link, output);
            }
        }
        self.go_on(id, link);
    }

    /// Performs what waited behind the disk, up to the next thing for the disk.
    fn go_on(&mut self, id: ProcessId, link: LinkId) {
        let delay = self.dice.between(self.nodes[id.node].habits.disk);
        while let Some(task) = self.task(id, link).filter(|task| !task.busy) {
            match task.jobs.front() {
                Some(job) if needs_disk(job) => {
                    task.busy = true;
                    return self.time.after(delay, Event::Disk(id, link));
                }
                Some(_) => {
                    let job = task.jobs.pop_front().expect("it was looked at");
                    self.perform_link(id, link, job);
                }
                None if task.ended => return self.bury_link(id, link),
                None => return,
            }
        }
    }

    /// Whatever is still open waits on disk for its sender.
    fn bury_link(&mut self, id: ProcessId, link: LinkId) {
        let Some(task) = self.process(id).and_then(|process| process.links.remove(&link)) else { return };
        for stage in task.stages.into_values() {
            let _ = stage.suspend(); // another session may have taken it over
        }
    }

    fn perform_link(&mut self, id: ProcessId, link: LinkId, output: Output) {
        if self.step(id, || format!("{link:?} {output:?}")) {
            return;
        }
        let delay = self.chatter();
        let Self { nodes, time, .. } = self;
        let process = nodes[id.node].process.as_mut().expect("a step was just made in it");
        let Some(task) = process.links.get_mut(&link) else { return };
        match output {
            Output::Transmit(octets) => task.outgoing.push_back(octets),
            Output::Notice(notice) => {
                let input = Box::new(engine::Input::Notice(link, notice));
                time.in_order(&mut task.notices, delay, Event::Engine(id, input));
            }
            Output::Close => task.closing = true,
            _ => unreachable!("the disk does the rest"),
        }
    }

    /// The disk has done the first job of a link.
    pub(crate) fn disk_done(&mut self, id: ProcessId, link: LinkId) {
        let Some(task) = self.task(id, link) else { return };
        task.busy = false;
        let Some(job) = task.jobs.pop_front() else { return };
        if self.step(id, || format!("{link:?} {job:?}")) {
            return;
        }
        match self.perform_on_disk(id, link, job) {
            Some(input) => self.give(id, link, input),
            None => self.go_on(id, link),
        }
        self.work(id, link);
        self.will_carry(id.node);
    }

    fn perform_on_disk(&mut self, id: ProcessId, link: LinkId, job: Output) -> Option<Input> {
        let now = self.time.now();
        let bug = self.bug.filter(|_| id.node == SERVER);
        let node = &mut self.nodes[id.node];
        let process = node.process.as_mut()?;
        let task = process.links.get_mut(&link)?;
        match job {
            Output::Open(message, plan) => {
                let opened = process.spool.stage(plan, now).map(|stage| {
                    let received = stage.received();
                    task.stages.insert(message, stage);
                    received
                });
                Some(Input::Staged(message, opened))
            }
            Output::Write(message, offset, octets) => {
                let stage = task.stages.get_mut(&message)?;
                task.writes += 1;
                let written = match bug {
                    Some(Bug::Hole) if task.writes == 2 => Ok(()),
                    Some(Bug::Offset) if task.writes == 2 => stage.write(offset + 1, &octets),
                    _ => stage.write(offset, &octets),
                };
                Some(Input::Written(message, octets.len(), written))
            }
            Output::Sync(message) => {
                let stage = task.stages.get_mut(&message)?;
                let synced = stage.sync();
                let claimed = if bug == Some(Bug::Hole) { synced.map(|_| stage.received().end()) } else { synced };
                Some(Input::Synced(message, claimed))
            }
            Output::Peek(message, octets) => Some(Input::Peeked(message, task.stages.get(&message)?.peek(octets))),
            Output::ContentFrom(message, offset) => {
                let _ = task.stages.get_mut(&message)?.content_from(offset); // another session may have taken it over
                None
            }
            Output::Seal(message, content, expected) => {
                let sealed = task.stages.remove(&message)?.seal_content(content, &expected);
                Some(Input::Sealed(message, sealed.map(Box::new)))
            }
            Output::Suspend(message) => {
                let _ = task.stages.remove(&message)?.suspend(); // another session may have taken it over
                None
            }
            Output::Discard(message) => {
                task.stages.remove(&message)?.discard();
                None
            }
            Output::Source(message, source) => {
                let reading = match source {
                    Source::Object(object) | Source::Part(object) => {
                        process.spool.read(&object).ok().map(Reading::Object)
                    }
                    Source::Local(path) => node.locals.get(&path).cloned().map(Reading::Local),
                };
                task.sources.insert(message, reading?);
                None
            }
            Output::Fetch(message, offset, octets) => {
                let fetched = task.sources.get(&message).and_then(|reading| reading.fetch(offset, octets));
                Some(Input::Fetched(message, offset, fetched))
            }
            Output::Release(message) => {
                task.sources.remove(&message);
                None
            }
            Output::Transmit(_) | Output::Notice(_) | Output::Close => None,
        }
    }
}

impl Reading {
    fn fetch(&self, offset: u64, octets: usize) -> Option<Bytes> {
        let mut buffer = vec![0; octets];
        let read = match self {
            Self::Object(body) => body.read_at(offset, &mut buffer).ok()?,
            Self::Local(content) => {
                let from = content.len().min(offset as usize);
                let read = octets.min(content.len() - from);
                buffer[..read].copy_from_slice(&content[from..from + read]);
                read
            }
        };
        buffer.truncate(read);
        (read > 0).then(|| Bytes::from(buffer))
    }
}
