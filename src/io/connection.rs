//! One MSRP connection as the link's task sees it: two halves of octets, and what the transport knows of the peer.

use std::fmt;
use std::net::SocketAddr;
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

/// A connection that is ready for MSRP: every handshake below is done.
pub(super) struct MsrpStream {
    pub(super) reader: ReadHalf,
    pub(super) writer: WriteHalf,
    pub(super) bearer: Bearer,
    /// Kept for as long as the connection lives; a connection that we opened needs none.
    pub(super) place: Option<Place>,
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
        Self { reader: Box::new(reader), writer: Box::new(writer), bearer, place }
    }

    /// Plain TCP.
    pub(super) fn tcp(stream: TcpStream, place: Option<Place>) -> Self {
        let bearer = Bearer { carrier: Carrier::Tcp, remote: stream.peer_addr().ok(), certificate: None };
        let (reader, writer) = stream.into_split();
        Self { reader: Box::new(reader), writer: Box::new(writer), bearer, place }
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

/// Connects to the first of these addresses that answers.
pub(super) async fn connect(addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(addresses).await?;
    prepare(&stream);
    Ok(stream)
}
