//! The engine's task: it performs what the engine wants, and nothing else.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::connection::{self, MsrpStream};
use super::door::{Waiting, Wire};
use super::events::Notebook;
use super::fetch::Fetcher;
use super::finding;
use super::metrics;
use super::moving::Mover;
use super::resolve::Resolver;
use super::signalling::Signalling;
use super::stream::{self, Shared};
use super::tls::{HandshakeError, Tls};
use crate::engine::{
    Attempt, Command, Demand, Engine, Handed, Happening, Input, Link, LinkId, Notice, OrderId, Output, Page, PageEnd,
    Query, ScriptSource, Ticket, Wish,
};
use crate::model::limits::{COMMANDS_PER_CONNECTION, COMMANDS_PER_TRUNK, WEBSOCKET_CHUNK_OCTETS};
use crate::model::{Ending, Mint, Outbox};
use crate::msml::FileWork;
use crate::msrp::{self, Connection, MSRP_PORT, MsrpUri, SessionKey};
use crate::queue::{Lane, Name, Refusal, Unwritten, Wait};
use crate::sip::{self, Place, Target};
use crate::spool::{Change, Committed, Delivery, EnvelopeDraft, Sealed, SpoolError};

/// Happenings that may wait for a client command. It reads them all, so more means that it is gone.
const UNREAD_HAPPENINGS: usize = 4096;

/// How long connecting to a peer's MSRP address may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long DNS may take for one name of a description: the caller waits for our answer meanwhile.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Commits at work at once: half of the threads that tokio has for what blocks.
pub(super) const COMMITS: usize = 256;

/// How often the gauges are set.
const CENSUS: Duration = Duration::from_secs(1);

/// From outside of the engine's task.
#[derive(Debug)]
pub(super) enum Request {
    /// A client wants a call of its own and hears of it here.
    Listen(oneshot::Sender<(OrderId, mpsc::Receiver<Happening>)>),
    /// Make this attempt, and say how it has ended.
    Attempt(Box<Attempt>, oneshot::Sender<Ending>),
    /// Where this host is.
    Located(Ticket, String, Result<Vec<Place>, String>),
    /// An MSRP connection came in.
    Accepted(MsrpStream),
    /// One of ours stands, or does not.
    Dialled(Wanted, Result<MsrpStream, String>),
    /// Send a message, and say what has become of it.
    Page(Page, oneshot::Sender<PageEnd>),
    /// Something is to be done with deliveries.
    Wish(Wish, oneshot::Sender<Result<String, Refusal>>),
    /// How much waits for whom, and what for.
    Look(oneshot::Sender<Queued>),
    /// What these deliveries wait for, one by one.
    Waits(Vec<String>, oneshot::Sender<Vec<Option<(Name, Wait)>>>),
    /// Take no new work, and answer when the work at hand is done.
    Drain(oneshot::Sender<()>),
}

/// The queue at a moment: by host.
pub(super) type Queued = BTreeMap<String, Lane>;

/// What a connection of ours is made for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// The peer of a session.
    Session(SessionKey),
    /// Our relay, for all sessions.
    Relay,
}

/// Makes links and knows how to reach them.
pub(super) struct Driver {
    pub(super) engine: Engine,
    pub(super) shared: Shared,
    pub(super) signalling: Signalling,
    pub(super) notebook: Notebook,
    pub(super) mint: Mint,
    pub(super) msrp: msrp::Config,
    /// Instead of what SDP says: for a demonstration that puts something on the wire.
    pub(super) msrp_via: Option<SocketAddr>,
    pub(super) tls: Tls,
    pub(super) fetcher: Arc<Fetcher>,
    pub(super) mover: Arc<Mover>,
    /// Places for commits.
    pub(super) commits: Arc<Semaphore>,
    /// Hears of every object.
    pub(super) committed: Option<mpsc::Sender<Committed>>,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) links: HashMap<LinkId, mpsc::Sender<Command>>,
    pub(super) listeners: HashMap<OrderId, mpsc::Sender<Happening>>,
    /// Who waits for the end of an attempt, by delivery and token.
    pub(super) attempts: HashMap<(String, u64), oneshot::Sender<Ending>>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) next_link: u64,
    pub(super) next_order: u64,
    /// Who waits for what the engine says of deliveries.
    pub(super) wishes: HashMap<u64, oneshot::Sender<Result<String, Refusal>>>,
    pub(super) next_wish: u64,
    /// Who waits for the end of a message.
    pub(super) pages: HashMap<u64, oneshot::Sender<PageEnd>>,
    pub(super) next_page: u64,
    pub(super) drained: Option<oneshot::Sender<()>>,
    /// What a node that stops waits for: links put their stages to rest.
    pub(super) tasks: TaskTracker,
}

