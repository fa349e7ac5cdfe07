//! The settings as each room wants them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::scrub;
use crate::config::{self, Settings};
use crate::engine::{Door, Doors, ErrorStyle, Manners, Outbound, Peer, Policy, Trunk, Unattended, Verify};
use crate::model::digest_auth::Credentials;
use crate::model::{Backoff, BoxClass, Network, Sites};
use crate::msml::{DialogIdStyle, ExitStyle, Style};
use crate::msrp::{self, Carrier, MsrpUri, RelayAccount};
use crate::notices;
use crate::queue;
use crate::sdp::{Address, HashFunction};
use crate::sip;
use crate::spool::{Keep, Marks};

pub(super) fn carrier(transport: config::Transport) -> Result<Carrier, String> {
    match transport {
        config::Transport::Tcp => Ok(Carrier::Tcp),
        config::Transport::Tls => Ok(Carrier::Tls),
        config::Transport::Ws => Ok(Carrier::Ws),
        config::Transport::Wss => Ok(Carrier::Wss),
        config::Transport::Udp => Err("msrp.listen: MSRP does not run over udp".to_owned()),
    }
}

/// What a self-signed certificate names: the hosts in our URIs.
pub(super) fn certificate_hosts(settings: &Settings) -> Vec<String> {
    let listened = settings.msrp.listen.iter().map(|listen| &listen.host);
    let mut hosts: Vec<String> = settings.msrp.advertise.iter().chain(listened).map(|host| host.name.clone()).collect();
    hosts.dedup();
    hosts
}

/// The same for SIP.
pub(super) fn sip_hosts(settings: &Settings) -> Vec<String> {
    let listened = settings.sip.listen.iter().map(|listen| &listen.host);
    let mut hosts: Vec<String> = settings.sip.advertise.iter().chain(listened).map(|host| host.name.clone()).collect();
    hosts.dedup();
    hosts
}

pub(super) fn policy(
    settings: &Settings,
    msrp: &[(Carrier, SocketAddr)],
    sip: &[(sip::Transport, SocketAddr)],
) -> Result<Policy, String> {
    let none = || "msrp.listen is empty: files need at least one address".to_owned();
    let (_, first) = msrp.first().ok_or_else(none)?;
    let advertise = settings.msrp.advertise.as_ref();
    if advertise.is_none() && msrp.iter().any(|(_, address)| address.ip().is_unspecified()) {
        let why = "msrp.listen is on every address of the machine: msrp.advertise has to say which one peers are told";
        return Err(why.to_owned());
    }
    let door = |(carrier, bound): &(Carrier, SocketAddr)| {
        let name = advertise.map_or_else(|| bound.ip().to_string(), |host| host.name.clone());
        let host = if name.contains(':') { format!("[{name}]") } else { name };
        Door { carrier: *carrier, host, port: bound.port() }
    };
    let mut doors: Vec<Door> = msrp.iter().map(door).collect();
    if let Some(port) = advertise.and_then(|host| host.port) {
        doors[0].port = port;
    }
    // Offers of ours name a door that every peer can open.
    doors.sort_by_key(|door| door.carrier.is_websocket());
    let doors = Doors { first: doors.remove(0), others: doors };
    let name = advertise.map_or_else(|| first.ip().to_string(), |host| host.name.clone());
    let address = name.parse::<IpAddr>().map_or_else(|_| Address::Name(name.clone()), Address::Ip);
    let control = &settings.control;
    Ok(Policy {
        doors,
        verify: match settings.msrp.verify {
            config::Verify::Fingerprint => Verify::Fingerprint,
            config::Verify::Ca => Verify::Authority,
            config::Verify::Either => Verify::Either,
        },
        hashes: settings.msrp.hashes.iter().map(|hash| hash_function(*hash)).collect(),
        fingerprints: Vec::new(),
        address,
        hold: settings.msrp.hold,
        chunk: usize::try_from(settings.msrp.chunk).unwrap_or(usize::MAX),
        max_size: settings.msrp.max_size,
        accept_types: settings.msrp.accept_types.clone(),
        accept_wrapped_types: settings.msrp.accept_wrapped_types.clone(),
        trusted: control.trusted.clone(),
        certified: control.certified.clone(),
        challenge: control.users_file.is_some(),
        owners: owners(control)?.into_iter().map(|owner| owner.user).collect(),
        owner_domains: control.owner_domains.clone(),
        routed: !settings.routes.is_empty(),
        unattended: match control.unattended {
            config::Unattended::Hold => Unattended::Hold,
            config::Unattended::Deposit => Unattended::Deposit,
        },
        manners: manners(control),
        peers: control.peers.iter().map(|entry| peer(entry, manners(control))).collect(),
        relay: relay(settings)?,
        trunks: settings.msrp.peers.iter().filter_map(trunk).collect(),
        answer_timeout: settings.sip.answer_timeout,
        forward: settings.policy.forward.clone(),
        outbound: outbound(settings, sip)?,
    })
}

