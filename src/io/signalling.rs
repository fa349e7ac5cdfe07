//! SIP on the wire: UDP sockets and TCP connections, each a flow with a number.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::{Listen, Transport as Listened};
use crate::model::limits::{SIP_FLOWS, SIP_FLOWS_PER_ADDRESS, SIP_IDLE, SIP_MESSAGE_OCTETS};
use crate::sip::{self, Flow, FlowId, Transport};

/// Messages that may wait for one peer's socket. A peer that reads no more loses its connection, not our memory.
const UNSENT_MESSAGES: usize = 256;

/// Octets asked of a TCP connection at a time.
const READ_OCTETS: usize = 16 * 1024;

/// Datagrams the kernel may keep for us while the engine is busy, in octets.
const RECEIVE_BUFFER_OCTETS: usize = 4 * 1024 * 1024;

/// What the sockets' tasks tell the driver.
#[derive(Debug)]
pub(super) enum Wire {
    /// For the endpoint.
    Sip(sip::Input),
    /// A TCP connection stands, incoming or outgoing.
    Up(Flow, mpsc::Sender<Bytes>),
}

/// Every SIP socket of a node.
pub(super) struct Signalling {
    udp: Vec<(FlowId, Arc<UdpSocket>)>,
    tcp: HashMap<FlowId, mpsc::Sender<Bytes>>,
    by_peer: HashMap<SocketAddr, FlowId>,
    /// Connections being made, with what waits for them.
    dialling: HashMap<SocketAddr, mpsc::Sender<Bytes>>,
    to_driver: mpsc::Sender<Wire>,
    next: Arc<std::sync::atomic::AtomicU64>,
    stop: CancellationToken,
}

impl Signalling {
    /// Binds and starts to listen. Returns the addresses that were really bound, in the form `udp:HOST:PORT`.
    ///
    /// # Errors
    /// The first address that can't be bound, by name.
    pub(super) async fn open(
        listen: &[Listen],
        to_driver: mpsc::Sender<Wire>,
        stop: CancellationToken,
    ) -> io::Result<(Self, Vec<(Transport, SocketAddr)>)> {
        let next = Arc::default();
        let mut signalling = Self {
            udp: Vec::new(),
            tcp: HashMap::new(),
            by_peer: HashMap::new(),
            dialling: HashMap::new(),
            to_driver,
            next,
            stop,
        };
        let mut bound = Vec::new();
        for address in listen {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
            bound.push(match address.transport {
                Listened::Udp => (Transport::Udp, signalling.listen_udp(address).await.map_err(named)?),
                Listened::Tcp => (Transport::Tcp, signalling.listen_tcp(address).await.map_err(named)?),
                Listened::Tls | Listened::Ws | Listened::Wss => return Err(named(io::ErrorKind::Unsupported.into())),
            });
        }
        Ok((signalling, bound))
    }

    async fn listen_udp(&mut self, address: &Listen) -> io::Result<SocketAddr> {
        let socket = Arc::new(UdpSocket::bind(address.authority()).await?);
        // Best effort: the kernel caps it, and a smaller buffer only means more retransmissions under load.
        let _ = socket2::SockRef::from(&*socket).set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
        let local = socket.local_addr()?;
        let id = new_flow(&self.next);
        self.udp.push((id, Arc::clone(&socket)));
        tokio::spawn(receive_datagrams(id, socket, local, self.to_driver.clone(), self.stop.clone()));
        Ok(local)
    }

