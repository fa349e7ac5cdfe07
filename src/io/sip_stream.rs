//! One SIP connection, over TLS or without: made or accepted, read and written until either side ends it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::door::{Door, Doors, Wire};
use super::pipe::{Mouth, Pipe, Unsent, pipe};
use super::places;
use super::tls::{HandshakeError, SipStream, Tls};
use crate::model::limits::SIP_IDLE;
use crate::sip::{self, Flow, FlowId, Transport};

/// Octets asked of a connection at a time.
const READ_OCTETS: usize = 16 * 1024;

/// A peer that doesn't answer a connect in this time is down, long before SIP's own 32 s.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Carried {
    pub(super) doors: Doors,
    pub(super) tls: Tls,
    pub(super) next: Arc<AtomicU64>,
    pub(super) stop: CancellationToken,
}

impl Carried {
    pub(super) fn new_flow(&self) -> FlowId {
        FlowId(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Somebody has connected to us, and keeps the place until the connection ends.
pub(super) async fn accepted(transport: Transport, stream: TcpStream, place: places::Place, shared: Carried) {
    let Some((flow, stream, hosts)) = prepared(transport, stream, None, &shared).await else { return };
    carry(flow, stream, (hosts, None), pipe(), shared).await;
    drop(place);
}

/// Connects; over TLS the certificate has to name this host.
pub(super) async fn dial(
    (transport, remote): (Transport, SocketAddr),
    name: String,
    ends: (Pipe, Mouth),
    shared: Carried,
) {
    let mut refused = false;
    let connected = match tokio::time::timeout(DIAL_TIMEOUT, TcpStream::connect(remote)).await {
        Ok(Ok(stream)) => prepared(transport, stream, Some(&name), &shared).await,
        failed => {
            tracing::warn!(%remote, ?failed, "cannot connect for SIP");
            refused = matches!(failed, Ok(Err(error)) if is_refusal(error.kind()));
            None
        }
    };
    match connected {
        Some((flow, stream, hosts)) => carry(flow, stream, (hosts, Some(name)), ends, shared).await,
        None => {
            drop(ends); // what is sent from now on is dialled anew
            let input = sip::Input::Unconnected { transport, remote, refused };
            shared.doors.of(remote.ip()).tell(Wire::Sip(input)).await;
        }
    }
}

/// Whether a reset or an ICMP message is behind this, and not silence, our own network or our want of descriptors.
const fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::HostUnreachable)
}

/// A connection that is ready for SIP: its handshake is done, if it needs one.
async fn prepared(
    transport: Transport,
    stream: TcpStream,
    host: Option<&str>,
    shared: &Carried,
) -> Option<(Flow, SipStream, Vec<String>)> {
    let (local, remote) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
    super::connection::prepare(&stream);
    let shaken = match (transport, host) {
        (Transport::Tls, None) => shared.tls.accept_sip(stream).await,
        (Transport::Tls, Some(host)) => shared.tls.connect_sip(stream, host).await,
        _ => Ok((Box::new(stream) as SipStream, Vec::new())),
    };
    match shaken {
        Ok((stream, hosts)) => Some((Flow { id: shared.new_flow(), transport, local, remote }, stream, hosts)),
        Err(error @ HandshakeError::Left) => {
            tracing::debug!(%remote, %error, "no SIP over TLS");
            None
        }
        Err(error) => {
            tracing::warn!(%remote, %error, "no SIP over TLS");
            None
        }
    }
}

/// Carries one connection until either side ends it.
async fn carry(
    flow: Flow,
    stream: SipStream,
    (hosts, dialled): (Vec<String>, Option<String>),
    (pipe, mut mouth): (Pipe, Mouth),
    shared: Carried,
) {
    let (reader, writer) = tokio::io::split(stream);
    let door = shared.doors.of(flow.remote.ip());
    if !door.tell(Wire::Up(flow, pipe, hosts, dialled)).await {
        return;
    }
    let unsent = Arc::clone(&mouth.unsent);
    tokio::select! {
        () = read(flow, reader, &unsent, door) => {}
        () = mouth.pour(writer) => {}
        () = shared.stop.cancelled() => {}
    }
    door.tell(Wire::Sip(sip::Input::FlowClosed(flow))).await;
}

async fn read(flow: Flow, mut reader: impl AsyncRead + Unpin, unsent: &Unsent, door: &Door) {
    let mut buffer = BytesMut::new();
    loop {
        unsent.is_little().await;
        buffer.reserve(READ_OCTETS);
        match tokio::time::timeout(SIP_IDLE, reader.read_buf(&mut buffer)).await {
            Err(_) | Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {
                if !door.arrived(flow, buffer.split().freeze()).await {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::config::Settings;
    use crate::model::limits::SIP_MESSAGE_OCTETS;

    #[tokio::test]
    async fn who_does_not_listen_is_not_listened_to_and_keeps_his_connection() {
        let (doors, mut waiting) = Doors::open(&[]);
        let shared = Carried {
            doors,
            tls: Tls::open_sip(&Settings::default(), Vec::new()).expect("a certificate"),
            next: Arc::default(),
            stop: CancellationToken::new(),
        };
        let (ours, mut theirs) = tokio::io::duplex(64);
        let address = SocketAddr::from(([127, 0, 0, 1], 5060));
        let flow = Flow { id: FlowId(1), transport: Transport::Tcp, local: address, remote: address };
        tokio::spawn(carry(flow, Box::new(ours), (Vec::new(), None), pipe(), shared));
        let Some(Wire::Up(_, sender, ..)) = waiting.next().await else { panic!("no connection") };
        // Two answers as large as they may be: what an echo of long headers comes to.
        for _ in 0..2 {
            assert!(sender.put(Bytes::from(vec![b'x'; SIP_MESSAGE_OCTETS])));
        }
        let mut heard = async |said: &'static str| {
            theirs.write_all(said.as_bytes()).await.expect("a connection");
            // One thread, and nothing but memory: whoever can go on does.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let heard = waiting.next().now_or_never().flatten();
            matches!(heard, Some(Wire::Octets(arrived)) if arrived.octets == said)
        };
        assert!(heard("it was listened already").await);
        assert!(!heard("nothing is read").await, "so much is unsent");
        let mut answers = [0; 2 * SIP_MESSAGE_OCTETS];
        theirs.read_exact(&mut answers).await.expect("what was sent");
        assert!(matches!(waiting.next().await, Some(Wire::Octets(_))), "it is read now");
    }

    #[tokio::test]
    async fn a_peer_that_refuses_a_connection_is_told_from_our_own_want_of_descriptors() {
        let (doors, mut waiting) = Doors::open(&[]);
        let shared = Carried {
            doors,
            tls: Tls::open_sip(&Settings::default(), Vec::new()).expect("a certificate"),
            next: Arc::default(),
            stop: CancellationToken::new(),
        };
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.and_then(|listener| listener.local_addr());
        let nobody = nobody.expect("a port");
        dial((Transport::Tcp, nobody), nobody.ip().to_string(), pipe(), shared).await;
        let Some(Wire::Sip(sip::Input::Unconnected { transport, remote, refused })) = waiting.next().await else {
            panic!("no word of it")
        };
        assert_eq!((transport, remote, refused), (Transport::Tcp, nobody, true));
        let too_many_files = std::io::Error::from_raw_os_error(24);
        assert!(!is_refusal(too_many_files.kind()) && !is_refusal(ErrorKind::NetworkUnreachable));
    }
}
