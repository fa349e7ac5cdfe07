//! A whole node: spool, engine, sockets and the operator's door, started from settings and stopped in good order.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admin::{self, Addresses, Admin, Readiness, Token};
use super::bucket::OpenError;
use super::clock::Clock;
use super::door::Doors;
use super::driver::{COMMITS, Driver, Ears, Request};
use super::fetch::Fetcher;
use super::files::HostFiles;
use super::http::Api;
use super::listen;
use super::moving::Mover;
use super::notices::{Ear, Herald};
use super::places::Places;
use super::resolve::Resolver;
use super::signalling::Signalling;
use super::stream::Shared;
use super::tls::{Reload, Tls, TlsError};
use super::watch::{self, Watch};
use super::{descriptors, entropy, events, keys, metrics, remote, scrub, terms, websocket};
use crate::config::{self, Listen, Settings};
use crate::engine::{Attempt, CallMedia, Engine, Happening, Input, Order, OrderId};
use crate::model::{Ending, Mint};
use crate::msml::{Interpreter, Limits};
use crate::msrp::{self, Carrier};
use crate::sip::{Endpoint, Transport};
use crate::spool::{Committed, DatabaseError, EventLog, Index, NoticeLog, Recovery, Spool, SpoolError};

/// Inputs that may wait for the engine; a full queue slows sockets down.
const UNREAD_INPUTS: usize = 1024;

/// What a node needs besides its settings.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the operator's HTTP door is opened; a client command has none.
    pub http: bool,
    /// Connects MSRP here whatever SDP says: for a demonstration that puts something on the wire.
    pub msrp_via: Option<SocketAddr>,
    /// Hears of every object that is committed, whoever asked for it; the next commit waits until it is heard.
    pub committed: Option<mpsc::Sender<Committed>>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("{error}")]
    Listen {
        /// The setting that names the address.
        key: &'static str,
        /// The address and what is wrong with it.
        error: io::Error,
    },
    /// A file can't be read, or the system has no random numbers.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The spool's directory can't be used.
    #[error("the spool {path} cannot be used: {error}")]
    Spool {
        /// Its directory.
        path: String,
        /// What is wrong.
        error: SpoolError,
    },
    /// The outbox of notices can't be used.
    #[error("the outbox of notices in the spool {path} cannot be used: {error}")]
    Outbox {
        /// The directory of the spool.
        path: String,
        /// What is wrong.
        error: DatabaseError,
    },
    /// A certificate, a key or the authorities can't be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The bucket can't be talked to.
    #[error("{0}")]
    Bucket(#[from] OpenError),
    /// A setting makes no sense together with the machine.
    #[error("{0}")]
    Settings(String),
}

