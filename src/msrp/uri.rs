//! MSRP URIs (RFC 4975 §6): who a session is, and whether two texts name the same one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::model::limits::MSRP_PATH_URIS;

/// The port IANA keeps for MSRP (RFC 4975 §15.4). Recommended for listeners, never a default in comparisons.
pub const MSRP_PORT: u16 = 2855;

/// `msrp://user@host:port/session-id;transport;param=value`.
///
/// `==` compares spelling; [`MsrpUri::matches`] compares as RFC 4975 §6.1 says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MsrpUri {
    /// `msrps`: the connection is TLS.
    pub secure: bool,
    /// The account, never a password (RFC 4975 §6).
    pub user: Option<String>,
    /// A name or an address as written; IPv6 with its brackets.
    pub host: String,
    /// The port. RFC 4975 §6 demands one with a numeric address.
    pub port: Option<u16>,
    /// Which session; `None` names a device or relay.
    pub session_id: Option<String>,
    /// `tcp` or, to a WebSocket client (RFC 7977), `ws`.
    pub transport: String,
    /// Further parameters in order.
    pub params: Vec<(String, Option<String>)>,
}

/// What has to be equal for a To-Path to name a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionMatch {
    /// The whole URI (RFC 4975 §6.1).
    #[default]
    Uri,
    /// The session id alone: middleboxes rewrite host and port of `a=path` and leave those of To-Path (F4). The id is
    /// unguessable, so nobody gains a session by it.
    Id,
}

/// Why a text is not an MSRP URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsrpUriError {
    /// Neither `msrp://` nor `msrps://`.
    #[error("the scheme is neither msrp:// nor msrps://")]
    Scheme,
    /// The user part is malformed or holds a password.
    #[error("the user part is malformed or holds a password")]
    User,
    /// No host, or characters a host cannot have.
    #[error("the host is missing or malformed")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// RFC 4975 §6: a numeric address needs a port.
    #[error("a numeric address needs a port")]
    AddressWithoutPort,
    /// The session id is empty or has characters it cannot have.
    #[error("the session id is empty or malformed")]
    SessionId,
    /// The transport parameter is missing or malformed.
    #[error("the transport parameter is missing or malformed")]
    Transport,
    /// A further parameter is malformed.
    #[error("a parameter is malformed")]
    Parameter,
    /// A path of no URI, or of more than [`MSRP_PATH_URIS`].
    #[error("a path must have 1 to {MSRP_PATH_URIS} URIs")]
    PathLength,
}

impl MsrpUri {
    /// The URI of a session over TCP, as we mint them.
    pub fn session(secure: bool, host: &str, port: u16, session_id: String) -> Self {
        Self {
            secure,
            user: None,
            host: host.to_owned(),
            port: Some(port),
            session_id: Some(session_id),
            transport: "tcp".to_owned(),
            params: Vec::new(),
        }
    }

    /// Parses the URIs of a path: `a=path`, `To-Path`, `From-Path`. More than one space between them is let pass (P18).
    ///
    /// # Errors
    /// The first URI's [`MsrpUriError`], or [`MsrpUriError::PathLength`].
    pub fn parse_path(text: &str) -> Result<Vec<Self>, MsrpUriError> {
        let words = text.split(' ').filter(|word| !word.is_empty());
        let path: Vec<Self> = words.take(MSRP_PATH_URIS + 1).map(str::parse).collect::<Result<_, _>>()?;
        if path.is_empty() || path.len() > MSRP_PATH_URIS {
            return Err(MsrpUriError::PathLength);
        }
        Ok(path)
    }

    /// Prints a path as [`MsrpUri::parse_path`] reads it.
    pub fn print_path(path: &[Self]) -> String {
        path.iter().map(Self::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Host and port: what may be said of a URI to whoever reads a log. RFC 4975 §14.1: its session id may not, for who
    /// knows that is the session's peer.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or(MSRP_PORT))
    }

    /// The address, if the host is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        bare.parse().ok()
    }

    /// Whether both name the same session (RFC 4975 §6.1). User and parameters have no say.
    pub fn matches(&self, other: &Self) -> bool {
        // Rule 3: a URI with a port is never equivalent to one without.
        self.secure == other.secure
            && self.port == other.port
            && self.session_id == other.session_id
            && self.transport.eq_ignore_ascii_case(&other.transport)
            && self.same_host(other)
    }

    /// Whether both name the same session, for a peer that is to be matched in this way.
    pub fn names_session(&self, other: &Self, by: SessionMatch) -> bool {
        match by {
            SessionMatch::Uri => self.matches(other),
            SessionMatch::Id => self.session_id.is_some() && self.session_id == other.session_id,
        }
    }