/// The relays and our account there.
fn relay(settings: &Settings) -> Result<Option<RelayAccount>, String> {
    let msrp = &settings.msrp;
    let (Some(user), Some(file)) = (&msrp.relay_user, &msrp.relay_password_file) else { return Ok(None) };
    if msrp.relay.is_empty() {
        return Ok(None);
    }
    let password = password("msrp.relay_password_file", file)?;
    let uri = |relay: &config::Relay| relay.to_string().parse::<MsrpUri>();
    let relays: Result<Vec<MsrpUri>, _> = msrp.relay.iter().map(uri).collect();
    let relays = relays.map_err(|error| format!("msrp.relay: {error}"))?;
    let credentials = Credentials { user: user.clone(), password };
    Ok(Some(RelayAccount { relays, credentials, expires: msrp.relay_expires }))
}

/// The first line of a password file.
fn password(key: &str, file: &Path) -> Result<String, String> {
    let unusable = |why: String| format!("{key} {}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    let password = text.lines().next().map(str::trim).filter(|line| !line.is_empty());
    password.map(str::to_owned).ok_or_else(|| unusable("the first line has no password".to_owned()))
}

/// Whom to ask about SIP domains.
pub(super) fn nameservers(settings: &Settings) -> Vec<SocketAddr> {
    let servers = settings.sip.nameservers.iter();
    servers.filter_map(|host| Some(SocketAddr::new(host.ip()?, host.port.unwrap_or(53)))).collect()
}

/// Those who may prove to be somebody: to command, or to read a box. Nobody is both.
fn everybody(control: &config::Control) -> Result<Vec<Credentials>, String> {
    let mut all = accounts("control.users_file", control.users_file.as_deref())?;
    let owners = owners(control)?;
    if let Some(twice) = owners.iter().find(|owner| all.iter().any(|user| user.user == owner.user)) {
        return Err(format!(
            "control.owners_file has {}, who is in control.users_file and reads everything",
            twice.user
        ));
    }
    all.extend(owners);
    Ok(all)
}

fn owners(control: &config::Control) -> Result<Vec<Credentials>, String> {
    accounts("control.owners_file", control.owners_file.as_deref())
}

/// The users of a file, `NAME:PASSWORD` a line.
fn accounts(key: &str, file: Option<&Path>) -> Result<Vec<Credentials>, String> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let unusable = |why: String| format!("{key} {}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let user = |(at, line): (usize, &str)| {
        let (user, password) =
            line.split_once(':').ok_or_else(|| unusable(format!("line {at} is not NAME:PASSWORD")))?;
        if user.is_empty() || password.is_empty() {
            return Err(unusable(format!("line {at} has no name or no password")));
        }
        Ok(Credentials { user: user.to_owned(), password: password.to_owned() })
    };
    lines.map(user).collect()
}

/// How calls of our own leave.
fn outbound(settings: &Settings, listens: &[(sip::Transport, SocketAddr)]) -> Result<Outbound, String> {
    let outbound = &settings.sip.outbound;
    let proxy = outbound.proxy.as_deref().map(sip::Target::of);
    let unusable = || "sip.outbound.proxy is no URI that can be called".to_owned();
    let proxy_host = proxy.map(|target| target.ok_or_else(unusable)).transpose()?.map(|target| target.host);
    let listened = || listens.first().map_or_else(String::new, |(_, address)| address.ip().to_string());
    let advertised = || settings.sip.advertise.as_ref().map_or_else(listened, |host| host.name.clone());
    let host = proxy_host.unwrap_or_else(advertised);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let user = outbound.user.as_deref().unwrap_or(&settings.node.name);
    let user = percent_encoding::utf8_percent_encode(user, percent_encoding::NON_ALPHANUMERIC);
    let from = outbound.from.clone().unwrap_or_else(|| format!("sip:{user}@{host}"));
    Ok(Outbound { proxy: outbound.proxy.clone(), from })
}

const fn hash_function(hash: config::FingerprintHash) -> HashFunction {
    match hash {
        config::FingerprintHash::Sha1 => HashFunction::Sha1,
        config::FingerprintHash::Sha224 => HashFunction::Sha224,
        config::FingerprintHash::Sha256 => HashFunction::Sha256,
        config::FingerprintHash::Sha384 => HashFunction::Sha384,
        config::FingerprintHash::Sha512 => HashFunction::Sha512,
    }
}

/// How application servers are read and answered that have no entry of their own.
fn manners(control: &config::Control) -> Manners {
    let style = Style {
        strict: control.validation == config::Validation::Strict,
        maxtime: control.maxtime,
        ..Style::default()
    };
    Manners { style, content_type: None, error_style: error_style(control.error_style) }
}

const fn error_style(style: config::ErrorStyle) -> ErrorStyle {
    match style {
        config::ErrorStyle::Msml => ErrorStyle::Msml,
        config::ErrorStyle::Sip => ErrorStyle::Sip,
    }
}