/// The driver's ears.
pub(super) struct Ears {
    pub(super) engine: mpsc::Receiver<Input>,
    pub(super) wire: Waiting,
    pub(super) requests: mpsc::Receiver<Request>,
}

impl Driver {
    /// Runs until the node stops.
    pub(super) async fn run(mut self, mut ears: Ears) {
        let stop = self.shared.stop.clone();
        let mut census = tokio::time::interval(CENSUS);
        let stirred = Arc::new(Notify::new());
        let bell = Arc::clone(&stirred);
        self.shared.spool.hang_bell(move || bell.notify_one());
        loop {
            let deadline = self.engine.deadline().map(|deadline| self.shared.clock.at(deadline));
            tokio::select! {
                input = ears.engine.recv() => match input {
                    Some(input) => self.handle(input),
                    None => return,
                },
                wire = ears.wire.next() => match wire {
                    Some(wire) => self.wire(wire, &mut ears.wire),
                    None => return,
                },
                request = ears.requests.recv() => match request {
                    Some(request) => self.request(request),
                    None => return,
                },
                () = sleep_until(deadline), if deadline.is_some() => self.handle(Input::Timeout),
                () = stirred.notified() => self.handle(Input::Stirred(self.shared.spool.stirred())),
                _ = census.tick() => {
                    metrics::census(self.engine.census());
                    metrics::queue(self.engine.queued());
                }
                () = stop.cancelled() => return,
            }
        }
    }

    fn wire(&mut self, wire: Wire, waiting: &mut Waiting) {
        match wire {
            Wire::Up(flow, sender, hosts, dialled) => {
                let proven: Vec<String> = hosts.iter().cloned().chain(dialled).collect();
                if !hosts.is_empty() {
                    self.handle(Input::Certified(flow.id, hosts));
                }
                self.signalling.up(flow, sender, &proven);
            }
            Wire::Octets(arrived) => {
                if let Some(busy) = waiting.word(self.shared.clock.now().instant, &arrived) {
                    self.handle(Input::Sip(sip::Input::Busy(busy)));
                }
                let (flow, octets) = (arrived.flow, arrived.octets.clone());
                self.handle(Input::Sip(sip::Input::Octets { flow, octets }));
            }
            Wire::Sip(input) => {
                match &input {
                    sip::Input::FlowClosed(flow) => self.signalling.down(flow.id),
                    sip::Input::Unconnected { .. } => self.signalling.forget_dials(),
                    _ => {}
                }
                self.handle(Input::Sip(input));
            }
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Listen(answer) => {
                self.next_order += 1;
                let id = OrderId(self.next_order);
                let (sender, receiver) = mpsc::channel(UNREAD_HAPPENINGS);
                self.listeners.insert(id, sender);
                let _ = answer.send((id, receiver));
            }
            Request::Attempt(attempt, ended) => {
                self.attempts.insert((attempt.delivery.clone(), attempt.token), ended);
                self.handle(Input::Deliver(attempt));
            }
            Request::Located(ticket, name, located) => {
                located.iter().flatten().for_each(|place| self.signalling.known_as(*place, &name));
                self.handle(Input::Located(ticket, located));
            }
            Request::Accepted(stream) => drop(self.link(stream, None)),
            Request::Dialled(wanted, connected) => {
                let link = connected.map(|stream| self.link(stream, Some(wanted)));
                self.handle(match wanted {
                    Wanted::Session(session) => Input::Dialled(session, link),
                    Wanted::Relay => Input::RelayDialled(link),
                });
            }
            Request::Wish(wish, answer) => {
                self.next_wish += 1;
                self.wishes.insert(self.next_wish, answer);
                self.handle(Input::Wish(self.next_wish, wish));
            }
            Request::Page(page, ended) => {
                self.next_page += 1;
                self.pages.insert(self.next_page, ended);
                self.handle(Input::Page(self.next_page, page));
            }
            Request::Look(answer) => _ = answer.send(self.engine.lanes(self.shared.clock.now())),
            Request::Waits(ids, answer) => {
                let now = self.shared.clock.now();
                let _ = answer.send(ids.iter().map(|id| self.engine.waits(now, id)).collect());
            }
            Request::Drain(done) => {
                self.drained = Some(done);
                self.handle(Input::Drain);
            }
        }
    }

