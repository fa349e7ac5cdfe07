//! A process's engine, performed as `io::driver` and `io::signalling` do, but in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use restante::engine::link;
use restante::engine::{Command, Found, Input, LinkId, Output, Query, Ticket};
use restante::model::Outbox;
use restante::sip::{self, Flow, FlowId, Transport};
use restante::spool::{EnvelopeDraft, Sealed};

use crate::faults::{Bug, shadow};
use crate::net::{End, Port};
use crate::node::{MSRP_PORT, SIP_PORT, UDP};
use crate::world::{Event, ProcessId, Purpose, SERVER, World};

impl World {
    /// One input for an engine and everything that follows from it.
    pub(crate) fn tell_engine(&mut self, id: ProcessId, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut outputs = Outbox::new();
        while let Some(input) = inputs.pop_front() {
            let now = self.time.now();
            let Some(process) = self.process(id) else { return };
            process.engine.handle(now, input, &mut outputs);
            while let Some(output) = outputs.pop() {
                if self.step(id, || format!("{output:?}")) {
                    return;
                }
                inputs.extend(self.perform(id, output));
            }
        }
    }

    fn perform(&mut self, id: ProcessId, output: Output) -> Option<Input> {
        match output {
            Output::Transmit { flow, transport: Transport::Udp, remote, octets } => {
                self.oracle.sip_sent(id, &octets);
                debug_assert!(flow.is_none_or(|flow| flow == UDP));
                let from = SocketAddr::new(self.nodes[id.node].host, SIP_PORT);
                self.net.send_datagram(&mut self.time, from, remote, &octets);
            }
            Output::Transmit { flow, transport: Transport::Tcp | Transport::Tls, remote, octets } => {
                self.oracle.sip_sent(id, &octets);
                self.send_on_stream(id, flow, remote, octets);
            }
            Output::CloseFlow(flow) => {
                let end = self.process(id)?.flows.get(&flow).copied()?;
                self.net.finish(&mut self.time, end);
                self.flow_closed(id, flow);
            }
            Output::Link(link, command) => self.command(id, link, command),
            Output::Dial(session, uri, _) => match uri.host.parse() {
                Ok(host) => {
                    let to = SocketAddr::new(host, uri.port.unwrap_or(MSRP_PORT));
                    self.dial(id, to, Purpose::Msrp(session));
                }
                Err(_) => return Some(Input::Dialled(session, Err(format!("{uri}: no such host")))),
            },
            Output::DialRelay(uri) => unreachable!("no relay is configured here: {uri}"),
            Output::Find(ticket, query) => {
                let delay = self.disk_delay(id);
                self.time.after(delay, Event::Find(id, ticket, query));
            }
            Output::Commit(ticket, sealed, draft) => {
                let delay = self.disk_delay(id);
                self.time.after(delay, Event::Commit(id, ticket, sealed, draft));
            }
            Output::Watch(..) | Output::Paged(..) => unreachable!("nobody subscribes or is told here"),
            Output::Note(_) => {} // nobody reads the event log here
            Output::Happened(order, happening) => self.happened(id.node, order, happening),
            Output::Fetch(ticket, _) => return Some(Input::Fetched(ticket, Err("there is no web here".to_owned()))),
            Output::Drained => self.drained(id),
            Output::Change(..) => unreachable!("no script of the simulation deletes"),
            Output::Resolve(..) => unreachable!("no trunk of the simulation speaks CEMA"),
            Output::Locate(ticket, target) => {
                let place = target.place().map(|place| vec![place]);
                return Some(Input::Located(ticket, place.ok_or_else(|| "there is no DNS here".to_owned())));
            }
            Output::Handed(handed) => return Some(self.handed(handed)),
            Output::Record(delivery) => {
                let delay = self.disk_delay(id);
                self.time.after(delay, Event::Record(id, delivery));
            }
            Output::Recall(..) | Output::Answered(..) => unreachable!("nobody follows a delivery here"),
            Output::Move(..) | Output::StopMove(_) => unreachable!("no script of the simulation moves files"),
        }
        None
    }

    fn command(&mut self, id: ProcessId, link: LinkId, command: Command) {
        let delay = self.chatter();
        let Self { nodes, time, .. } = self;
        let process = nodes[id.node].process.as_mut();
        let Some(task) = process.and_then(|process| process.links.get_mut(&link)).filter(|task| !task.ended) else {
            return;
        };
        time.in_order(&mut task.commands, delay, Event::Link(id, link, link::Input::Command(command)));
    }

    fn disk_delay(&mut self, id: ProcessId) -> std::time::Duration {
        self.dice.between(self.nodes[id.node].habits.disk)
    }

    /// The spool is asked.
    pub(crate) fn find(&mut self, id: ProcessId, ticket: Ticket, query: Query) {
        let Some(process) = self.process(id) else { return };
        let found = match query {
            Query::Object(uri) => process.spool.find(&uri).map(Found::Object),
            Query::Forward(id) => process.spool.forwarded(&id).map(Found::Object),
            Query::Select(mailbox, selector) => {
                process.spool.select_one(mailbox.box_name(), &selector).map(Found::Object)
            }
            Query::List { .. } => unreachable!("no script of the simulation lists"),
            Query::Picture(uri) => process.spool.picture(&uri).map(Found::Picture),
            Query::Room(boxes, octets) => Ok(Found::Room(process.spool.has_room(&boxes, octets).err())),
            Query::Summary(mailbox) => process.spool.summary(&mailbox).map(Found::Summary),
            Query::Waiting(file) => Ok(Found::Waiting(process.spool.waiting(&file))),
        };
        let input = Input::Found(ticket, found.map_err(|error| error.to_string()));
        let delay = self.chatter();
        self.time.after(delay, Event::Engine(id, Box::new(input)));
    }

