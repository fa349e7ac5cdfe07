//! The settings themselves, as data, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use super::address::{Host, Listen, Relay, Transport};
use super::bucket::{BucketUrl, Tag};
use super::keys::KeySource;
use super::webhook::{Notices, Webhook};
use super::words::{
    DialogId, ErrorStyle, Exit, FingerprintHash, Format, Level, MsmlType, Report, SessionMatch, Sse, Unattended,
    Validation, Verify,
};
use crate::model::{self, BoxPattern, Domain, Network, Quota, Recipient, Retention, Site};

/// Everything an operator may choose. What a file, the environment and flags left alone has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[node]`
    pub node: Node,
    /// `[sip]`
    pub sip: Sip,
    /// `[control]`
    pub control: Control,
    /// `[msrp]`
    pub msrp: Msrp,
    /// `[spool]`
    pub spool: Spool,
    /// `[policy]`
    pub policy: Policy,
    /// `[[boxes]]`: what holds for which boxes; the first that matches counts.
    pub boxes: Vec<BoxClass>,
    /// `[[webhooks]]`: who is told of what.
    pub webhooks: Vec<Webhook>,
    /// `[notices]`
    pub notices: Notices,
    /// `[events]`
    pub events: Events,
    /// `[queue]`
    pub queue: Queue,
    /// `[[queue.route]]`: what is forwarded by itself.
    pub routes: Vec<Route>,
    /// `[http]`
    pub http: Http,
    /// `[log]`
    pub log: Log,
}

impl Settings {
    /// Every way in which some box's objects are reported.
    pub fn reports(&self) -> impl Iterator<Item = Report> {
        let of_boxes = self.boxes.iter().filter_map(|class| class.report);
        std::iter::once(self.spool.report()).chain(of_boxes)
    }
}

/// `[node]`: who this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name in logs and in SIP's `Server` and `User-Agent`.
    pub name: String,
}

/// `[sip]`: signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Where SIP is listened for.
    pub listen: Vec<Listen>,
    /// What peers are told instead of the address they reached.
    pub advertise: Option<Host>,
    /// How long our own INVITE waits for a final answer.
    pub answer_timeout: Duration,
    /// Requests that are too large for a datagram go by TCP.
    pub large_by_tcp: bool,
    /// The node's own certificate, which MSRP shows, too, unless it has one of its own.
    pub tls: Certificate,
    /// How calls of our own leave.
    pub outbound: Outbound,
    /// Name servers that are asked about SIP domains; those of the system if empty.
    pub nameservers: Vec<Host>,
}

impl Sip {
    /// Whether calls to this host and port come here, as far as the settings say.
    pub fn is_here(&self, host: &str, port: Option<u16>) -> bool {
        let same = |known: &Host, default: Option<u16>| {
            let everywhere = known.ip().is_some_and(|ip| ip.is_unspecified());
            let near = Host { name: host.to_owned(), port }.is_loopback();
            let is_host = known.name.eq_ignore_ascii_case(host) || (everywhere && near);
            is_host && (port.is_none() || port == known.port.or(default))
        };
        self.advertise.iter().any(|host| same(host, port)) || self.listen.iter().any(|listen| same(&listen.host, None))
    }
}

/// `outbound.*`: how calls of our own leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The URI of the proxy that they go through; straight to the recipient's domain if unset.
    pub proxy: Option<String>,
    /// Our own URI; made of the user, or of `node.name`, and the proxy's host or ours if unset.
    pub from: Option<String>,
    /// Our account at proxies that ask for one.
    pub user: Option<String>,
    /// A file whose first line is its password.
    pub password_file: Option<PathBuf>,
}

/// `tls.cert`, `tls.key`, `tls.client_ca`: PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, and after it those that lead to its authority.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Authorities that may vouch for peers.
    pub client_ca: Option<PathBuf>,
}

