//! Where SIP requests go (RFC 3263): NAPTR, SRV and addresses, each as far as the URI leaves it open.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;

use super::dns::Dns;
use crate::model::Mint;
use crate::sip::{Place, Target, Transport, in_order};

/// How long finding one target may take: an attempt waits for it.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Places that are tried for one request; who has more has enough that do not answer.
const PLACES_MAX: usize = 8;

/// Finds places.
pub(super) struct Resolver {
    dns: Dns,
}

impl Resolver {
    /// By these name servers, or those of the system. Names of hosts always go to the system.
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        Self { dns: Dns::new(servers) }
    }

    /// The places of a target, in the order in which they are tried.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn locate(&self, target: &Target, mint: Mint) -> Result<Vec<Place>, String> {
        if let Some(place) = target.place() {
            return Ok(vec![place]);
        }
        let found = tokio::time::timeout(RESOLVE_TIMEOUT, self.look_up(target, mint)).await;
        let mut places = found.unwrap_or_else(|_| Err("DNS does not answer".to_owned()));
        if let Ok(places) = &mut places {
            places.truncate(PLACES_MAX);
        }
        places.map_err(|why| format!("{}: {why}", target.host))
    }

    async fn look_up(&self, target: &Target, mut mint: Mint) -> Result<Vec<Place>, String> {
        // RFC 3263 §4.2: a port leaves nothing to SRV records. A name without a dot is this network's own affair.
        if target.port.is_none() && target.host.contains('.') {
            let mut services = Vec::new();
            if target.is_open() {
                services = target.services(self.dns.naptr(&target.host, &mut mint).await);
            }
            if services.is_empty() {
                services = target.usual_services();
            }
            let (places, told) = self.of_services(services, &mut mint).await;
            if told {
                return if places.is_empty() {
                    Err("none of its servers has an address".to_owned())
                } else {
                    Ok(places)
                };
            }
        }
        let transport = target.usual_transport();
        addresses(&target.host, target.port.unwrap_or_else(|| transport.port()), transport).await
    }

    /// The places that SRV records lead to, and whether there were any.
    async fn of_services(&self, services: Vec<(Transport, String)>, mint: &mut Mint) -> (Vec<Place>, bool) {
        let (mut places, mut told) = (Vec::new(), false);
        for (transport, name) in services {
            for record in in_order(self.dns.srv(&name, mint).await, mint) {
                told = true;
                // RFC 2782: a target of "." says that the service is not there.
                if !record.host.is_empty() {
                    places.extend(addresses(&record.host, record.port, transport).await.unwrap_or_default());
                }
            }
        }
        (places, told)
    }
}

async fn addresses(host: &str, port: u16, transport: Transport) -> Result<Vec<Place>, String> {
    let found = lookup_host((host, port)).await.map_err(|error| error.to_string())?;
    Ok(found.map(|remote| Place { transport, remote }).collect())
}
