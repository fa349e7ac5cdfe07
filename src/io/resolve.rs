//! Where SIP requests go (RFC 3263).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;

use crate::model::Mint;
use crate::sip::{Place, Target, Transport};

/// How long finding one target may take: an attempt waits for it.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Finds places.
pub(super) struct Resolver;

impl Resolver {
    pub(super) const fn new() -> Self {
        Self
    }

    /// The places of a target, in the order in which they are tried.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn locate(&self, target: &Target, _: Mint) -> Result<Vec<Place>, String> {
        if let Some(place) = target.place() {
            return Ok(vec![place]);
        }
        let transport = target.transport.unwrap_or(if target.secure { Transport::Tls } else { Transport::Udp });
        let port = target.port.unwrap_or(transport.port());
        let found = tokio::time::timeout(RESOLVE_TIMEOUT, lookup_host((target.host.as_str(), port))).await;
        match found {
            Ok(Ok(addresses)) => Ok(addresses.map(|remote: SocketAddr| Place { transport, remote }).collect()),
            Ok(Err(error)) => Err(format!("{}: {error}", target.host)),
            Err(_) => Err(format!("{}: DNS does not answer", target.host)),
        }
    }
}
