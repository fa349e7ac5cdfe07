//! What the operator decides about SIP.

use std::net::SocketAddr;
use std::time::Duration;

use super::flow::Transport;
use crate::model::digest_auth::Credentials;

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// `HOST[:PORT]` for Via and Contact over UDP; without it the flow's own address.
    pub advertise_udp: Option<String>,
    /// `HOST[:PORT]` for Via and Contact over TCP; without it the flow's own address.
    pub advertise_tcp: Option<String>,
    /// `HOST[:PORT]` for Via and Contact over TLS; without it the flow's own address.
    pub advertise_tls: Option<String>,
    /// Where we listen: what a connection that we have opened is called in Via and Contact is none of its own ports.
    pub listens: Vec<(Transport, SocketAddr)>,
    /// What we prove to proxies and peers that ask for it.
    pub credentials: Option<Credentials>,
    /// Whose account those are that [`Config::users`] lists, as challenges name it.
    pub realm: String,
    /// Who may prove to be somebody.
    pub users: Vec<Credentials>,
    /// User part of our Contact.
    pub user: String,
    /// Server and User-Agent.
    pub user_agent: String,
    /// Content types understood in INVITE and INFO; others get 415 with this list (RFC 3261 §8.2.3).
    pub accept: Vec<String>,
    /// Event packages that may be subscribed to (RFC 6665); others get 489 with this list.
    pub events: Vec<EventPackage>,
    /// RFC 3261 T1, the estimate of a round trip.
    pub timer_t1: Duration,
    /// RFC 3261 T2, the longest interval between two copies.
    pub timer_t2: Duration,
    /// RFC 3261 T4, how long a message may linger in the network.
    pub timer_t4: Duration,
    /// An INVITE that the owner leaves unanswered for this long gets 487.
    pub answer_within: Duration,
    /// RFC 3261 §18.1.1: requests of more than 1300 octets leave by TCP although UDP was asked for, unless the peer has none.
    pub large_by_tcp: bool,
    /// Transactions alive at once.
    pub transactions_max: usize,
    /// Calls alive at once; beyond it an INVITE gets 503.
    pub calls_max: usize,
    /// Of these, how many from one address.
    pub calls_per_address_max: usize,
    /// Subscriptions alive at once; beyond it a SUBSCRIBE gets 503.
    pub subscriptions_max: usize,
    /// Of these, how many from one address.
    pub subscriptions_per_address_max: usize,
}

/// An event package (RFC 6665).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPackage {
    /// Its name.
    pub name: String,
    /// The type of what its NOTIFYs say.
    pub media_type: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            advertise_udp: None,
            advertise_tcp: None,
            advertise_tls: None,
            listens: Vec::new(),
            credentials: None,
            realm: "restante".to_owned(),
            users: Vec::new(),
            user: "restante".to_owned(),
            user_agent: concat!("restante/", env!("CARGO_PKG_VERSION")).to_owned(),
            accept: [
                "application/sdp",
                "application/msml+xml",
                "application/moml+xml",
                "application/xml",
                "text/xml",
                "application/vnd.radisys.msml+xml",
                "multipart/mixed",
                "multipart/alternative",
                "multipart/related",
            ]
            .map(str::to_owned)
            .to_vec(),
            events: vec![EventPackage {
                name: "message-summary".to_owned(),
                media_type: "application/simple-message-summary".to_owned(),
            }],
            timer_t1: Duration::from_millis(500),
            timer_t2: Duration::from_secs(4),
            timer_t4: Duration::from_secs(5),
            answer_within: Duration::from_secs(180),
            large_by_tcp: true,
            transactions_max: crate::model::limits::SIP_TRANSACTIONS,
            calls_max: crate::model::limits::SIP_CALLS,
            calls_per_address_max: crate::model::limits::SIP_CALLS_PER_ADDRESS,
            subscriptions_max: crate::model::limits::SUBSCRIPTIONS,
            subscriptions_per_address_max: crate::model::limits::SUBSCRIPTIONS_PER_ADDRESS,
        }
    }
}

impl Config {
    /// Where a peer reaches us by this transport that has met us at `local`.
    pub(super) fn listened(&self, transport: Transport, local: Option<SocketAddr>) -> Option<SocketAddr> {
        let mut ours = self.listens.iter().filter(|(kind, _)| *kind == transport).map(|(_, address)| *address);
        let near = |address: &SocketAddr| local.is_none_or(|local| local.is_ipv4() == address.is_ipv4());
        if local.is_some_and(|local| ours.clone().any(|address| address.port() == local.port())) {
            return local; // it has met a listener
        }
        let first = ours.clone().find(near).or_else(|| ours.next())?;
        match (first.ip().is_unspecified(), local) {
            (false, _) => Some(first),
            (true, Some(local)) => Some(SocketAddr::new(local.ip(), first.port())),
            (true, None) => None,
        }
    }
}