/// `[control]`: who may command, and how MSML is read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Networks whose MSML is obeyed.
    pub trusted: Vec<Network>,
    /// Hosts whose MSML is obeyed over TLS, by their certificate.
    pub certified: Vec<String>,
    /// A file of those whose MSML is obeyed wherever they are, `NAME:PASSWORD` a line.
    pub users_file: Option<PathBuf>,
    /// A file of those who read the box of their own name, `NAME:PASSWORD` a line.
    pub owners_file: Option<PathBuf>,
    /// Domains whose users read the box of their own name, if a trusted peer says who they are.
    pub owner_domains: Vec<Domain>,
    /// How closely MSML is held to its schemas.
    pub validation: Validation,
    /// How a peer hears that its request has failed.
    pub error_style: ErrorStyle,
    /// The longest that a `<record>` without `maxtime` may take.
    pub maxtime: Duration,
    /// What happens to files that no MSML asks for.
    pub unattended: Unattended,
    /// `[[control.peers]]`: exceptions for single application servers; the first that matches counts.
    pub peers: Vec<Peer>,
}

/// `[[control.peers]]`: what one kind of application server needs to be told differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Matches the address MSML comes from.
    pub network: Option<Network>,
    /// Matches when the peer's User-Agent contains this text.
    pub user_agent: Option<String>,
    /// Where `<dialogid>` is put in a `<result>`.
    pub dialogid: DialogId,
    /// What `msml.dialog.exit` carries after `moml.exit`.
    pub exit: Exit,
    /// The MIME type of what it is sent; its own last one if unset.
    pub content_type: Option<MsmlType>,
    /// Instead of `control.error_style`.
    pub error_style: Option<ErrorStyle>,
    /// Instead of `control.validation`.
    pub validation: Option<Validation>,
    /// Instead of `control.maxtime`.
    pub maxtime: Option<Duration>,
}

/// `[msrp]`: file octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msrp {
    /// Where MSRP is listened for.
    pub listen: Vec<Listen>,
    /// Host, and port if it differs, that our `a=path` names instead of the bound address.
    pub advertise: Option<Host>,
    /// How long a sender's octets wait for MSML to ask for them.
    pub hold: Duration,
    /// Octets of content per SEND.
    pub chunk: u64,
    /// The largest file accepted, in octets.
    pub max_size: u64,
    /// MIME types accepted, as `a=accept-types` lists them.
    pub accept_types: Vec<String>,
    /// Relays that every session goes through (RFC 4976), the nearest first.
    pub relay: Vec<Relay>,
    /// Our account at the relays.
    pub relay_user: Option<String>,
    /// A file whose first line is its password.
    pub relay_password_file: Option<PathBuf>,
    /// How long a path through the relays shall be valid; their own choice if unset.
    pub relay_expires: Option<Duration>,
    /// MIME types accepted in a `message/cpim` only, as `a=accept-wrapped-types` lists them.
    pub accept_wrapped_types: Vec<String>,
    /// What MSRP shows and trusts instead of what `[sip]` names.
    pub tls: Certificate,
    /// How peers prove by TLS who they are.
    pub verify: Verify,
    /// Hash functions whose fingerprints count, the preferred ones first.
    pub hashes: Vec<FingerprintHash>,
    /// Origins whose pages may open a WebSocket; `*` is any.
    pub origins: Vec<String>,
    /// `[[msrp.peers]]`: what holds for single trunks; the first that matches counts.
    pub peers: Vec<Trunk>,
}

/// `[[msrp.peers]]`: what holds for MSRP with the SIP peers of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trunk {
    /// The SIP peers it is for.
    pub network: Option<Network>,
    /// Whether `a=msrp-cema` is spoken (RFC 6714).
    pub cema: bool,
    /// What has to be equal for To-Path to name a session.
    pub session_match: SessionMatch,
}