/// A running node.
pub struct Node {
    addresses: Addresses,
    bound: Bound,
    recovery: Recovery,
    readiness: Readiness,
    spool: Spool,
    clock: Clock,
    engine: mpsc::Sender<Input>,
    requests: mpsc::Sender<Request>,
    stop: CancellationToken,
    tasks: TaskTracker,
    api: Api,
    tls: Tls,
    sip_tls: Tls,
    handover_after: Duration,
    handover: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// The addresses that were really bound.
#[derive(Clone, Debug, Default)]
struct Bound {
    sip: Vec<(Transport, SocketAddr)>,
    msrp: Vec<(Carrier, SocketAddr)>,
    http: Option<SocketAddr>,
}

impl Node {
    /// Opens the spool, binds every socket and starts to serve.
    ///
    /// # Errors
    /// [`StartError`] names the address, file or setting.
    pub async fn start(settings: &Settings, options: Options) -> Result<Self, StartError> {
        let clock = Clock::start();
        descriptors::raise();
        let mut mint = entropy::mint()?;
        let ((spool, recovery), refusal, log) = block_in_place(|| {
            let refusal = remote::refusal(settings, mint.fork(), clock.now().wall)?;
            let opened = open_spool(settings, mint.fork(), clock)?;
            Ok::<_, StartError>((opened, refusal, Arc::new(open_log(settings, mint.fork(), clock)?)))
        })?;
        let (outbox, herald, ear) = block_in_place(|| open_outbox(settings, &spool, &mut mint, clock))?;
        let stop = CancellationToken::new();
        let scrub_mint = mint.fork();
        let (engine, engine_ears) = mpsc::channel(UNREAD_INPUTS);
        let (doors, wire) = Doors::open(&settings.control.trusted);
        let (requests, request_ears) = mpsc::channel(UNREAD_INPUTS);
        let sip_tls = block_in_place(|| Tls::open_sip(settings, terms::sip_hosts(settings)))?;
        let (signalling, sip) = Signalling::open(&settings.sip.listen, doors, sip_tls.clone(), stop.clone())
            .await
            .map_err(|error| StartError::Listen { key: "sip.listen", error })?;
        let mut bound = Bound { sip, ..Bound::default() };
        let tls = block_in_place(|| Tls::open(settings, terms::certificate_hosts(settings)))?;
        let places = Places::new(descriptors::for_files());
        let websocket = websocket::Terms::new(&settings.msrp.origins);
        for listen in &settings.msrp.listen {
            let listener = bind("msrp.listen", listen).await?;
            let carrier = terms::carrier(listen.transport).map_err(StartError::Settings)?;
            bound.msrp.push((carrier, listener.local_addr()?));
            let (places, requests, stop) = (places.clone(), requests.clone(), stop.clone());
            let (tls, websocket) = (carrier.is_secure().then(|| tls.clone()), websocket.clone());
            tokio::spawn(listen::Door { listener, carrier, tls, websocket, places, requests, stop }.serve());
        }
        let mut policy = terms::policy(settings, &bound.msrp, &bound.sip).map_err(StartError::Settings)?;
        if bound.msrp.iter().any(|(carrier, _)| carrier.is_secure()) {
            policy.fingerprints = tls.fingerprints()?; // only sessions of such a listener are described with one
        }
        let endpoint =
            Endpoint::new(terms::sip_config(settings, &bound.sip).map_err(StartError::Settings)?, mint.fork());
        let interpreter = Interpreter::new(Limits::default(), mint.fork());
        let tasks = TaskTracker::new();
        let (notebook, writer, newest) = events::open(Arc::clone(&log), clock, engine.clone());
        tasks.spawn_blocking(move || writer.run());
        let told = notebook.clone();
        let (max_size, committed) = (settings.msrp.max_size, options.committed.clone());
        let (ends, noticed) = ((clock, requests.clone()), (outbox, ear));
        let api = Api::new(spool.clone(), (log, newest), noticed, ends, max_size, committed, stop.clone());
        let shared = Shared {
            spool: spool.clone(),
            transfers: api.transfers.clone(),
            clock,
            engine: engine.clone(),
            stop: stop.clone(),
        };
        let driver = Driver {
            engine: Engine::new(policy, endpoint, interpreter, mint.fork())
                .patience(terms::queue(settings), settings.queue.bind)
                .audience(terms::audience(settings)),
            shared,
            signalling,
            notebook,
            mint,
            msrp: msrp::Config::default(),
            msrp_via: options.msrp_via,
            tls: tls.clone(),
            fetcher: Arc::new(Fetcher::new(terms::sites(settings))),
            mover: Arc::new(Mover::new(
                spool.clone(),
                clock,
                terms::places(settings),
                settings.msrp.max_size,
                stop.clone(),
            )),
            commits: Arc::new(Semaphore::new(COMMITS)),
            committed: options.committed,
            requests: requests.clone(),
            links: HashMap::new(),
            listeners: HashMap::new(),
            attempts: HashMap::new(),
            resolver: Arc::new(Resolver::new(terms::nameservers(settings))),
            next_link: 0,
            next_order: 0,
            wishes: HashMap::new(),
            next_wish: 0,
            pages: HashMap::new(),
            next_page: 0,
            drained: None,
            tasks: tasks.clone(),
        };
        tasks.spawn(driver.run(Ears { engine: engine_ears, wire, requests: request_ears }));
        let readiness = Readiness::new();
        if options.http {
            bound.http = Some(open_door(settings, &readiness, api.clone()).await?);
        }
        remote::carry(&spool, refusal, &readiness, &tasks, &stop);
        let mut watch = Watch::new(&spool, &readiness, &engine, told, clock);
        watch.look().await;
        tasks.spawn(watch.run(stop.clone()));
        tasks.spawn_blocking(known_deliveries(&spool, &engine));
        tasks.spawn(herald.run(requests.clone(), stop.clone()));
        tasks.spawn(routed_deliveries(&spool, settings, &engine, &stop));
        tasks.spawn(watch::sweep(spool.clone(), clock, stop.clone()));
        tasks.spawn(scrub::run(spool.clone(), terms::scrubbing(settings), scrub_mint, stop.clone()));
        let addresses = bound.addresses();
        readiness.listening(addresses.clone());
        tracing::info!(sip = ?addresses.sip, msrp = ?addresses.msrp, http = %addresses.http, "listening");
        let handover_after = settings.sip.answer_timeout;
        let handover = tokio::sync::Mutex::new(None);
        Ok(Self {
            addresses,
            bound,
            recovery,
            readiness,
            spool,
            clock,
            engine,
            requests,
            stop,
            tasks,
            api,
            tls,
            sip_tls,
            handover_after,
            handover,
        })
    }