fn peer(peer: &config::Peer, usual: Manners) -> Peer {
    let dialogid = match peer.dialogid {
        config::DialogId::Child => DialogIdStyle::Child,
        config::DialogId::Sibling => DialogIdStyle::Sibling,
    };
    let exit = match peer.exit {
        config::Exit::Repeat => ExitStyle::Repeat,
        config::Exit::Empty => ExitStyle::Empty,
    };
    let strict = peer.validation.map_or(usual.style.strict, |validation| validation == config::Validation::Strict);
    let manners = Manners {
        style: Style { dialogid, exit, strict, maxtime: peer.maxtime.unwrap_or(usual.style.maxtime) },
        content_type: peer.content_type.map(config::MsmlType::text),
        error_style: peer.error_style.map_or(usual.error_style, error_style),
    };
    Peer { network: peer.network, user_agent: peer.user_agent.clone(), manners }
}

fn trunk(entry: &config::Trunk) -> Option<(Network, Trunk)> {
    let session_match = match entry.session_match {
        config::SessionMatch::Uri => msrp::SessionMatch::Uri,
        config::SessionMatch::Id => msrp::SessionMatch::Id,
    };
    Some((entry.network?, Trunk { cema: entry.cema, session_match }))
}

/// Where files may be fetched from, and where they may be put.
pub(super) fn places(settings: &Settings) -> (Sites, Sites) {
    let targets = Sites { allowed: settings.policy.put.clone(), networks: settings.policy.put_networks.clone() };
    (sites(settings), targets)
}

pub(super) fn sites(settings: &Settings) -> Sites {
    Sites { allowed: settings.policy.fetch.clone(), networks: settings.policy.fetch_networks.clone() }
}

/// What the spool has to know of boxes.
pub(super) fn box_classes(settings: &Settings) -> Vec<BoxClass> {
    settings.boxes.iter().map(config::BoxClass::class).collect()
}

pub(super) fn sip_config(settings: &Settings, listens: &[(sip::Transport, SocketAddr)]) -> Result<sip::Config, String> {
    let advertise = settings.sip.advertise.as_ref();
    let tls =
        listens.iter().find(|(transport, _)| *transport == sip::Transport::Tls).map(|(_, address)| address.port());
    // One name for all; TLS has a port of its own.
    let advertise_tls = advertise.map(|host| config::Host { port: tls, ..host.clone() }.to_string());
    // RFC 3261 §18.2.2: the answer to what has left by TCP comes on a new connection if that one breaks, and has to find us.
    let by_tcp = advertise.is_some() || listens.iter().any(|(transport, _)| *transport == sip::Transport::Tcp);
    let outbound = &settings.sip.outbound;
    let credentials = match (&outbound.user, &outbound.password_file) {
        (Some(user), Some(file)) => {
            let password = password("sip.outbound.password_file", file)?;
            Some(Credentials { user: user.clone(), password })
        }
        _ => None,
    };
    Ok(sip::Config {
        advertise_udp: advertise.map(ToString::to_string),
        advertise_tcp: advertise.map(ToString::to_string),
        advertise_tls,
        listens: listens.to_vec(),
        credentials,
        realm: settings.node.name.clone(),
        large_by_tcp: settings.sip.large_by_tcp && by_tcp,
        users: everybody(&settings.control)?,
        user_agent: format!("{}/{}", settings.node.name, env!("CARGO_PKG_VERSION")),
        ..sip::Config::default()
    })
}

/// How often and how fast everything is read again.
pub(super) fn scrubbing(settings: &Settings) -> scrub::Pace {
    let spool = &settings.spool;
    scrub::Pace { every: (!spool.scrub.is_zero()).then_some(spool.scrub), rate: spool.scrub_rate }
}

/// How full the disk may become.
pub(super) const fn marks(settings: &Settings) -> Marks {
    let spool = &settings.spool;
    Marks { reserve_octets: spool.reserve, high_percent: spool.high_water, low_percent: spool.low_water }
}

/// How patiently files are forwarded.
pub(super) fn queue(settings: &Settings) -> queue::Config {
    let config::Queue { backoff_min, backoff_max, lifetime, concurrency, active, bind: _ } = settings.queue;
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let (concurrency, active) = (number(concurrency), number(active));
    queue::Config { backoff_min, backoff_max, lifetime, concurrency, active }
}

/// How much of the event log is kept.
pub(super) const fn kept_events(settings: &Settings) -> Keep {
    Keep { time: settings.events.keep, octets: settings.events.max_size }
}

/// How patiently notices are brought.
pub(super) const fn notices(settings: &Settings) -> notices::Config {
    let config::Notices { backoff_min, backoff_max, lifetime } = &settings.notices;
    notices::Config { backoff: Backoff { first: *backoff_min, longest: *backoff_max }, lifetime: *lifetime }
}

/// Who may be told of the end of a delivery.
pub(super) fn audience(settings: &Settings) -> notices::Audience {
    let hooks = settings.webhooks.iter().filter_map(|hook| hook.name.clone()).collect();
    notices::Audience { hooks, sites: places(settings).1 }
}
