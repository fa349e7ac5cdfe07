//! What the operator allows, as values the engine asks.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::media::{accepts, bare};
use crate::model::{Domain, Network};
use crate::msml::Style;
use crate::msrp::{Carrier, RelayAccount, SessionMatch};
use crate::sdp::{Address, Fingerprint, HashFunction};

/// The engine's share of the configuration, already validated.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Where MSRP peers can connect to.
    pub doors: Doors,
    /// The first door's host as our SDP names it in `o=` and `c=` (RFC 4975 §8.1).
    pub address: Address,
    /// How long octets may wait for a `<record>` before they are refused with 413.
    pub hold: Duration,
    /// Octets of one outgoing chunk.
    pub chunk: usize,
    /// Largest message taken, in octets.
    pub max_size: u64,
    /// MIME types taken; `*` is all.
    pub accept_types: Vec<String>,
    /// MIME types taken in a `message/cpim` only, besides those.
    pub accept_wrapped_types: Vec<String>,
    /// What a peer has to prove before a TLS connection carries its sessions.
    pub verify: Verify,
    /// Hash functions whose fingerprints count, the preferred ones first (RFC 8122 §5.1).
    pub hashes: Vec<HashFunction>,
    /// Of the certificates that we may show.
    pub fingerprints: Vec<Fingerprint>,
    /// Networks that may send MSML.
    pub trusted: Vec<Network>,
    /// Hosts that may, if an authority of ours vouches for their certificate.
    pub certified: Vec<String>,
    /// Whether there are users who may: whoever else sends MSML is asked who it is.
    pub challenge: bool,
    /// Users who command nothing, and read the box of their own name.
    pub owners: BTreeSet<String>,
    /// Domains whose users do, if somebody who may command says who they are.
    pub owner_domains: Vec<Domain>,
    /// Rules forward what arrives: each file is a delivery more.
    pub routed: bool,
    /// What happens to files that nobody has asked for.
    pub unattended: Unattended,
    /// How application servers are read and answered.
    pub manners: Manners,
    /// Those that differ.
    pub peers: Vec<Peer>,
    /// The relays that every session goes through (RFC 4976), if any.
    pub relay: Option<RelayAccount>,
    /// What holds for MSRP with the SIP peers of these networks; the first that matches counts.
    pub trunks: Vec<(Network, Trunk)>,
    /// How long a call waits for its peer's MSRP connection.
    pub answer_timeout: Duration,
    /// Domains that objects may be forwarded to.
    pub forward: Vec<Domain>,
    /// How calls of our own leave.
    pub outbound: Outbound,
}

/// How calls of our own leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The URI of the proxy that they go through.
    pub proxy: Option<String>,
    /// Our own URI.
    pub from: String,
}

/// One MSRP listener, as our URIs name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// What it takes.
    pub carrier: Carrier,
    /// A name or an address; IPv6 with its brackets.
    pub host: String,
    /// The port that peers reach.
    pub port: u16,
}

/// The MSRP listeners; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doors {
    /// What offers of ours name.
    pub first: Door,
    /// Further ones, for peers that offer what the first does not take.
    pub others: Vec<Door>,
}

impl Doors {
    /// The listener for peers that come by this carrier.
    pub fn find(&self, carrier: Carrier) -> Option<&Door> {
        std::iter::once(&self.first).chain(&self.others).find(|door| door.carrier == carrier)
    }
}

/// How a peer proves by TLS that it is who our signalling agreed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// By the fingerprint in its description (RFC 4975 §14.4), and there has to be one.
    Fingerprint,
    /// By an authority of ours and the host's name (RFC 4975 §5.4); a fingerprint has to fit as well if there is one.
    /// For signalling whose integrity nobody protects (RFC 8122 §6.1).
    Authority,
    /// By the fingerprint if there is one, else as [`Verify::Authority`].
    Either,
}

/// What happens to a file that arrives while no script asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unattended {
    /// It waits, for at most `msrp.hold`.
    Hold,
    /// It is filed in the box that the Request-URI names.
    Deposit,
}