    fn same_host(&self, other: &Self) -> bool {
        match (self.address(), other.address()) {
            (Some(one), Some(two)) => one == two,
            (None, None) => {
                self.host == other.host || {
                    let (one, two) = (percent_decode_str(&self.host), percent_decode_str(&other.host));
                    one.map(|octet| octet.to_ascii_lowercase()).eq(two.map(|octet| octet.to_ascii_lowercase()))
                }
            }
            _ => false,
        }
    }
}

impl FromStr for MsrpUri {
    type Err = MsrpUriError;

    fn from_str(text: &str) -> Result<Self, MsrpUriError> {
        let (scheme, rest) = text.split_once("://").ok_or(MsrpUriError::Scheme)?;
        let secure = scheme.eq_ignore_ascii_case("msrps");
        if !secure && !scheme.eq_ignore_ascii_case("msrp") {
            return Err(MsrpUriError::Scheme);
        }
        let (address, parameters) = rest.split_once(';').ok_or(MsrpUriError::Transport)?;
        let (authority, session_id) = match address.split_once('/') {
            Some((authority, id)) => (authority, Some(checked(id, is_session_id, MsrpUriError::SessionId)?)),
            None => (address, None),
        };
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(checked(user, is_name, MsrpUriError::User)?), host),
            None => (None, authority),
        };
        let (host, port) = host_and_port(authority)?;
        let mut parameters = parameters.split(';');
        let transport = parameters.next().unwrap_or_default();
        let transport = checked(transport, |c| c.is_ascii_alphanumeric(), MsrpUriError::Transport)?;
        let params = parameters.map(parameter).collect::<Result<_, _>>()?;
        let uri = Self { secure, user, host, port, session_id, transport, params };
        if uri.port.is_none() && uri.address().is_some() {
            return Err(MsrpUriError::AddressWithoutPort);
        }
        Ok(uri)
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), MsrpUriError> {
    let host_end = match authority.starts_with('[') {
        true => Some(authority.find(']').ok_or(MsrpUriError::Host)? + 1),
        false => authority.find(':'),
    };
    let (host, port) = authority.split_at(host_end.unwrap_or(authority.len()));
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err(MsrpUriError::Host),
        Some(digits) => Some(port_number(digits)?),
    };
    match host.strip_prefix('[') {
        Some(bracketed) => {
            let address = bracketed.strip_suffix(']').ok_or(MsrpUriError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| MsrpUriError::Host)?;
            Ok((host.to_owned(), port))
        }
        None => Ok((checked(host, is_name, MsrpUriError::Host)?, port)),
    }
}

fn port_number(digits: &str) -> Result<u16, MsrpUriError> {
    let digits = checked(digits, |c| c.is_ascii_digit(), MsrpUriError::Port)?;
    digits.parse().ok().filter(|port| *port != 0).ok_or(MsrpUriError::Port)
}

fn parameter(text: &str) -> Result<(String, Option<String>), MsrpUriError> {
    let token = |text| checked(text, is_token, MsrpUriError::Parameter);
    match text.split_once('=') {
        Some((name, value)) => Ok((token(name)?, Some(token(value)?))),
        None => Ok((token(text)?, None)),
    }
}

fn checked(text: &str, allowed: impl Fn(char) -> bool, error: MsrpUriError) -> Result<String, MsrpUriError> {
    if text.is_empty() || !text.chars().all(allowed) {
        return Err(error);
    }
    Ok(text.to_owned())
}

fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~".contains(c)
}

/// RFC 3986 reg-name and userinfo, without `;`, which ends an authority here, and `:`, which starts a password.
fn is_name(c: char) -> bool {
    is_unreserved(c) || "%!$&'()*+,=".contains(c)
}

fn is_session_id(c: char) -> bool {
    is_unreserved(c) || "+=/".contains(c)
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~".contains(c)
}