    /// The addresses that are really listened on.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The first address on which SIP is listened for by this transport.
    pub fn sip_address(&self, transport: Transport) -> Option<SocketAddr> {
        self.bound.sip.iter().find(|(kind, _)| *kind == transport).map(|(_, address)| *address)
    }

    /// The first address on which MSRP is listened for.
    pub fn msrp_address(&self) -> Option<SocketAddr> {
        self.bound.msrp.first().map(|(_, address)| *address)
    }

    /// What was found in the spool at the start.
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Its spool.
    pub const fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Its clock.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// A call of one's own on this node.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn line(&self) -> io::Result<Line> {
        let (answer, listening) = oneshot::channel();
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the node has stopped");
        self.requests.send(Request::Listen(answer)).await.map_err(|_| gone())?;
        let (id, happenings) = listening.await.map_err(|_| gone())?;
        Ok(Line { id, happenings, engine: self.engine.clone() })
    }

    /// Makes one attempt to hand an object on, and waits for its end.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn attempt(&self, attempt: Attempt) -> io::Result<Ending> {
        let (ended, end) = oneshot::channel();
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the node has stopped");
        self.requests.send(Request::Attempt(Box::new(attempt), ended)).await.map_err(|_| gone())?;
        end.await.map_err(|_| gone())
    }

    /// Reads certificate, key and authorities again. Connections go on as they are. What was read is shown in handshakes
    /// when no call is left that was offered the old certificate alone, which is after `sip.answer_timeout`; until then
    /// descriptions name both, as RFC 8122 §5.1 has it.
    ///
    /// # Errors
    /// A file can't be used; everything stays as it was.
    pub async fn reload(&self) -> Result<(), TlsError> {
        let (sip, reload) = block_in_place(|| Ok::<_, TlsError>((self.sip_tls.reload()?, self.tls.reload()?)))?;
        sip.show(); // no description speaks of this one
        let mut handover = self.handover.lock().await;
        if let Some(earlier) = handover.take() {
            earlier.abort(); // its certificate was never shown
        }
        if let Some(fingerprints) = reload.fingerprints() {
            let _ = self.engine.send(Input::Fingerprints(fingerprints)).await;
        }
        *handover = Some(tokio::spawn(hand_over(reload, self.handover_after, self.engine.clone(), self.stop.clone())));
        Ok(())
    }

    /// Takes no new calls, waits at most `patience` for what is under way, and stops. Files that are still arriving stay
    /// in their stages, where their senders can go on. Returns whether everything under way was finished.
    pub async fn drain(self, patience: Duration) -> bool {
        self.readiness.object("server", "draining");
        let Api { uploads, downloads, draining, .. } = self.api.clone();
        draining.cancel();
        uploads.close();
        downloads.close();
        let (done, drained) = oneshot::channel();
        let asked = self.requests.send(Request::Drain(done)).await.is_ok();
        let everything = async { tokio::join!(drained, uploads.wait(), downloads.wait()) };
        let finished = asked && matches!(tokio::time::timeout(patience, everything).await, Ok((Ok(()), ..)));
        self.stop().await;
        finished
    }

    /// Stops at once.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.api.uploads.close();
        let everything = async { tokio::join!(self.tasks.wait(), self.api.uploads.wait()) };
        let _ = tokio::time::timeout(STOP_PATIENCE, everything).await;
    }
}