/// One peer with manners of its own.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its network, if it is known by that.
    pub network: Option<Network>,
    /// What its User-Agent contains, if it is known by that.
    pub user_agent: Option<String>,
    /// How it is read and answered.
    pub manners: Manners,
}

/// How MSML is spoken with one application server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// How its requests are read, and what results and events look like.
    pub style: Style,
    /// The MIME type of what we say; what the peer used last, if there is none.
    pub content_type: Option<&'static str>,
    /// How it hears of a failure.
    pub error_style: ErrorStyle,
}

/// How a peer hears that its request has failed; the body says why in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStyle {
    /// In a SIP 200 (checklist SIP-4).
    #[default]
    Msml,
    /// In a SIP 400 or 500: of those for a request that leave the SIP dialog alone (RFC 5057 §5.1).
    Sip,
}

impl ErrorStyle {
    /// The SIP status for a response code of RFC 5707 §11.
    pub const fn status(self, response: u16) -> u16 {
        match (self, response) {
            (Self::Sip, 400..=499) => 400,
            (Self::Sip, 500..) => 500,
            _ => 200,
        }
    }
}

/// What holds for MSRP with one SIP peer. By default it is what RFC 4975 says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trunk {
    /// Whether we speak CEMA with it (RFC 6714).
    pub cema: bool,
    /// How To-Path has to name our sessions.
    pub session_match: SessionMatch,
}

