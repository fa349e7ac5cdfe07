//! What the operator allows, as values the engine asks.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::Network;
use crate::msml::Style;
use crate::sdp::Address;

/// The engine's share of the configuration, already validated.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Host and port our MSRP URIs name; the port is the real one.
    pub msrp_host: String,
    /// See `msrp_host`.
    pub msrp_port: u16,
    /// The same host as our SDP names it in `o=` and `c=` (RFC 4975 §8.1).
    pub address: Address,
    /// How long octets may wait for a `<record>` before they are refused with 413.
    pub hold: Duration,
    /// Octets of one outgoing chunk.
    pub chunk: usize,
    /// Largest message taken, in octets.
    pub max_size: u64,
    /// MIME types taken; `*` is all.
    pub accept_types: Vec<String>,
    /// Networks that may send MSML.
    pub trusted: Vec<Network>,
    /// What happens to files that nobody has asked for.
    pub unattended: Unattended,
    /// Peers that differ.
    pub peers: Vec<Peer>,
    /// How long a call waits for its peer's MSRP connection.
    pub answer_timeout: Duration,
}

/// What happens to a file that arrives while no script asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unattended {
    /// It waits, for at most `msrp.hold`.
    Hold,
    /// It is filed in the box that the Request-URI names.
    Deposit,
}

/// One peer with habits of its own.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its network, if it is known by that.
    pub network: Option<Network>,
    /// What its User-Agent contains, if it is known by that.
    pub user_agent: Option<String>,
    /// How it likes its answers and events.
    pub style: Style,
}

impl Policy {
    /// Whether MSML may come from this address.
    pub fn may_control(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// How a peer at this address with this User-Agent likes its answers.
    pub fn style(&self, address: IpAddr, user_agent: Option<&str>) -> Style {
        self.peers
            .iter()
            .find(|peer| {
                let near = peer.network.is_none_or(|network| network.contains(address));
                let named =
                    peer.user_agent.as_ref().is_none_or(|part| user_agent.is_some_and(|all| all.contains(part)));
                near && named
            })
            .map_or_else(Style::default, |peer| peer.style)
    }

    /// Whether a file of this MIME type is taken.
    pub fn accepts(&self, media_type: &str) -> bool {
        accepts(&self.accept_types, media_type)
    }
}

/// Whether `media_type` is on a list in the form of `a=accept-types` (RFC 4975 §8.6): `*`, `type/*` or `type/subtype`,
/// whatever the case, parameters aside.
pub fn accepts(list: &[String], media_type: &str) -> bool {
    let bare = media_type.split(';').next().unwrap_or_default().trim();
    list.iter().any(|entry| match entry.strip_suffix("/*") {
        _ if entry == "*" => true,
        Some(kind) => bare.split('/').next().is_some_and(|have| have.eq_ignore_ascii_case(kind)),
        None => entry.eq_ignore_ascii_case(bare),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_types_ignore_case_and_parameters() {
        let list = ["image/*".to_owned(), "text/plain".to_owned()];
        assert!(accepts(&list, "IMAGE/jpeg") && accepts(&list, "Text/Plain; charset=utf-8"));
        assert!(!accepts(&list, "text/html") && accepts(&["*".to_owned()], "x/y"));
    }
}