/// `[spool]`: where files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    /// The spool's directory.
    pub path: PathBuf,
    /// Octets of the disk that are left free: below it new files are refused.
    pub reserve: u64,
    /// The bucket, if there is one.
    pub url: Option<BucketUrl>,
    /// When an object is reported as committed; unset: in the bucket, if there is one.
    pub report: Option<Report>,
    /// Octets of a part of an upload.
    pub part: u64,
    /// Encryption by the bucket.
    pub sse: Sse,
    /// The key that KMS encrypts with.
    pub sse_key: Option<String>,
    /// Tags on every object, `KEY=VALUE`.
    pub tags: Vec<Tag>,
    /// From this share of the disk in use on new files are refused, in percent.
    pub high_water: u8,
    /// Below this share they are taken again, in percent.
    pub low_water: u8,
    /// How often everything is read again.
    pub scrub: Duration,
    /// How fast, in octets a second at most.
    pub scrub_rate: u64,
    /// Master keys of what is encrypted, the one for new files first.
    pub keys: Vec<KeySource>,
}

impl Spool {
    /// When an object is reported as committed.
    pub fn report(&self) -> Report {
        self.report.unwrap_or_else(|| if self.url.is_some() { Report::Bucket } else { Report::Disk })
    }
}

/// `[[boxes]]`: what holds for a class of boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxClass {
    /// The boxes it is for.
    pub matches: Option<BoxPattern>,
    /// Octets that each of them may hold.
    pub quota_octets: Option<u64>,
    /// Objects that each of them may hold.
    pub quota_objects: Option<u32>,
    /// From this share of a quota on somebody is warned, in percent.
    pub warn: u8,
    /// How long an object is kept from its commit on.
    pub keep: Option<Duration>,
    /// How long it is kept while nobody has seen it.
    pub keep_new: Option<Duration>,
    /// How long it is kept since it was marked as seen.
    pub keep_seen: Option<Duration>,
    /// How long it is kept since it was marked as saved.
    pub keep_saved: Option<Duration>,
    /// How long a deletion can be taken back.
    pub undelete: Duration,
    /// Between the word that an object has expired and its end.
    pub notice: Duration,
    /// Whether what arrives there is encrypted on the disk.
    pub encrypt: bool,
    /// When their objects are reported as committed; unset: as `spool.report` says.
    pub report: Option<Report>,
}

impl BoxClass {
    /// The class as the spool knows it.
    pub fn class(&self) -> model::BoxClass {
        model::BoxClass {
            matches: self.matches.clone().unwrap_or_default(),
            quota: Quota {
                octets: self.quota_octets,
                objects: self.quota_objects.map(u64::from),
                warn_percent: Some(self.warn),
            },
            encrypt: self.encrypt,
            keep: Retention {
                any: self.keep,
                new: self.keep_new,
                seen: self.keep_seen,
                saved: self.keep_saved,
                undelete: self.undelete,
                notice: self.notice,
            },
        }
    }
}

/// `[policy]`: whom the server may talk to of its own accord. Nobody, unless it is said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Domains that objects may be forwarded to.
    pub forward: Vec<Domain>,
    /// Sites that scripts and files may be fetched from.
    pub fetch: Vec<Site>,
    /// Networks that their names may lead to besides the public internet.
    pub fetch_networks: Vec<Network>,
    /// Sites that files may be put to.
    pub put: Vec<Site>,
    /// Networks that their names may lead to besides the public internet.
    pub put_networks: Vec<Network>,
}

/// `[events]`: what application servers were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// How long an event is kept.
    pub keep: Duration,
    /// How many octets of them are kept.
    pub max_size: u64,
}

/// `[queue]`: how files are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The wait after a first failure.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// How long a file is tried.
    pub lifetime: Duration,
    /// Attempts at once with one host.
    pub concurrency: u32,
    /// Attempts at once.
    pub active: u32,
    /// How long an application server has to name a connection.
    pub bind: Duration,
}

/// `[[queue.route]]`: what arrives in some boxes is forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The boxes it is for.
    pub matches: Option<BoxPattern>,
    /// The MIME types it is for; all of them if there is none.
    pub types: Vec<String>,
    /// Whom it goes to.
    pub to: Option<Recipient>,
    /// How long after its arrival.
    pub after: Duration,
    /// How long it is tried; unset: `queue.lifetime`.
    pub expires: Option<Duration>,
    /// Whether the object is deleted when the recipient has it.
    pub delete: bool,
}