    /// Puts a stream to work as a link; `wanted` is what we have connected for, if we have.
    fn link(&mut self, stream: MsrpStream, wanted: Option<Wanted>) -> LinkId {
        self.next_link += 1;
        let id = LinkId(self.next_link);
        let mut config = self.msrp.clone();
        if stream.bearer.carrier.is_websocket() {
            config.websocket = true;
            config.chunk_octets = WEBSOCKET_CHUNK_OCTETS; // RFC 7977 §5.1: a chunk is one message of the WebSocket
        }
        config.trunk = matches!(wanted, Some(Wanted::Relay));
        let unread = if config.trunk { COMMANDS_PER_TRUNK } else { COMMANDS_PER_CONNECTION };
        let link = Link::new(Connection::new(config, self.mint.fork()), self.shared.clock.now());
        let (sender, receiver) = mpsc::channel(unread);
        self.links.insert(id, sender);
        self.handle(Input::Linked(id, stream.bearer.clone()));
        self.tasks.spawn(stream::serve(id, stream, link, receiver, self.shared.clone()));
        id
    }

    fn handle(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut outputs = Outbox::new();
        while let Some(input) = inputs.pop_front() {
            if let Input::Notice(link, Notice::Closed) = &input {
                self.links.remove(link);
            }
            self.engine.handle(self.shared.clock.now(), input, &mut outputs);
            while let Some(output) = outputs.pop() {
                inputs.extend(self.perform(output));
            }
        }
    }