impl fmt::Display for MsrpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "msrps://" } else { "msrp://" })?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(session_id) = &self.session_id {
            write!(f, "/{session_id}")?;
        }
        write!(f, ";{}", self.transport)?;
        for (name, value) in &self.params {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uri(text: &str) -> MsrpUri {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    // M4975-6.1-01 M4975-6.1-02 M4975-6.1-03 M4975-6.1-04 M4975-6.1-05 M4975-6.1-06 M4975-6.1-07 M4975-6.1-08 M4975-6-05
    #[test]
    fn two_uris_name_one_session_exactly_when_section_6_1_says_so() {
        let base = "msrp://files.example.org:2855/s4Kd8;tcp";
        for same in [
            base,
            "MSRP://files.example.org:2855/s4Kd8;tcp",
            "msrp://FILES.example.ORG:2855/s4Kd8;TCP",
            "msrp://carol@files.example.org:2855/s4Kd8;tcp",
            "msrp://fi%6ces.example.org:2855/s4Kd8;tcp",
            "msrp://files.example.org:2855/s4Kd8;tcp;x=y;z",
        ] {
            assert!(uri(base).matches(&uri(same)), "{same}");
        }
        for other in [
            "msrps://files.example.org:2855/s4Kd8;tcp",
            "msrp://files.example.net:2855/s4Kd8;tcp",
            "msrp://files.example.org:28551/s4Kd8;tcp",
            "msrp://files.example.org/s4Kd8;tcp",
            "msrp://files.example.org:2855/s4kd8;tcp",
            "msrp://files.example.org:2855/./s4Kd8;tcp",
            "msrp://files.example.org:2855;tcp",
            "msrp://files.example.org:2855/s4Kd8;ws",
        ] {
            assert!(!uri(base).matches(&uri(other)), "{other}");
        }
        assert!(uri("msrp://[::1]:1/a;tcp").matches(&uri("msrp://[0:0:0:0:0:0:0:1]:1/a;tcp")));
        assert!(!uri("msrp://[::1]:1/a;tcp").matches(&uri("msrp://[::2]:1/a;tcp")));
    }

    // M4975-6-02 M4975-6-06 M4975-6-07
    #[test]
    fn what_is_no_msrp_uri_is_refused_with_its_reason() {
        for (text, error) in [
            ("", MsrpUriError::Scheme),
            ("sip://h:1/a;tcp", MsrpUriError::Scheme),
            ("msrp://h:1/a", MsrpUriError::Transport),
            ("msrp://h:1/a;", MsrpUriError::Transport),
            ("msrp://h:1/a;t-p", MsrpUriError::Transport),
            ("msrp://:1/a;tcp", MsrpUriError::Host),
            ("msrp://a b:1/a;tcp", MsrpUriError::Host),
            ("msrp://[::1/a;tcp", MsrpUriError::Host),
            ("msrp://[::1]x/a;tcp", MsrpUriError::Host),
            ("msrp://[nonsense]:1/a;tcp", MsrpUriError::Host),
            ("msrp://h:/a;tcp", MsrpUriError::Port),
            ("msrp://h:0/a;tcp", MsrpUriError::Port),
            ("msrp://h:+1/a;tcp", MsrpUriError::Port),
            ("msrp://h:65536/a;tcp", MsrpUriError::Port),
            ("msrp://10.0.0.1/a;tcp", MsrpUriError::AddressWithoutPort),
            ("msrp://[::1]/a;tcp", MsrpUriError::AddressWithoutPort),
            ("msrp://h:1/;tcp", MsrpUriError::SessionId),
            ("msrp://h:1/é;tcp", MsrpUriError::SessionId),
            ("msrp://u:secret@h:1/a;tcp", MsrpUriError::User),
            ("msrp://h:1/a;tcp;", MsrpUriError::Parameter),
            ("msrp://h:1/a;tcp;x=", MsrpUriError::Parameter),
        ] {
            assert_eq!(text.parse::<MsrpUri>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_path_has_one_to_sixteen_uris_however_many_spaces_part_them() {
        let path = MsrpUri::parse_path(" msrp://relay.example.org:2855/r1;tcp  msrp://h:1/a;tcp").expect("a path");
        assert_eq!(MsrpUri::print_path(&path), "msrp://relay.example.org:2855/r1;tcp msrp://h:1/a;tcp");
        assert_eq!(MsrpUri::parse_path(" "), Err(MsrpUriError::PathLength));
        assert_eq!(MsrpUri::parse_path(&"msrp://h:1/a;tcp ".repeat(17)), Err(MsrpUriError::PathLength));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            text in "msrps?://([a-z]{1,4}@)?([a-z]{1,8}(:[1-9][0-9]{0,3})?|\\[::[1-9a-f]\\]:70)(/[a-zA-Z0-9+=/._~-]{1,9})?;[a-z]{1,4}(;[a-z]{1,3}(=[0-9]{1,3})?){0,2}",
        ) {
            let uri = uri(&text);
            prop_assert_eq!(uri.to_string(), text);
            prop_assert!(uri.matches(&uri.clone()));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(msrps?://)?\\PC{0,40}") {
            let _ = text.parse::<MsrpUri>();
        }
    }
}
