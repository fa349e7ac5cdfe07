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
    /// `msrp://...;ws`: a WebSocket over TCP.
    Ws,
    /// `msrps://...;ws`: a WebSocket over TLS (RFC 7977 §5.1).
    Wss,
}

impl Carrier {
    /// What a URI asks for; `None` if it is nothing we know. The scheme decides, never the port (RFC 4975 §6).
    pub fn of(uri: &MsrpUri) -> Option<Self> {
        match (uri.transport.to_ascii_lowercase().as_str(), uri.secure) {
            ("tcp", false) => Some(Self::Tcp),
            ("tcp", true) => Some(Self::Tls),
            ("ws", false) => Some(Self::Ws),
            ("ws", true) => Some(Self::Wss),
            _ => None,
        }
    }

    /// Whether it is protected by TLS: the scheme is `msrps`.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The transport parameter of its URIs.
    pub const fn transport(self) -> &'static str {
        match self {
            Self::Tcp | Self::Tls => "tcp",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// Whether it is a WebSocket, which its client alone can open (RFC 7977 §5.1).
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Its name in listen addresses and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
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

    // M7977-5.2.1-01
    #[test]
    fn the_scheme_and_the_transport_decide_and_the_port_never() {
        for (text, carrier) in [
            ("msrp://host.example.org:443/s1;tcp", Some(Carrier::Tcp)),
            ("msrps://host.example.org:2855/s1;TCP", Some(Carrier::Tls)),
            ("msrp://x2k9.invalid:2855/s1;WS", Some(Carrier::Ws)),
            ("msrps://host.example.org:443/s1;ws", Some(Carrier::Wss)),
            ("msrps://host.example.org:2855/s1;sctp", None),
        ] {
            let uri: MsrpUri = text.parse().expect("a URI");
            assert_eq!(Carrier::of(&uri), carrier, "{text}");
        }
    }
}