    fn perform(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Transmit { flow, transport, remote, octets } => {
                metrics::sip_sent(&octets);
                if self.signalling.send(flow, transport, remote, octets) {
                    return None;
                }
                return Some(Input::Sip(sip::Input::TransportFailed { flow, transport, remote }));
            }
            Output::CloseFlow(flow) => self.signalling.close(flow),
            Output::Link(link, command) => self.command(link, command),
            Output::Dial(session, uri, demand) => self.dial(Wanted::Session(session), uri, demand),
            Output::DialRelay(uri) => {
                let demand = Demand::of_host(&uri);
                self.dial(Wanted::Relay, uri, Some(demand));
            }
            // At once: it asks no disk, and nothing may come before its answer.
            Output::Find(ticket, Query::Room(boxes, octets)) => {
                return Some(Input::Found(ticket, Ok(finding::room(&self.shared.spool, &boxes, octets))));
            }
            Output::Find(ticket, query) => {
                finding::find(self.shared.spool.clone(), self.shared.engine.clone(), ticket, query);
            }
            Output::Fetch(ticket, source) => self.fetch(ticket, source),
            Output::Move(ticket, work) => self.move_file(ticket, *work),
            Output::StopMove(ticket) => self.mover.stop(ticket),
            Output::Resolve(ticket, names) => self.resolve(ticket, names),
            Output::Locate(ticket, target) => self.locate(ticket, target),
            Output::Paged(number, end) => {
                if let Some(waits) = self.pages.remove(&number) {
                    let _ = waits.send(end); // who has gone wants to hear nothing
                }
            }
            Output::Handed(handed) => return self.handed(handed),
            Output::Commit(ticket, sealed, draft) => self.commit(ticket, sealed, draft),
            Output::Change(ticket, object, change, by) => self.change(ticket, object, change, by),
            Output::Watch(mailbox, watched) => self.shared.spool.watch(&mailbox, watched),
            Output::Note(note) => self.notebook.take(note),
            Output::Recall(ticket, query) => {
                if !self.notebook.recall(ticket, query) {
                    return Some(Input::Recalled(ticket, Err("too many events wait to be written".to_owned())));
                }
            }
            Output::Record(delivery) => self.record(delivery),
            Output::Answered(number, answer) => {
                if let Some(waits) = self.wishes.remove(&number) {
                    let _ = waits.send(answer); // who has gone wants to hear nothing
                }
            }
            Output::Happened(order, happening) => self.happened(order, happening),
            Output::Drained => {
                if let Some(drained) = self.drained.take() {
                    let _ = drained.send(());
                }
            }
        }
        None
    }

    fn command(&mut self, link: LinkId, command: Command) {
        let Some(sender) = self.links.get(&link) else { return };
        if let Err(error) = sender.try_send(command) {
            tracing::warn!(link = link.0, %error, "the MSRP link does not listen any more: closing it");
            self.links.remove(&link);
        }
    }

    fn dial(&self, wanted: Wanted, uri: MsrpUri, demand: Option<Demand>) {
        let (requests, via, tls) = (self.requests.clone(), self.msrp_via, self.tls.clone());
        let place = uri.authority();
        tokio::spawn(async move {
            let connected = match tokio::time::timeout(DIAL_TIMEOUT, connect(&uri, via, demand, &tls)).await {
                Ok(connected) => connected.map_err(|why| format!("{place}: {why}")),
                Err(_) => Err(format!("{place}: no answer within {} s", DIAL_TIMEOUT.as_secs())),
            };
            let _ = requests.send(Request::Dialled(wanted, connected)).await;
        });
    }

    fn fetch(&self, ticket: Ticket, source: ScriptSource) {
        let (spool, engine, fetcher) = (self.shared.spool.clone(), self.shared.engine.clone(), self.fetcher.clone());
        tokio::spawn(async move {
            let fetched = fetcher.script(spool, source).await;
            if let Err(why) = &fetched {
                tracing::warn!(?ticket, why, "no script");
            }
            let _ = engine.send(Input::Fetched(ticket, fetched)).await;
        });
    }

    fn move_file(&self, ticket: Ticket, work: FileWork) {
        let (mover, engine, observer) = (Arc::clone(&self.mover), self.shared.engine.clone(), self.committed.clone());
        let stop = mover.begin(ticket);
        self.tasks.spawn(async move {
            let moved = mover.work(ticket, work, stop).await;
            let object = moved.as_ref().ok().and_then(|moved| moved.object.clone());
            let _ = engine.send(Input::Moved(ticket, moved)).await;
            if let Some((observer, object)) = observer.zip(object) {
                let _ = observer.send(object).await; // an observer that left wants to hear nothing
            }
        });
    }

    fn resolve(&self, ticket: Ticket, names: Vec<String>) {
        let engine = self.shared.engine.clone();
        tokio::spawn(async move {
            // All at once: the call waits for the slowest, not for their sum.
            let lookups = names.into_iter().map(|name| async move {
                let found = tokio::time::timeout(RESOLVE_TIMEOUT, lookup_host((name.clone(), 0))).await;
                let addresses = match found {
                    Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
                    _ => Vec::new(),
                };
                (name, addresses)
            });
            let resolved = futures_util::future::join_all(lookups).await;
            let _ = engine.send(Input::Resolved(ticket, resolved)).await;
        });
    }

    fn locate(&mut self, ticket: Ticket, target: Target) {
        let (requests, resolver, mint) = (self.requests.clone(), Arc::clone(&self.resolver), self.mint.fork());
        tokio::spawn(async move {
            let located = resolver.locate(&target, mint).await;
            let _ = requests.send(Request::Located(ticket, target.host, located)).await;
        });
    }

    /// The end of an attempt is for whoever asked for it, and if nobody has, for the queue.
    fn handed(&mut self, handed: Handed) -> Option<Input> {
        let Some(waits) = self.attempts.remove(&(handed.delivery.clone(), handed.token)) else {
            return Some(Input::Handed(handed));
        };
        let _ = waits.send(handed.ending); // whoever asked may have gone
        None
    }

    fn commit(&self, ticket: Ticket, sealed: Box<Sealed>, draft: Box<EnvelopeDraft>) {
        let (spool, engine, clock) = (self.shared.spool.clone(), self.shared.engine.clone(), self.shared.clock);
        let observer = self.committed.clone();
        let places = Arc::clone(&self.commits);
        tokio::spawn(async move {
            // Commits that wait for a bucket take no thread from those who only ask.
            let Ok(place) = places.acquire_owned().await else { return };
            tokio::task::spawn_blocking(move || {
                let now = clock.now();
                let committed = spool.commit(*sealed, *draft, now);
                metrics::committed(clock.now().instant - now.instant);
                let object = committed.as_ref().ok().cloned();
                let _ = engine.blocking_send(Input::Committed(ticket, committed));
                if let Some((observer, object)) = observer.zip(object) {
                    let _ = observer.blocking_send(object); // an observer that left wants to hear nothing
                }
                drop(place);
            });
        });
    }

    fn change(&self, ticket: Ticket, object: Committed, change: Change, by: String) {
        let (spool, engine, clock) = (self.shared.spool.clone(), self.shared.engine.clone(), self.shared.clock);
        tokio::task::spawn_blocking(move || {
            let changed = spool.change(&object, change, &by, clock.now());
            let changed = changed.map(drop).map_err(|error| error.to_string());
            let _ = engine.blocking_send(Input::Changed(ticket, changed));
        });
    }

    fn record(&self, delivery: Box<Delivery>) {
        let (spool, engine, now) = (self.shared.spool.clone(), self.shared.engine.clone(), self.shared.clock.now());
        self.tasks.spawn_blocking(move || {
            let result = spool.deliver(&delivery, now).map_err(unwritten);
            match &result {
                Ok(()) => metrics::delivery(&delivery),
                // The queue takes it as it is.
                Err(Unwritten::Gone(_)) if delivery.progress.is_settled() => spool.tell_of_lost(&delivery),
                Err(_) => {}
            }
            let _ = engine.blocking_send(Input::Recorded(delivery.id.clone(), result));
        });
    }

    fn happened(&mut self, order: OrderId, happening: Happening) {
        let over = matches!(happening, Happening::Ended(_));
        if let Some(listener) = self.listeners.get(&order)
            && let Err(error) = listener.try_send(happening)
        {
            tracing::warn!(order = order.0, %error, "the client command does not listen");
        }
        if over {
            self.listeners.remove(&order);
        }
    }
}

