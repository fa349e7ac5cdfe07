//! One SIP connection, over TLS or without: made or accepted, read and written until either side ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::places;
use super::tls::{HandshakeError, SipStream, Tls};
use crate::model::limits::SIP_IDLE;
use crate::sip::{self, Flow, FlowId, Transport};

/// Messages that may wait for one peer's socket. A peer that reads no more loses its connection, not our memory.
pub(super) const UNSENT_MESSAGES: usize = 256;

/// Octets asked of a connection at a time.
const READ_OCTETS: usize = 16 * 1024;

/// A peer that doesn't answer a connect in this time is down, long before SIP's own 32 s.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the sockets' tasks tell the driver.
#[derive(Debug)]
pub(super) enum Wire {
    /// For the endpoint.
    Sip(sip::Input),
    /// A connection stands, incoming or outgoing; these are the hosts that an authority of ours vouches for at its end, and
    /// the one that we have connected to, if we have.
    Up(Flow, mpsc::Sender<Bytes>, Vec<String>, Option<String>),
}

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Carried {
    pub(super) to_driver: mpsc::Sender<Wire>,
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
    let (sender, receiver) = mpsc::channel(UNSENT_MESSAGES);
    let Some((flow, stream, hosts)) = prepared(transport, stream, None, &shared).await else { return };
    carry(flow, stream, (hosts, None), (sender, receiver), shared).await;
    drop(place);
}

/// Connects; over TLS the certificate has to name this host.
pub(super) async fn dial(
    (transport, remote): (Transport, SocketAddr),
    name: String,
    (sender, receiver): (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>),
    shared: Carried,
) {
    let connected = match tokio::time::timeout(DIAL_TIMEOUT, TcpStream::connect(remote)).await {
        Ok(Ok(stream)) => prepared(transport, stream, Some(&name), &shared).await,
        failed => {
            tracing::warn!(%remote, ?failed, "cannot connect for SIP");
            None
        }
    };
    match connected {
        Some((flow, stream, hosts)) => carry(flow, stream, (hosts, Some(name)), (sender, receiver), shared).await,
        None => {
            drop((sender, receiver)); // what is sent from now on is dialled anew
            let input = sip::Input::TransportFailed { flow: None, transport, remote };
            let _ = shared.to_driver.send(Wire::Sip(input)).await;
        }
    }
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
    (sender, receiver): (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>),
    shared: Carried,
) {
    let (reader, writer) = tokio::io::split(stream);
    if shared.to_driver.send(Wire::Up(flow, sender, hosts, dialled)).await.is_err() {
        return;
    }
    tokio::select! {
        () = read(flow, reader, &shared.to_driver) => {}
        () = write(writer, receiver) => {}
        () = shared.stop.cancelled() => {}
    }
    let _ = shared.to_driver.send(Wire::Sip(sip::Input::FlowClosed(flow.id))).await;
}

async fn read(flow: Flow, mut reader: impl AsyncRead + Unpin, to_driver: &mpsc::Sender<Wire>) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_OCTETS);
        match tokio::time::timeout(SIP_IDLE, reader.read_buf(&mut buffer)).await {
            Err(_) | Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {
                let octets = buffer.split().freeze();
                if to_driver.send(Wire::Sip(sip::Input::Octets { flow, octets })).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut receiver: mpsc::Receiver<Bytes>) {
    while let Some(octets) = receiver.recv().await {
        // TLS keeps what was written until it is flushed.
        if writer.write_all(&octets).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}