impl Drop for Node {
    /// What nobody waits for stops, too: sockets are closed and nothing new is begun.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How long stopping may take before the process goes anyway: what is durable is durable.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// One call that a command places, from its first order to [`Happening::Ended`].
#[derive(Debug)]
pub struct Line {
    id: OrderId,
    happenings: mpsc::Receiver<Happening>,
    engine: mpsc::Sender<Input>,
}

impl Line {
    /// Places the call.
    pub async fn call(&self, target: String, from: String, remote: SocketAddr, transport: Transport, media: CallMedia) {
        self.order(Order::Call { id: self.id, target, from, remote, transport, media }).await;
    }

    /// Sends an MSML document on it; `token` comes back with the response.
    pub async fn msml(&self, token: u64, document: String) {
        self.order(Order::Info(self.id, token, document)).await;
    }

    /// Hangs up.
    pub async fn hang_up(&self) {
        self.order(Order::Bye(self.id)).await;
    }

    /// What happens next; `None` when the node has stopped or the call was over before.
    pub async fn next(&mut self) -> Option<Happening> {
        self.happenings.recv().await
    }

    async fn order(&self, order: Order) {
        // A stopped node shows in `next`, which then ends.
        let _ = self.engine.send(Input::Order(order)).await;
    }
}

impl Bound {
    fn addresses(&self) -> Addresses {
        Addresses {
            sip: self
                .sip
                .iter()
                .map(|(transport, address)| format!("{}:{address}", transport.name().to_ascii_lowercase()))
                .collect(),
            msrp: self.msrp.iter().map(|(carrier, address)| format!("{carrier}:{address}")).collect(),
            http: self.http.map(|address| address.to_string()).unwrap_or_default(),
        }
    }
}

async fn bind(key: &'static str, listen: &Listen) -> Result<TcpListener, StartError> {
    TcpListener::bind(listen.authority()).await.map_err(|error| {
        let error = io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"));
        StartError::Listen { key, error }
    })
}

async fn hand_over(reload: Reload, after: Duration, engine: mpsc::Sender<Input>, stop: CancellationToken) {
    let wait = if reload.changes() { after } else { Duration::ZERO };
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = stop.cancelled() => return,
    }
    let Some(shown) = reload.show() else { return };
    tracing::info!(fingerprint = ?shown.first(), "handshakes show the certificate that was read");
    let _ = engine.send(Input::Fingerprints(shown)).await; // a node that has stopped tells nobody
}

fn open_spool(settings: &Settings, mint: Mint, clock: Clock) -> Result<(Spool, Recovery), StartError> {
    let path = &settings.spool.path;
    let failed = |error| StartError::Spool { path: path.display().to_string(), error };
    let files =
        HostFiles::new(path).map_err(|error| failed(SpoolError::Io { doing: "making its directory", error }))?;
    let index = Index::open(path.join("index.sqlite"));
    let keys = keys::read(&settings.spool.keys).map_err(StartError::Settings)?;
    let remote = remote::open(&settings.spool, &settings.boxes)?;
    let opened = Spool::open_with_bucket(Arc::new(files), remote, index, keys, mint, clock.now());
    let (spool, recovery) = opened.map_err(failed)?;
    spool.set_classes(terms::box_classes(settings));
    spool.set_marks(terms::marks(settings));
    for (id, verdict) in &recovery.verdicts {
        tracing::warn!(%id, ?verdict, "found at start");
    }
    tracing::info!(objects = recovery.objects, resumable = recovery.resumable, swept = recovery.swept, "spool open");
    Ok((spool, recovery))
}

