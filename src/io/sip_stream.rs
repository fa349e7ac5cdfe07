//! One SIP connection, over TLS or without: made or accepted, read and written until either side ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::places;
use super::tls::{HandshakeError, SipStream, Tls};
use crate::model::limits::{SIP_IDLE, SIP_UNREAD, SIP_UNREAD_OCTETS};
use crate::sip::{self, Flow, FlowId, Transport};

/// Messages that may wait for one peer's socket. A peer that reads no more loses its connection, not our memory.
pub(super) const UNSENT_MESSAGES: usize = 2 * SIP_UNREAD;

/// With so many of them waiting, nothing more is read from that peer: who asks faster than he listens is slowed down. What he
/// has asked by then finds room still.
const UNSENT_PAUSE: usize = 512;

/// Messages that leave in one go at most.
const WRITTEN_AT_ONCE: usize = 64;

/// Octets asked of a connection at a time.
const READ_OCTETS: usize = 16 * 1024;

/// A peer that doesn't answer a connect in this time is down, long before SIP's own 32 s.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the sockets' tasks tell the driver.
#[derive(Debug)]
pub(super) enum Wire {
    /// For the endpoint.
    Sip(sip::Input),
    /// Octets that came.
    Octets(Arrived),
    /// A connection stands, incoming or outgoing; these are the hosts that an authority of ours vouches for at its end, and
    /// the one that we have connected to, if we have.
    Up(Flow, mpsc::Sender<Bytes>, Vec<String>, Option<String>),
}

/// What a socket has brought.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) flow: Flow,
    pub(super) octets: Bytes,
    /// When it was read: what it waits from now on, it waits for us.
    pub(super) since: Instant,
    /// Its share of what may wait.
    pub(super) room: OwnedSemaphorePermit,
}

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Carried {
    pub(super) to_driver: mpsc::Sender<Wire>,
    /// For octets that wait for the engine.
    pub(super) room: Arc<Semaphore>,
    pub(super) tls: Tls,
    pub(super) next: Arc<AtomicU64>,
    pub(super) stop: CancellationToken,
}

impl Carried {
    /// Hands octets to the driver, as soon as there is room for them. `false`: it has gone.
    pub(super) async fn arrived(&self, flow: Flow, octets: Bytes) -> bool {
        let since = Instant::now();
        let share = u32::try_from(octets.len()).unwrap_or(u32::MAX).min(SIP_UNREAD_OCTETS);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(share).await else { return false };
        self.to_driver.send(Wire::Octets(Arrived { flow, octets, since, room })).await.is_ok()
    }

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
    let unsent = Unsent { sender: sender.downgrade(), fewer: Notify::new() };
    if shared.to_driver.send(Wire::Up(flow, sender, hosts, dialled)).await.is_err() {
        return;
    }
    tokio::select! {
        () = read(flow, reader, &unsent, &shared) => {}
        () = write(writer, receiver, &unsent) => {}
        () = shared.stop.cancelled() => {}
    }
    let _ = shared.to_driver.send(Wire::Sip(sip::Input::FlowClosed(flow.id))).await;
}

/// What waits for the socket of a connection.
struct Unsent {
    /// The connection lives as long as its owner has another.
    sender: mpsc::WeakSender<Bytes>,
    fewer: Notify,
}

impl Unsent {
    fn is_much(&self) -> bool {
        self.sender.upgrade().is_some_and(|sender| sender.capacity() < UNSENT_MESSAGES - UNSENT_PAUSE)
    }

    async fn is_little(&self) {
        while self.is_much() {
            self.fewer.notified().await;
        }
    }
}

async fn read(flow: Flow, mut reader: impl AsyncRead + Unpin, unsent: &Unsent, shared: &Carried) {
    let mut buffer = BytesMut::new();
    loop {
        unsent.is_little().await;
        buffer.reserve(READ_OCTETS);
        match tokio::time::timeout(SIP_IDLE, reader.read_buf(&mut buffer)).await {
            Err(_) | Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {
                if !shared.arrived(flow, buffer.split().freeze()).await {
                    return;
                }
            }
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut receiver: mpsc::Receiver<Bytes>, unsent: &Unsent) {
    let mut messages = Vec::new();
    while receiver.recv_many(&mut messages, WRITTEN_AT_ONCE).await > 0 {
        let octets = messages.concat();
        messages.clear();
        // TLS keeps what was written until it is flushed.
        if writer.write_all(&octets).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        unsent.fewer.notify_one();
    }
    let _ = writer.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[tokio::test]
    async fn who_does_not_listen_is_not_listened_to_and_keeps_his_connection() {
        let (to_driver, mut wire) = mpsc::channel(8);
        let shared = Carried {
            to_driver,
            room: Arc::new(Semaphore::new(SIP_UNREAD_OCTETS as usize)),
            tls: Tls::open_sip(&Settings::default(), Vec::new()).expect("a certificate"),
            next: Arc::default(),
            stop: CancellationToken::new(),
        };
        let (ours, mut theirs) = tokio::io::duplex(64);
        let address = SocketAddr::from(([127, 0, 0, 1], 5060));
        let flow = Flow { id: FlowId(1), transport: Transport::Tcp, local: address, remote: address };
        tokio::spawn(carry(flow, Box::new(ours), (Vec::new(), None), mpsc::channel(UNSENT_MESSAGES), shared));
        let Some(Wire::Up(_, sender, ..)) = wire.recv().await else { panic!("no connection") };
        for _ in 0..UNSENT_PAUSE + WRITTEN_AT_ONCE + 1 {
            sender.try_send(Bytes::from_static(&[b'x'; 100])).expect("room");
        }
        let mut heard = async |said: &'static str| {
            theirs.write_all(said.as_bytes()).await.expect("a connection");
            // One thread, and nothing but memory: whoever can go on does.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            matches!(wire.try_recv(), Ok(Wire::Octets(Arrived { octets, .. })) if octets == said)
        };
        assert!(heard("it was listened already").await);
        assert!(!heard("nothing is read").await, "so much is unsent");
        let mut answers = [0; 100 * WRITTEN_AT_ONCE + 1];
        theirs.read_exact(&mut answers).await.expect("what was sent");
        assert!(matches!(wire.recv().await, Some(Wire::Octets(_))), "it is read now");
    }
}