impl Policy {
    /// Whether MSML may come from this address.
    pub fn may_control(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// What somebody is told who may not command: who are you, if that could change it.
    pub const fn not_allowed(&self) -> u16 {
        if self.challenge { 401 } else { 403 }
    }

    /// Whether somebody who would read a box is asked who it is.
    pub(super) fn asks_who_owns(&self) -> bool {
        self.challenge || !self.owners.is_empty()
    }

    /// What holds for MSRP with the SIP peer at this address.
    pub fn trunk(&self, address: IpAddr) -> Trunk {
        let found = self.trunks.iter().find(|(network, _)| network.contains(address));
        found.map(|(_, trunk)| *trunk).unwrap_or_default()
    }

    /// How a peer at this address with this User-Agent is read and answered.
    pub fn manners(&self, address: IpAddr, user_agent: Option<&str>) -> Manners {
        self.peers
            .iter()
            .find(|peer| {
                let near = peer.network.is_none_or(|network| network.contains(address));
                let named =
                    peer.user_agent.as_ref().is_none_or(|part| user_agent.is_some_and(|all| all.contains(part)));
                near && named
            })
            .map_or(self.manners, |peer| peer.manners)
    }

    /// Whether a file of this MIME type is taken, as it is or in a wrapper.
    pub fn accepts(&self, media_type: &str) -> bool {
        accepts(&self.wrapped_types(), media_type)
    }

    /// What `a=accept-types` says: what the operator takes, and `message/cpim`, which every endpoint has to take
    /// (RFC 4975 §13). It comes last: the first place would ask for every message to be wrapped.
    pub fn root_types(&self) -> Vec<String> {
        with(&self.accept_types, CPIM)
    }

    /// What `a=accept-wrapped-types` says, without what `a=accept-types` has said (RFC 4975 §8.6). Peers with
    /// notifications for a store look for theirs (RFC 5438).
    pub fn wrapped_only_types(&self) -> Vec<String> {
        let mut types = with(&self.accept_wrapped_types, IMDN);
        types.retain(|wrapped| !self.accept_types.iter().any(|root| bare(root).eq_ignore_ascii_case(bare(wrapped))));
        types
    }

    /// What is taken in a wrapper: what is taken without one, and what is so only there.
    pub fn wrapped_types(&self) -> Vec<String> {
        [self.root_types(), self.wrapped_only_types()].concat()
    }
}

const CPIM: &str = "message/cpim";
const IMDN: &str = "message/imdn+xml";

/// The list, and this type if it is not in it by its name.
fn with(list: &[String], media_type: &str) -> Vec<String> {
    let named = list.iter().any(|entry| bare(entry).eq_ignore_ascii_case(media_type));
    list.iter().cloned().chain((!named).then(|| media_type.to_owned())).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::msml::ExitStyle;

    #[test]
    fn only_trusted_networks_command_and_the_first_matching_peer_counts() {
        let peer = |network: &str, user_agent: Option<&str>, exit| Peer {
            network: network.parse().ok(),
            user_agent: user_agent.map(str::to_owned),
            manners: Manners { style: Style { exit, ..Style::default() }, ..Manners::default() },
        };
        let peers = vec![
            peer("192.0.2.0/24", Some("Old"), ExitStyle::Empty),
            peer("192.0.2.0/25", None, ExitStyle::Repeat),
            peer("", Some("Old"), ExitStyle::Empty),
        ];
        let policy = Policy { trusted: vec!["192.0.2.0/24".parse().expect("a network")], peers, ..policy() };
        let at = |text: &str| text.parse().expect("an address");
        assert!(policy.may_control(at("192.0.2.9")) && !policy.may_control(at("198.51.100.1")));
        let exit = |address, agent| policy.manners(at(address), agent).style.exit;
        assert_eq!(exit("192.0.2.1", Some("Older/1")), ExitStyle::Empty);
        assert_eq!(exit("192.0.2.1", None), ExitStyle::Repeat);
        assert_eq!(exit("198.51.100.1", Some("Old")), ExitStyle::Empty);
        assert_eq!(policy.manners(at("198.51.100.1"), Some("New")), Manners::default());
    }

    // M4975-8.6-03 M4975-8.6-04 M4975-8.6-06
    #[test]
    fn the_types_we_offer_name_the_wrapper_last_and_repeat_nothing() {
        let types = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let policy = |root: &[&str], wrapped: &[&str]| Policy {
            accept_types: types(root),
            accept_wrapped_types: types(wrapped),
            ..policy()
        };
        assert_eq!(policy(&["*"], &[]).root_types(), ["*", "message/cpim"]);
        assert_eq!(policy(&["*"], &[]).wrapped_only_types(), ["message/imdn+xml"]);
        assert_eq!(policy(&["Message/CPIM", "audio/*"], &[]).root_types(), ["Message/CPIM", "audio/*"]);
        let strict = policy(&["audio/*", "text/plain;charset=utf-8"], &["TEXT/Plain", "image/png", "Message/IMDN+xml"]);
        assert_eq!(strict.wrapped_only_types(), ["image/png", "Message/IMDN+xml"]);
        assert!(strict.accepts("image/png") && strict.accepts("Audio/WAV; rate=1") && !strict.accepts("image/gif"));
        assert!(!accepts(&strict.root_types(), "image/png") && accepts(&strict.wrapped_types(), "message/cpim"));
    }

    pub(in crate::engine) fn policy() -> Policy {
        Policy {
            doors: Doors {
                first: Door { carrier: Carrier::Tcp, host: "192.0.2.1".to_owned(), port: 2855 },
                others: Vec::new(),
            },
            address: Address::Name("mail.example.org".to_owned()),
            hold: Duration::ZERO,
            chunk: 2048,
            max_size: 1,
            accept_types: vec!["*".to_owned()],
            accept_wrapped_types: Vec::new(),
            verify: Verify::Either,
            hashes: vec![HashFunction::Sha512, HashFunction::Sha384, HashFunction::Sha256],
            fingerprints: Vec::new(),
            trusted: Vec::new(),
            certified: Vec::new(),
            challenge: false,
            owners: BTreeSet::new(),
            owner_domains: Vec::new(),
            routed: false,
            unattended: Unattended::Hold,
            manners: Manners::default(),
            peers: Vec::new(),
            relay: None,
            trunks: Vec::new(),
            answer_timeout: Duration::ZERO,
            forward: Vec::new(),
            outbound: Outbound::default(),
        }
    }
}
