//! Addresses in the configuration: where to listen, how to be reached, whom to trust.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use std::str::FromStr;

/// What runs below SIP or MSRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams, for SIP alone.
    Udp,
    /// A plain byte stream.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// A WebSocket without TLS, for MSRP alone and on this machine alone.
    Ws,
    /// A WebSocket over TLS, for MSRP alone.
    Wss,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        })
    }
}

/// A host with an optional port, as it's written in URIs: an IPv6 address keeps its brackets in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name or an IP address, IPv6 without brackets.
    pub name: String,
    /// The port, if one was given.
    pub port: Option<u16>,
}

impl Host {
    /// The address, if the host is one and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.name.eq_ignore_ascii_case("localhost") || self.ip().is_some_and(|ip| ip.to_canonical().is_loopback())
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let why =
            || format!("\"{text}\" is not a HOST or HOST:PORT; an IPv6 address needs brackets, like \"[::1]:5060\"");
        let (name, rest) = match text.strip_prefix('[') {
            Some(inside) => inside.split_once(']').ok_or_else(why)?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(digits) => Some(digits.parse().map_err(|_| why())?),
            None if rest.is_empty() => None,
            None => return Err(why()),
        };
        let bracketed = text.starts_with('[');
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let fits = if bracketed { name.parse::<Ipv6Addr>().is_ok() } else { name.chars().all(legal) };
        if name.is_empty() || !fits {
            return Err(why());
        }
        Ok(Self { name: name.to_owned(), port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]", self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Where to listen: `udp:127.0.0.1:5060`. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What to listen for.
    pub transport: Transport,
    /// The host and, always, the port.
    pub host: Host,
}

impl Listen {
    /// `HOST:PORT`, as a bind call takes it.
    pub fn authority(&self) -> String {
        self.host.to_string()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.host)
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (transport, host) = text.split_once(':').unwrap_or((text, ""));
        let transport = match transport {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            "ws" => Transport::Ws,
            "wss" => Transport::Wss,
            _ => {
                let why = "is not a listen address: expected udp:HOST:PORT, or tcp:, tls:, ws: or wss: for udp:";
                return Err(format!("\"{text}\" {why}"));
            }
        };
        let host: Host = host.parse()?;
        if host.port.is_none() {
            return Err(format!("\"{text}\" has no port; port 0 lets the system choose one"));
        }
        Ok(Self { transport, host })
    }
}

/// An MSRP relay that works for us: `msrps://relay.example.org:2855;tcp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The account in its URI, if one is named there.
    pub user: Option<String>,
    /// The host and, always, the port: without one it would have to be found by SRV records (RFC 4976 §8).
    pub host: Host,
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        write!(f, "msrps://{user}{};tcp", self.host)
    }
}

impl FromStr for Relay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("msrp:") {
            return Err(format!(
                "\"{text}\" is not protected: a relay is reached over TLS alone (RFC 4976 §9.2), msrps://"
            ));
        }
        let why = || format!("\"{text}\" is not the URI of a relay: expected msrps://HOST:PORT;tcp");
        let rest = text.strip_prefix("msrps://").and_then(|rest| rest.strip_suffix(";tcp")).ok_or_else(why)?;
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,=".contains(c);
        if user.is_some_and(|user| user.is_empty() || !user.chars().all(legal)) {
            return Err(why());
        }
        let host: Host = host.parse().map_err(|_| why())?;
        if host.port.is_none_or(|port| port == 0) {
            return Err(format!("\"{text}\" has no port; MSRP's own is 2855"));
        }
        Ok(Self { user: user.map(str::to_owned), host })
    }
}