    /// A sealed file is published; the engine hears of it a little later.
    pub(crate) fn commit(&mut self, id: ProcessId, ticket: Ticket, sealed: Box<Sealed>, draft: Box<EnvelopeDraft>) {
        let now = self.time.now();
        if self.bug == Some(Bug::Early) && id.node == SERVER && !self.early.contains(&ticket) {
            self.early.insert(ticket);
            let content = self.oracle.content(draft.message_id.as_deref().unwrap_or_default());
            let committed = shadow(&content, &draft, sealed.object(), now);
            self.time.after(crate::faults::LATE, Event::Commit(id, ticket, sealed, draft));
            return self.tell_engine(id, Input::Committed(ticket, Ok(committed)));
        }
        let Some(process) = self.process(id) else { return };
        let committed = process.spool.commit(*sealed, *draft, now);
        self.will_carry(id.node);
        self.hand_over_routed(id);
        let delay = self.chatter();
        self.time.after(delay, Event::Engine(id, Box::new(Input::Committed(ticket, committed))));
    }

    fn send_on_stream(&mut self, id: ProcessId, flow: Option<FlowId>, remote: SocketAddr, octets: Bytes) {
        let Self { nodes, net, time, .. } = self;
        let Some(process) = nodes[id.node].process.as_mut() else { return };
        let live =
            flow.filter(|flow| process.flows.contains_key(flow)).or_else(|| process.by_peer.get(&remote).copied());
        if let Some(end) = live.and_then(|flow| process.flows.get(&flow)) {
            return net.write(time, *end, octets);
        }
        let waiting = process.dialling.entry(remote).or_default();
        waiting.push(octets);
        if waiting.len() == 1 {
            self.dial(id, remote, Purpose::Sip);
        }
    }

    fn dial(&mut self, from: ProcessId, to: SocketAddr, purpose: Purpose) {
        let latency = self.net.latency();
        self.time.after(latency, Event::Connect { from, to, purpose });
    }

    /// A connection is asked for. Who listens has it before who asked knows.
    pub(crate) fn connect(&mut self, from: ProcessId, to: SocketAddr, purpose: Purpose) {
        let listener = self.nodes.iter().position(|node| node.host == to.ip() && node.process.is_some());
        let listener = listener.map(|node| self.nodes[node].id(node));
        let is_reached = !self.is_parted(from.node, to) && (to.port() == SIP_PORT || to.port() == MSRP_PORT);
        let Some(id) = listener.filter(|_| is_reached) else {
            let latency = self.net.latency();
            return self.time.after(latency, Event::Connected { from, to, purpose, end: None });
        };
        self.ports += 1;
        let caller = SocketAddr::new(self.nodes[from.node].host, self.ports);
        let (theirs, ours) = self.net.connect(caller, to);
        if to.port() == SIP_PORT {
            self.make_flow(id, ours);
        } else {
            self.make_link(id, ours);
        }
        let connected = |end| Event::Connected { from, to, purpose, end: Some(end) };
        self.net.deliver(&mut self.time, theirs, connected);
    }

    /// A connection that was asked for stands, or does not.
    pub(crate) fn connected(&mut self, id: ProcessId, to: SocketAddr, purpose: Purpose, end: Option<End>) {
        let Some(process) = self.process(id) else {
            return end.map_or((), |end| self.net.reset(&mut self.time, end.pipe));
        };
        match (purpose, end) {
            (Purpose::Msrp(session), end) => {
                let link = end.and_then(|end| self.make_link(id, end)).ok_or_else(|| format!("{to} does not listen"));
                let made = link.clone();
                self.tell_engine(id, Input::Dialled(session, link));
                if let Ok(link) = made {
                    self.work(id, link);
                }
            }
            (Purpose::Sip, Some(end)) => {
                let waiting = process.dialling.remove(&to).unwrap_or_default();
                self.make_flow(id, end);
                for octets in waiting {
                    self.net.write(&mut self.time, end, octets);
                }
            }
            (Purpose::Sip, None) => {
                process.dialling.remove(&to);
                let input = sip::Input::Unconnected { transport: Transport::Tcp, remote: to, refused: true };
                self.tell_engine(id, Input::Sip(input));
            }
        }
    }

    fn make_flow(&mut self, id: ProcessId, end: End) {
        let (_, remote) = self.net.addresses(end);
        let Some(process) = self.process(id) else { return };
        let flow = FlowId(process.number());
        process.flows.insert(flow, end);
        process.by_peer.insert(remote, flow);
        self.net.own(end, id, Port::Sip(flow));
    }

    /// Something came on a SIP connection.
    pub(crate) fn flow_heard(&mut self, id: ProcessId, flow: FlowId, end: End) {
        let (local, remote) = self.net.addresses(end);
        while let Some(octets) = self.net.take(&mut self.time, end) {
            let flow = Flow { id: flow, transport: Transport::Tcp, local, remote };
            self.tell_engine(id, Input::Sip(sip::Input::Octets { flow, octets }));
        }
        if self.net.is_over(end) {
            self.net.finish(&mut self.time, end);
            self.flow_closed(id, flow);
        }
    }

    fn flow_closed(&mut self, id: ProcessId, flow: FlowId) {
        let Some(process) = self.process(id) else { return };
        process.by_peer.retain(|_, other| *other != flow);
        if let Some(end) = process.flows.remove(&flow) {
            let (local, remote) = self.net.addresses(end);
            let flow = Flow { id: flow, transport: Transport::Tcp, local, remote };
            let input = Input::Sip(sip::Input::FlowClosed(flow));
            self.time.after(std::time::Duration::ZERO, Event::Engine(id, Box::new(input)));
        }
    }
}
