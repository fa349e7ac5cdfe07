//! The host in `o=` and `c=` (RFC 8866 §5.2, §5.7).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::error::SdpError;

/// A host: an address, or the name of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4 or IPv6.
    Ip(IpAddr),
    /// A fully qualified domain name.
    Name(String),
}

impl Address {
    pub(super) const NONE: Self = Self::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

impl FromStr for Address {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, SdpError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
            return Err(SdpError::Address);
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(address)) => write!(f, "IN IP4 {address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "IN IP6 {address}"),
            Self::Name(name) => write!(f, "IN IP4 {name}"),
        }
    }
}