/// What it means to the queue that the spool has not written something down.
fn unwritten(error: SpoolError) -> Unwritten {
    match error {
        SpoolError::Gone { .. } | SpoolError::Corrupt { .. } => Unwritten::Gone(error.to_string()),
        SpoolError::Held { by, .. } => Unwritten::Held(by),
        SpoolError::Superseded { .. } => Unwritten::Superseded,
        SpoolError::TooManyDeliveries { .. } | SpoolError::TooMuch { .. } => Unwritten::TooMany(error.to_string()),
        other => Unwritten::Failed(other.to_string()),
    }
}

async fn connect(
    uri: &MsrpUri,
    via: Option<SocketAddr>,
    demand: Option<Demand>,
    tls: &Tls,
) -> Result<MsrpStream, HandshakeError> {
    let addresses = match via {
        Some(via) => vec![via],
        None => {
            let host = uri.host.trim_start_matches('[').trim_end_matches(']');
            lookup_host((host, uri.port.unwrap_or(MSRP_PORT))).await?.collect()
        }
    };
    let stream = connection::connect_to_one_of(&addresses).await?;
    match demand.or_else(|| uri.secure.then(|| Demand::of_host(uri))) {
        Some(demand) => tls.connect(stream, &uri.host, demand).await,
        None => Ok(MsrpStream::tcp(stream, None)),
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}
