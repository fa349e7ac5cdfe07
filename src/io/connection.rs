//! One MSRP connection as the link's task sees it: two halves of octets, and what the transport knows of the peer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::places::Place;
use crate::engine::Bearer;
use crate::msrp::Carrier;

/// Where octets are read, whatever lies below.
pub(super) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;

/// Where octets are written. What was taken may wait inside until it is flushed, as TLS does.
pub(super) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// How many octets have come of the peer below the messages that its transport makes of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    pub(super) fn beat(&self, octets: usize) {
        self.0.fetch_add(octets as u64, Ordering::Relaxed);
    }

    /// They were no part of a message after all.
    pub(super) fn take_back(&self, octets: usize) {
        self.0.fetch_sub(octets as u64, Ordering::Relaxed);
    }

    pub(super) fn octets(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that is ready for MSRP: every handshake below is done.
pub(super) struct MsrpStream {
    pub(super) reader: ReadHalf,
    pub(super) writer: WriteHalf,
    pub(super) bearer: Bearer,
    /// Kept for as long as the connection lives; a connection that we opened needs none.
    pub(super) place: Option<Place>,
    /// Of a transport that hands out whole messages only.
    pub(super) pulse: Option<Pulse>,
}

impl fmt::Debug for MsrpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MsrpStream").field("bearer", &self.bearer).finish_non_exhaustive()
    }
}

impl MsrpStream {
    /// Any stream, with what is known of its other end.
    pub(super) fn new(
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        bearer: Bearer,
        place: Option<Place>,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader: Box::new(reader), writer: Box::new(writer), bearer, place, pulse: None }
    }

    /// Plain TCP.
    pub(super) fn tcp(stream: TcpStream, place: Option<Place>) -> Self {
        let bearer = Bearer { carrier: Carrier::Tcp, remote: stream.peer_addr().ok(), certificate: None };
        let (reader, writer) = stream.into_split();
        Self { reader: Box::new(reader), writer: Box::new(writer), bearer, place, pulse: None }
    }
}

/// What every TCP connection below MSRP needs, before anything is said on it.
///
/// A peer behind a NAT that forgot it would block its own return with 506 (pitfall P26): dead connections are noticed in
/// a minute, by probes when idle and by the missing acknowledgement when not.
pub(super) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let probes = socket2::TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&probes.with_retries(3));
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(60)));
}

/// Addresses of one name that are tried; who has more has enough that do not answer.
const ADDRESSES_TRIED: usize = 8;

/// How long one of several addresses may take: one that does not answer must not use up the others' time.
const ONE_OF_SEVERAL: Duration = Duration::from_secs(2);

/// Connects to the first address that answers (RFC 4975 §6.2: further records are tried in order).
///
/// # Errors
/// Why the last one does not.
pub(super) async fn connect_to_one_of(addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
    let addresses = &addresses[..addresses.len().min(ADDRESSES_TRIED)];
    let mut failure = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for (at, address) in addresses.iter().enumerate() {
        let last = at + 1 == addresses.len();
        let connected = match last {
            true => connect(*address).await,
            false => tokio::time::timeout(ONE_OF_SEVERAL, connect(*address))
                .await
                .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())),
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                tracing::debug!(%address, %error, last, "cannot connect for MSRP");
                failure = error;
            }
        }
    }
    Err(failure)
}

/// Connects to this address.
async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    prepare(&stream);
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    // M4975-6.2-03
    #[tokio::test]
    async fn the_second_address_is_tried_when_the_first_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open = listener.local_addr().expect("its address");
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
        let stream = connect_to_one_of(&[closed, open]).await.expect("the second listens");
        assert_eq!(stream.peer_addr().expect("it is connected"), open);
        let error = connect_to_one_of(&[closed]).await.expect_err("nobody listens");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        assert_eq!(connect_to_one_of(&[]).await.expect_err("no address").kind(), std::io::ErrorKind::NotFound);
    }
}