/// The event log of a spool that is open.
fn open_log(settings: &Settings, mint: Mint, clock: Clock) -> Result<EventLog, StartError> {
    let files = HostFiles::existing(&settings.spool.path)?;
    let keys = keys::read(&settings.spool.keys).map_err(StartError::Settings)?;
    Ok(EventLog::open(&files, files.root(), terms::kept_events(settings), &keys, mint, clock.now()))
}

/// The outbox of a spool that is open, and what tells others.
fn open_outbox(
    settings: &Settings,
    spool: &Spool,
    mint: &mut Mint,
    clock: Clock,
) -> Result<(Arc<NoticeLog>, Herald, Ear), StartError> {
    let files = HostFiles::existing(&settings.spool.path)?;
    let keys = keys::read(&settings.spool.keys).map_err(StartError::Settings)?;
    let mut outbox = NoticeLog::open(&files, files.root(), &keys, mint.fork(), clock.now());
    // As with files: what is sealed waits for its key, and everything else goes on. A start with the key looks for what was
    // told meanwhile, too.
    if matches!(outbox, Err(DatabaseError::Locked)) {
        tracing::error!(
            "the outbox of notices waits for its key, which is not among spool.keys: new ones are kept in memory"
        );
        outbox = Ok(NoticeLog::in_memory(&keys, mint.fork(), clock.now()));
    }
    let failed = |error| StartError::Outbox { path: settings.spool.path.display().to_string(), error };
    let outbox = Arc::new(outbox.map_err(failed)?);
    let opened = Herald::open(settings, spool, Arc::clone(&outbox), (clock, mint.fork()));
    let (herald, ear) = opened.map_err(StartError::Settings)?;
    Ok((outbox, herald, ear))
}

/// Hands the engine what was to be forwarded when the last server stopped. New deliveries need not wait for that.
fn known_deliveries(spool: &Spool, engine: &mpsc::Sender<Input>) -> impl FnOnce() + Send + use<> {
    let (spool, engine) = (spool.clone(), engine.clone());
    move || {
        let mut next = Some(String::new());
        while let Some(cursor) = next {
            match spool.deliveries(&cursor) {
                Ok((page, after)) => {
                    let open = page.into_iter().filter(|delivery| !delivery.progress.is_settled()).collect();
                    if engine.blocking_send(Input::Deliveries(open)).is_err() {
                        return; // the node has stopped
                    }
                    next = after;
                }
                Err(error) => {
                    tracing::error!(%error, "the spool does not say what is to be forwarded: a restart has to look again");
                    return;
                }
            }
        }
    }
}

/// Has what arrives forwarded as the rules say: the engine hears of each delivery that they make.
fn routed_deliveries(
    spool: &Spool,
    settings: &Settings,
    engine: &mpsc::Sender<Input>,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let news = Arc::new(Notify::new());
    let wake = Arc::clone(&news);
    let rules = settings.routes.iter().map(config::Route::rule).collect();
    spool.set_routes(rules, settings.queue.lifetime, Arc::new(move || wake.notify_one()));
    let (spool, engine, stop) = (spool.clone(), engine.clone(), stop.clone());
    async move {
        loop {
            tokio::select! {
                () = news.notified() => {}
                () = stop.cancelled() => return,
            }
            if engine.send(Input::Deliveries(spool.routed())).await.is_err() {
                return; // the node has stopped
            }
        }
    }
}

async fn open_door(settings: &Settings, readiness: &Readiness, api: Api) -> Result<SocketAddr, StartError> {
    let listen = Listen { transport: config::Transport::Tcp, host: settings.http.listen.clone() };
    let listener = bind("http.listen", &listen).await?;
    let address = listener.local_addr()?;
    let token = settings.http.token_file.as_deref().map(Token::read).transpose()?;
    let stop = api.stop.clone().cancelled_owned();
    let admin = Admin { readiness: readiness.clone(), metrics: metrics::install(), token, api };
    tokio::spawn(async move {
        if let Err(error) = admin::serve(listener, admin, stop).await {
            tracing::error!(%error, "the HTTP door broke");
        }
    });
    Ok(address)
}