    async fn listen_tcp(&self, address: &Listen) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address.authority()).await?;
        let local = listener.local_addr()?;
        let (to_driver, next, stop) = (self.to_driver.clone(), Arc::clone(&self.next), self.stop.clone());
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                match accepted {
                    Ok((stream, _)) => {
                        let (sender, receiver) = mpsc::channel(UNSENT_MESSAGES);
                        tokio::spawn(carry(new_flow(&next), stream, sender, receiver, to_driver.clone(), stop.clone()));
                    }
                    // Out of descriptors, say: the listener lives, the peer tries again.
                    Err(error) => {
                        tracing::warn!(%error, "SIP accept failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
        Ok(local)
    }

    /// A connection stands. One too many is closed again: nobody holds its sender.
    pub(super) fn up(&mut self, flow: Flow, sender: mpsc::Sender<Bytes>) {
        self.dialling.remove(&flow.remote);
        let from_there = self.by_peer.keys().filter(|peer| peer.ip() == flow.remote.ip()).count();
        if self.tcp.len() >= SIP_FLOWS || from_there >= SIP_FLOWS_PER_ADDRESS {
            return tracing::warn!(peer = %flow.remote, limit = SIP_FLOWS, "too many SIP connections: closing the new one");
        }
        self.by_peer.insert(flow.remote, flow.id);
        self.tcp.insert(flow.id, sender);
    }

    pub(super) fn down(&mut self, id: FlowId) {
        self.tcp.remove(&id);
        self.by_peer.retain(|_, flow| *flow != id);
    }

    /// Sends a message on its flow while that lives, else on any to the peer. `false`: it could not be sent.
    pub(super) fn send(
        &mut self,
        flow: Option<FlowId>,
        transport: Transport,
        remote: SocketAddr,
        octets: Bytes,
    ) -> bool {
        match transport {
            Transport::Udp => self.send_datagram(flow, remote, &octets),
            Transport::Tcp => self.send_stream(flow, remote, octets),
        }
    }

    fn send_datagram(&self, flow: Option<FlowId>, remote: SocketAddr, octets: &Bytes) -> bool {
        let own = self.udp.iter().find(|(id, _)| Some(*id) == flow);
        let same_family =
            |socket: &UdpSocket| socket.local_addr().is_ok_and(|local| local.is_ipv4() == remote.is_ipv4());
        let any = || self.udp.iter().find(|(_, socket)| same_family(socket));
        let Some((_, socket)) = own.or_else(any) else { return false };
        match socket.try_send_to(octets, remote) {
            Ok(_) => true,
            // A full socket buffer loses this copy; the transaction sends the next.
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    fn send_stream(&mut self, flow: Option<FlowId>, remote: SocketAddr, octets: Bytes) -> bool {
        let live = flow.filter(|id| self.tcp.contains_key(id)).or_else(|| self.by_peer.get(&remote).copied());
        if let Some(id) = live {
            let sent = self.tcp[&id].try_send(octets).is_ok();
            if !sent {
                self.down(id);
            }
            return sent;
        }
        if self.dialling.get(&remote).is_some_and(mpsc::Sender::is_closed) {
            self.dialling.remove(&remote); // that connection died before it stood
        }
        let waiting = self.dialling.entry(remote).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(UNSENT_MESSAGES);
            let dial =
                dial(new_flow(&self.next), remote, sender.clone(), receiver, self.to_driver.clone(), self.stop.clone());
            tokio::spawn(dial);
            sender
        });
        waiting.try_send(octets).is_ok()
    }

    /// Closes a connection after what was sent on it.
    pub(super) fn close(&mut self, id: FlowId) {
        self.down(id);
    }

    /// The dial to this peer failed.
    pub(super) fn forget_dial(&mut self, remote: SocketAddr) {
        self.dialling.remove(&remote);
    }
}

/// How long a listener rests after a failed accept.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

fn new_flow(next: &std::sync::atomic::AtomicU64) -> FlowId {
    FlowId(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

async fn receive_datagrams(
    id: FlowId,
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    to_driver: mpsc::Sender<Wire>,
    stop: CancellationToken,
) {
    let mut buffer = vec![0; SIP_MESSAGE_OCTETS];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = stop.cancelled() => return,
        };
        let Ok((length, remote)) = received else { continue }; // ICMP errors of earlier sends show up here
        let octets = Bytes::copy_from_slice(&buffer[..length]);
        let flow = Flow { id, transport: Transport::Udp, local, remote };
        if to_driver.send(Wire::Sip(sip::Input::Octets { flow, octets })).await.is_err() {
            return;
        }
    }
}

async fn dial(
    id: FlowId,
    remote: SocketAddr,
    sender: mpsc::Sender<Bytes>,
    receiver: mpsc::Receiver<Bytes>,
    to_driver: mpsc::Sender<Wire>,
    stop: CancellationToken,
) {
    match tokio::time::timeout(DIAL_TIMEOUT, TcpStream::connect(remote)).await {
        Ok(Ok(stream)) => carry(id, stream, sender, receiver, to_driver, stop).await,
        failed => {
            tracing::warn!(%remote, ?failed, "cannot connect for SIP");
            let input = sip::Input::TransportFailed { flow: None, transport: Transport::Tcp, remote };
            let _ = to_driver.send(Wire::Sip(input)).await;
        }
    }
}

/// A peer that doesn't answer a connect in this time is down, long before SIP's own 32 s.
const DIAL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Carries one TCP connection until either side ends it.
async fn carry(
    id: FlowId,
    stream: TcpStream,
    sender: mpsc::Sender<Bytes>,
    receiver: mpsc::Receiver<Bytes>,
    to_driver: mpsc::Sender<Wire>,
    stop: CancellationToken,
) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let _ = stream.set_nodelay(true);
    let flow = Flow { id, transport: Transport::Tcp, local, remote };
    let (reader, writer) = stream.into_split();
    if to_driver.send(Wire::Up(flow, sender)).await.is_err() {
        return;
    }
    let _ = socket2::SockRef::from(reader.as_ref()).set_tcp_user_timeout(Some(std::time::Duration::from_secs(60)));
    tokio::select! {
        () = read(flow, reader, &to_driver) => {}
        () = write(writer, receiver) => {}
        () = stop.cancelled() => {}
    }
    let _ = to_driver.send(Wire::Sip(sip::Input::FlowClosed(id))).await;
}

async fn read(flow: Flow, mut reader: OwnedReadHalf, to_driver: &mpsc::Sender<Wire>) {
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

async fn write(mut writer: OwnedWriteHalf, mut receiver: mpsc::Receiver<Bytes>) {
    while let Some(octets) = receiver.recv().await {
        if writer.write_all(&octets).await.is_err() {
            return;
        }
    }
}
