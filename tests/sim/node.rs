//! One machine of the simulation: a disk, local files, and at times a process with the real engine and the real spool.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use restante::engine::{Door, Doors, Engine, LinkId, Manners, Outbound, Policy, Unattended, Verify};
use restante::model::{Mint, Network as Prefix, Now};
use restante::msml::{self, Interpreter};
use restante::msrp::Carrier;
use restante::sdp::Address;
use restante::sip::{self, Endpoint, FlowId};
use restante::spool::{Files, Index, Keys, Remote, Spool, SpoolError};
use restante::{engine, msrp};

use tempfile::TempDir;

use crate::bucket::SimBucket;
use crate::disk::SimFiles;
use crate::faults::{Bug, Forgetful};
use crate::net::End;
use crate::plan::Pail;
use crate::stream::Task;
use crate::world::ProcessId;

pub(crate) const SIP_PORT: u16 = 5060;
pub(crate) const MSRP_PORT: u16 = 2855;

/// The UDP socket of every process.
pub(crate) const UDP: FlowId = FlowId(0);

/// How a process is configured, and how its disk is.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) hold: Duration,
    pub(crate) chunk: usize,
    pub(crate) unattended: Unattended,
    pub(crate) msrp: msrp::Config,
    /// How long one operation of the disk takes.
    pub(crate) disk: (Duration, Duration),
    /// Whether a stream waits for its disk, as those of the server do, or goes on meanwhile.
    pub(crate) waits: bool,
}

pub(crate) struct Node {
    pub(crate) host: IpAddr,
    pub(crate) habits: Habits,
    pub(crate) files: SimFiles,
    /// The bucket beside the disk.
    pub(crate) bucket: Option<(SimBucket, Pail)>,
    /// Where its index lies, if that outlives a process. A power cut leaves it as it is: ahead of the disk.
    pub(crate) memory: Option<TempDir>,
    /// Files that may be pushed, by path.
    pub(crate) locals: BTreeMap<String, Bytes>,
    /// Counts the processes.
    pub(crate) life: u64,
    pub(crate) process: Option<Process>,
}

pub(crate) struct Process {
    pub(crate) engine: Engine,
    pub(crate) spool: Spool,
    pub(crate) mint: Mint,
    pub(crate) links: BTreeMap<LinkId, Task>,
    pub(crate) flows: BTreeMap<FlowId, End>,
    pub(crate) by_peer: BTreeMap<SocketAddr, FlowId>,
    /// SIP connections being made, with what waits for them.
    pub(crate) dialling: BTreeMap<SocketAddr, Vec<Bytes>>,
    numbers: u64,
}

/// The bucket as a spool is given it: in parts so small that most files have several.
pub(crate) fn remote(bucket: &SimBucket, pail: Pail) -> Remote {
    Remote::new(Arc::new(bucket.clone()), 1000, Box::new(move |_| pail.report))
}

/// How often a server is started before its operator looks for another disk. In one of ten thousand worlds disk and bucket
/// fail so often that a hundred starts were not enough.
const STARTS: usize = 1000;

impl Node {
    pub(crate) fn new(index: usize, habits: Habits) -> Self {
        let host = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10 + index as u8));
        let files = SimFiles::new();
        Self { host, habits, files, bucket: None, memory: None, locals: BTreeMap::new(), life: 0, process: None }
    }

    /// Starts a process on what is on the disk, as `Node::start` of the real thing does.
    pub(crate) fn start(&mut self, now: Now, mut mint: Mint, bug: Option<Bug>) {
        let files: Arc<dyn Files> = match bug.and_then(Bug::forgets) {
            Some(what) => Arc::new(Forgetful { files: self.files.clone(), what }),
            None => Arc::new(self.files.clone()),
        };
        let spool = (0..STARTS).find_map(|_| {
            let remote = self.bucket.as_ref().map(|(bucket, pail)| remote(bucket, *pail));
            let index = match &self.memory {
                Some(dir) => Index::open(dir.path().join("index.sqlite")),
                None => Index::in_memory(),
            };
            match Spool::open_with_bucket(Arc::clone(&files), remote, index, Keys::none(), mint.fork(), now) {
                Ok((spool, _)) => Some(spool),
                // A sync that fails ends the start, or a bucket that does not answer, and whoever runs the server starts it again.
                Err(SpoolError::Io { .. }) => None,
                Err(error) => panic!("{error}"),
            }
        });
        let spool = spool.expect("the disk works most of the time");
        let advertise = Some(SocketAddr::new(self.host, SIP_PORT).to_string());
        let sip = sip::Config { advertise_udp: advertise.clone(), advertise_tcp: advertise, ..sip::Config::default() };
        let endpoint = Endpoint::new(sip, mint.fork());
        let interpreter = Interpreter::new(msml::Limits::default(), mint.fork());
        self.life += 1;
        self.process = Some(Process {
            engine: Engine::new(self.policy(), endpoint, interpreter, mint.fork())
                .patience(crate::forward::PATIENCE, Duration::from_secs(120)),
            spool,
            mint,
            links: BTreeMap::new(),
            flows: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            dialling: BTreeMap::new(),
            numbers: 0,
        });
    }

    fn policy(&self) -> Policy {
        Policy {
            doors: Doors {
                first: Door { carrier: Carrier::Tcp, host: self.host.to_string(), port: MSRP_PORT },
                others: Vec::new(),
            },
            address: Address::Ip(self.host),
            hold: self.habits.hold,
            chunk: self.habits.chunk,
            max_size: 1 << 20,
            accept_types: vec!["*".to_owned()],
            accept_wrapped_types: Vec::new(),
            trusted: vec!["192.0.2.0/24".parse::<Prefix>().expect("a network")],
            verify: Verify::Either,
            hashes: Vec::new(),
            fingerprints: Vec::new(),
            unattended: self.habits.unattended,
            manners: Manners::default(),
            peers: Vec::new(),
            relay: None,
            trunks: Vec::new(),
            answer_timeout: Duration::from_secs(20),
            forward: vec!["*".parse().expect("any domain")],
            certified: Vec::new(),
            owners: std::collections::BTreeSet::new(),
            owner_domains: Vec::new(),
            routed: false,
            challenge: false,
            outbound: Outbound { proxy: None, from: format!("sip:store@{}", self.host) },
        }
    }

    /// The name of the process that runs here.
    pub(crate) const fn id(&self, node: usize) -> ProcessId {
        ProcessId { node, life: self.life }
    }
}

impl Process {
    /// A number for a link or a flow.
    pub(crate) const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// What the engine says of itself, and how many streams there are.
    pub(crate) fn census(&self) -> (engine::Census, usize) {
        (self.engine.census(), self.links.len())
    }
}
