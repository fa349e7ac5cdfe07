//! What carries MSRP between two hops, as a URI says it (RFC 4975 §6).

use std::fmt;

use super::uri::MsrpUri;

/// What runs below MSRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// `msrp://...;tcp`: a plain TCP connection.
    Tcp,
    /// `msrps://...;tcp`: TLS over TCP (RFC 4975 §14.2).
    Tls,
}

impl Carrier {
    /// What a URI asks for; `None` if it is nothing we know. The scheme decides, never the port (RFC 4975 §6).
    pub fn of(uri: &MsrpUri) -> Option<Self> {
        match (uri.transport.to_ascii_lowercase().as_str(), uri.secure) {
            ("tcp", false) => Some(Self::Tcp),
            ("tcp", true) => Some(Self::Tls),
            _ => None,
        }
    }

    /// Whether it is protected by TLS: the scheme is `msrps`.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls)
    }

    /// The transport parameter of its URIs.
    pub const fn transport(self) -> &'static str {
        match self {
            Self::Tcp | Self::Tls => "tcp",
        }
    }

    /// Its name in listen addresses and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_and_the_transport_decide_and_the_port_never() {
        for (text, carrier) in [
            ("msrp://host.example.org:443/s1;tcp", Some(Carrier::Tcp)),
            ("msrps://host.example.org:2855/s1;TCP", Some(Carrier::Tls)),
            ("msrps://host.example.org:2855/s1;sctp", None),
        ] {
            let uri: MsrpUri = text.parse().expect("a URI");
            assert_eq!(Carrier::of(&uri), carrier, "{text}");
        }
    }
}
