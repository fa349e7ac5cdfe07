//! Where requests to a URI go: what its text says (RFC 3263 §4), before any name is looked up.

use std::net::SocketAddr;

use rsip::{Scheme, Uri};

use super::address::{self, uri_param};
use super::flow::Transport;

/// What has to be looked up before a request can leave for a URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port, if the URI has one.
    pub port: Option<u16>,
    /// The transport, if the URI names one.
    pub transport: Option<Transport>,
    /// A `sips:` URI: TLS on every hop.
    pub secure: bool,
}

/// One place where it can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// By what.
    pub transport: Transport,
    /// The address.
    pub remote: SocketAddr,
}

impl Target {
    /// What this URI says; `None` if it is no `sip:` or `sips:` URI, or names a transport that is not spoken here.
    pub fn of(uri: &str) -> Option<Self> {
        Self::of_uri(&address::uri(uri).ok()?)
    }

    pub(super) fn of_uri(uri: &Uri) -> Option<Self> {
        let secure = uri.scheme == Some(Scheme::Sips);
        let named = match uri_param(uri, "transport") {
            None => None,
            Some(name) => Some(Transport::named(name)?),
        };
        // RFC 3261 §26.2.2: in a sips URI `transport=tcp` is TLS over TCP, and nothing runs over UDP.
        let transport = match (secure, named) {
            (true, Some(Transport::Udp)) => return None,
            (true, Some(_)) => Some(Transport::Tls),
            (_, named) => named,
        };
        let host = uri.host_with_port.host.to_string();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host).to_owned();
        Some(Self { host, port: uri.host_with_port.port.as_ref().map(|port| *port.value()), transport, secure })
    }

    /// The place itself, if the host is an address and needs no looking up (RFC 3263 §4.1, §4.2).
    pub fn place(&self) -> Option<Place> {
        let ip = self.host.parse().ok()?;
        let transport = self.transport.unwrap_or(if self.secure { Transport::Tls } else { Transport::Udp });
        Some(Place { transport, remote: SocketAddr::new(ip, self.port.unwrap_or_else(|| transport.port())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_says_how_its_host_is_reached() {
        let target = |uri: &str| Target::of(uri).expect("a target");
        let bob = target("sip:bob@example.org");
        assert_eq!((bob.host.as_str(), bob.port, bob.transport, bob.secure), ("example.org", None, None, false));
        assert_eq!(target("sips:bob@example.org;transport=tcp").transport, Some(Transport::Tls));
        let place = |uri: &str| target(uri).place().map(|place| (place.transport, place.remote.to_string()));
        assert_eq!(place("sip:bob@192.0.2.7"), Some((Transport::Udp, "192.0.2.7:5060".to_owned())));
        assert_eq!(
            place("sip:[2001:db8::7]:5070;transport=TCP"),
            Some((Transport::Tcp, "[2001:db8::7]:5070".to_owned()))
        );
        assert_eq!(place("sips:192.0.2.7"), Some((Transport::Tls, "192.0.2.7:5061".to_owned())));
        assert_eq!(place("sip:bob@example.org"), None);
        for none in ["tel:+1555", "sip:bob@example.org;transport=sctp", "sips:bob@example.org;transport=udp", "bob"] {
            assert_eq!(Target::of(none), None, "{none}");
        }
    }
}