impl Route {
    /// The rule as the spool knows it.
    pub fn rule(&self) -> model::Route {
        let Self { matches, types, to, after, expires, delete } = self.clone();
        let (matches, to) = (matches.unwrap_or_default(), to.unwrap_or_default());
        model::Route { matches, types, to, after, expires, delete }
    }
}

/// `[http]`: the operator's door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where `/livez`, `/readyz`, `/metrics` and `/api/v1/` are served.
    pub listen: Host,
    /// A file with the bearer token that requests must carry.
    pub token_file: Option<PathBuf>,
}

/// `[log]`: what is told on standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The least important level that is written.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
}

impl Default for Node {
    fn default() -> Self {
        Self { name: "restante".to_owned() }
    }
}

impl Default for Sip {
    fn default() -> Self {
        let listen = |transport| Listen { transport, host: loopback(5060) };
        Self {
            listen: vec![listen(Transport::Udp), listen(Transport::Tcp)],
            advertise: None,
            answer_timeout: Duration::from_secs(60),
            large_by_tcp: true,
            tls: Certificate::default(),
            outbound: Outbound::default(),
            nameservers: Vec::new(),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        let itself = ["127.0.0.1", "localhost"].iter().filter_map(|host| host.parse().ok());
        Self {
            forward: itself.collect(),
            fetch: Vec::new(),
            fetch_networks: Vec::new(),
            put: Vec::new(),
            put_networks: Vec::new(),
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            trusted: vec![Network::LOOPBACK_V4, Network::LOOPBACK_V6],
            certified: Vec::new(),
            users_file: None,
            owners_file: None,
            owner_domains: Vec::new(),
            validation: Validation::default(),
            error_style: ErrorStyle::default(),
            maxtime: Duration::from_secs(3600),
            unattended: Unattended::default(),
            peers: Vec::new(),
        }
    }
}

impl Default for Msrp {
    fn default() -> Self {
        Self {
            listen: vec![Listen { transport: Transport::Tcp, host: loopback(2855) }],
            advertise: None,
            hold: Duration::from_secs(20),
            chunk: 64 << 10,
            max_size: 4 << 30,
            accept_types: vec!["*".to_owned()],
            relay: Vec::new(),
            relay_user: None,
            relay_password_file: None,
            relay_expires: None,
            accept_wrapped_types: Vec::new(),
            peers: Vec::new(),
            tls: Certificate::default(),
            verify: Verify::default(),
            hashes: vec![FingerprintHash::Sha512, FingerprintHash::Sha384, FingerprintHash::Sha256],
            origins: vec!["*".to_owned()],
        }
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            path: PathBuf::from("spool"),
            reserve: 1 << 30,
            url: None,
            report: None,
            part: 8 << 20,
            sse: Sse::default(),
            sse_key: None,
            tags: Vec::new(),
            high_water: 98,
            low_water: 96,
            scrub: Duration::from_secs(7 * 86_400),
            scrub_rate: 4 << 20,
            keys: Vec::new(),
        }
    }
}

impl Default for BoxClass {
    fn default() -> Self {
        Self {
            matches: None,
            quota_octets: None,
            quota_objects: None,
            warn: 90,
            encrypt: false,
            report: None,
            keep: None,
            keep_new: None,
            keep_seen: None,
            keep_saved: None,
            undelete: Duration::ZERO,
            notice: Duration::ZERO,
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { keep: Duration::from_secs(24 * 3600), max_size: 64 << 20 }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_secs(300),
            backoff_max: Duration::from_secs(4000),
            lifetime: Duration::from_secs(5 * 24 * 3600),
            concurrency: 20,
            active: 200,
            bind: Duration::from_secs(120),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: loopback(8080), token_file: None }
    }
}

fn loopback(port: u16) -> Host {
    Host { name: "127.0.0.1".to_owned(), port: Some(port) }
}
