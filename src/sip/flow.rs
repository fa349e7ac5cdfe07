//! Flows, the names of calls and requests, and bodies.

use std::net::SocketAddr;

use bytes::Bytes;

/// A transport of RFC 3261 §18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// One datagram, one message; the transactions resend.
    Udp,
    /// A byte stream, framed by Content-Length.
    Tcp,
    /// The same over TLS.
    Tls,
}

impl Transport {
    /// Its name in Via.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The one of this name, as `transport=` in a URI or Via has it.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls].into_iter().find(|transport| transport.name().eq_ignore_ascii_case(name))
    }

    /// The port when none is written (RFC 3261 §18.2.1, §19.1.2).
    pub const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// Whether what is sent arrives or the connection breaks.
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

/// A UDP listening socket or one TCP connection, numbered by the owner and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// Where octets came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The socket or connection.
    pub id: FlowId,
    /// Its transport.
    pub transport: Transport,
    /// Our address on it.
    pub local: SocketAddr,
    /// The peer's address; for UDP that of this datagram.
    pub remote: SocketAddr,
}

/// One call, that is one INVITE and the SIP dialog it makes.
///
/// The owner numbers the calls it makes, below 2^63; the endpoint numbers those it receives, from 2^63 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey(pub u64);

/// One subscription of a peer's, numbered by the endpoint and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey(pub u64);

/// A request that waits for the owner's [`Command::Answer`](super::Command::Answer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(pub(super) u64);

/// A body with what its headers say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Content-Type with its parameters.
    pub content_type: String,
    /// Content-Disposition, if it was there.
    pub disposition: Option<String>,
    /// Content-ID without its brackets, which `cid:` URLs name (RFC 2392).
    pub id: Option<String>,
    /// The octets, never changed on the way.
    pub octets: Bytes,
}

impl Body {
    /// A body of this type without a disposition.
    pub fn new(content_type: &str, octets: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.to_owned(), disposition: None, id: None, octets: octets.into() }
    }

    /// The type without parameters, in lower case.
    pub fn media_type(&self) -> String {
        self.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}
