//! SIP on the wire: UDP sockets and connections, over TLS or without, each a flow with a number.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

use super::door::Doors;
use super::pipe::{Pipe, pipe};
use super::places::Places;
use super::sip_stream::{Carried, accepted, dial};
use super::tls::Tls;
use crate::config::{Listen, Transport as Listened};
use crate::model::limits::{SIP_FLOWS, SIP_FLOWS_PER_ADDRESS, SIP_MESSAGE_OCTETS};
use crate::sip::{Flow, FlowId, Place, Transport};

/// Datagrams the kernel may keep for us while the engine is busy, in octets.
const RECEIVE_BUFFER_OCTETS: usize = 4 * 1024 * 1024;

/// Every SIP socket of a node.
pub(super) struct Signalling {
    udp: Vec<(FlowId, Arc<UdpSocket>)>,
    /// Connections, each with its far end's address.
    streams: HashMap<FlowId, (IpAddr, Pipe)>,
    /// The connection that a call to this peer leaves on.
    by_peer: HashMap<Peer, FlowId>,
    /// Connections being made, with what waits for them.
    dialling: HashMap<Peer, Pipe>,
    /// The host that a certificate has to name at this address, for connections over TLS that we open.
    names: HashMap<SocketAddr, String>,
    /// For who connects to us, by whichever listener.
    places: Places,
    shared: Carried,
}

/// The far end of a connection, and over TLS the host that its certificate has proven to be, in lower case: who has
/// connected to us and has shown none is answered on its connection and not called on it (RFC 5922 §7.1, §7.3).
type Peer = (Transport, SocketAddr, Option<String>);

impl Signalling {
    /// Binds and starts to listen. Returns the addresses that were really bound, in the form `udp:HOST:PORT`.
    ///
    /// # Errors
    /// The first address that can't be bound, by name.
    pub(super) async fn open(
        listen: &[Listen],
        doors: Doors,
        tls: Tls,
        stop: CancellationToken,
    ) -> io::Result<(Self, Vec<(Transport, SocketAddr)>)> {
        let mut signalling = Self {
            udp: Vec::new(),
            streams: HashMap::new(),
            by_peer: HashMap::new(),
            dialling: HashMap::new(),
            names: HashMap::new(),
            places: Places::of_sip(),
            shared: Carried { doors, tls, next: Arc::default(), stop },
        };
        let mut bound = Vec::new();
        for address in listen {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
            bound.push(match address.transport {
                Listened::Udp => (Transport::Udp, signalling.listen_udp(address).await.map_err(named)?),
                Listened::Tcp => (Transport::Tcp, signalling.listen_tcp(address, Transport::Tcp).await.map_err(named)?),
                Listened::Tls => (Transport::Tls, signalling.listen_tcp(address, Transport::Tls).await.map_err(named)?),
                Listened::Ws | Listened::Wss => return Err(named(io::ErrorKind::Unsupported.into())),
            });
        }
        for address in listen.iter().filter(|address| address.transport == Listened::Udp) {
            // RFC 3261 §18.2.1: what is too large for a datagram comes by TCP to the same port.
            if !listen.contains(&Listen { transport: Listened::Tcp, ..address.clone() }) {
                tracing::warn!(%address, "SIP by UDP alone: large requests of peers will find no TCP here");
            }
        }
        Ok((signalling, bound))
    }

    async fn listen_udp(&mut self, address: &Listen) -> io::Result<SocketAddr> {
        let socket = Arc::new(UdpSocket::bind(address.authority()).await?);
        // Best effort: the kernel caps it, and a smaller buffer only means more retransmissions under load.
        let _ = socket2::SockRef::from(&*socket).set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
        let local = socket.local_addr()?;
        let id = self.shared.new_flow();
        self.udp.push((id, Arc::clone(&socket)));
        tokio::spawn(receive_datagrams(id, socket, local, self.shared.clone()));
        Ok(local)
    }

    async fn listen_tcp(&self, address: &Listen, transport: Transport) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address.authority()).await?;
        let local = listener.local_addr()?;
        let (shared, places) = (self.shared.clone(), self.places.clone());
        tokio::spawn(async move {
            loop {
                let came = tokio::select! {
                    came = listener.accept() => came,
                    () = shared.stop.cancelled() => return,
                };
                match came {
                    Ok((stream, peer)) => match places.take(peer.ip()) {
                        Some(place) => drop(tokio::spawn(accepted(transport, stream, place, shared.clone()))),
                        None => tracing::warn!(%peer, "too many SIP connections: closing the new one"),
                    },
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

    /// A connection stands, and these hosts are proven to be at its end. One too many is closed again: nobody holds its
    /// sender.
    pub(super) fn up(&mut self, flow: Flow, sender: Pipe, hosts: &[String]) {
        let names: Vec<Option<String>> = match flow.transport {
            Transport::Tls => hosts.iter().map(|host| Some(host.to_ascii_lowercase())).collect(),
            Transport::Udp | Transport::Tcp => vec![None],
        };
        let peers: Vec<Peer> = names.into_iter().map(|name| (flow.transport, flow.remote, name)).collect();
        for peer in &peers {
            self.dialling.remove(peer);
        }
        let from_there = self.streams.values().filter(|(address, _)| *address == flow.remote.ip()).count();
        if self.streams.len() >= SIP_FLOWS || from_there >= SIP_FLOWS_PER_ADDRESS {
            return tracing::warn!(peer = %flow.remote, limit = SIP_FLOWS, "too many SIP connections: closing the new one");
        }
        self.by_peer.extend(peers.into_iter().map(|peer| (peer, flow.id)));
        self.streams.insert(flow.id, (flow.remote.ip(), sender));
    }

    /// A name has led to this place: over TLS its certificate has to bear that name (RFC 3261 §26.3.1, RFC 5922 §7).
    pub(super) fn known_as(&mut self, place: Place, name: &str) {
        if place.transport != Transport::Tls || self.names.get(&place.remote).is_some_and(|known| known == name) {
            return;
        }
        if self.names.len() >= NAMES_MAX {
            self.names.clear(); // who is called again is looked up again
        }
        self.names.insert(place.remote, name.to_owned());
    }

    pub(super) fn down(&mut self, id: FlowId) {
        self.streams.remove(&id);
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
            Transport::Tcp | Transport::Tls => self.send_stream(flow, transport, remote, octets),
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

    fn send_stream(&mut self, flow: Option<FlowId>, transport: Transport, remote: SocketAddr, octets: Bytes) -> bool {
        let name = self.names.get(&remote).cloned().unwrap_or_else(|| remote.ip().to_string());
        let peer = (transport, remote, (transport == Transport::Tls).then(|| name.to_ascii_lowercase()));
        let live = flow.filter(|id| self.streams.contains_key(id)).or_else(|| self.by_peer.get(&peer).copied());
        if let Some(id) = live {
            let sent = self.streams.get(&id).is_some_and(|(_, stream)| stream.put(octets));
            if !sent {
                self.down(id);
            }
            return sent;
        }
        if self.dialling.get(&peer).is_some_and(Pipe::is_broken) {
            self.dialling.remove(&peer); // that connection died before it stood
        }
        if let Some(waiting) = self.dialling.get(&peer) {
            return waiting.put(octets);
        }
        // It has the message before it starts: a dial that fails at once has failed after it was sent, not before.
        let (sender, mouth) = pipe();
        let sent = sender.put(octets);
        tokio::spawn(dial((transport, remote), name, (sender.clone(), mouth), self.shared.clone()));
        self.dialling.insert(peer, sender);
        sent
    }

    /// Closes a connection after what was sent on it.
    pub(super) fn close(&mut self, id: FlowId) {
        self.down(id);
    }

    /// A dial has failed: nobody receives what waits for it.
    pub(super) fn forget_dials(&mut self) {
        self.dialling.retain(|_, waiting| !waiting.is_broken());
    }
}

/// How long a listener rests after a failed accept.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Names of places remembered.
const NAMES_MAX: usize = 4096;

async fn receive_datagrams(id: FlowId, socket: Arc<UdpSocket>, local: SocketAddr, shared: Carried) {
    let mut buffer = vec![0; SIP_MESSAGE_OCTETS];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = shared.stop.cancelled() => return,
        };
        let Ok((length, remote)) = received else { continue }; // ICMP errors of earlier sends show up here
        let octets = Bytes::copy_from_slice(&buffer[..length]);
        let flow = Flow { id, transport: Transport::Udp, local, remote };
        if !shared.doors.of(remote.ip()).arrived(flow, octets).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::io::door::Wire;

    // M3581-3-02 M3261-18.2.1-01
    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_leaves_from_the_port_that_we_hear_answers_on_and_tcp_is_heard_beside_udp() {
        let listen = Settings::default().sip.listen;
        let by = |transport| listen.iter().filter(move |listen| listen.transport == transport).map(Listen::authority);
        assert_eq!(by(Listened::Udp).collect::<Vec<_>>(), by(Listened::Tcp).collect::<Vec<_>>());
        let tls = Tls::open_sip(&Settings::default(), Vec::new()).expect("a certificate");
        let (doors, mut waiting) = Doors::open(&[]);
        let local: Listen = "udp:127.0.0.1:0".parse().expect("an address");
        let (mut ours, bound) =
            Signalling::open(&[local], doors, tls, CancellationToken::new()).await.expect("a socket");
        let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let remote = peer.local_addr().expect("an address");
        ours.udp[0].1.writable().await.expect("a socket that is bound can be written to");
        assert!(ours.send(None, Transport::Udp, remote, Bytes::from_static(b"request")));
        let mut buffer = [0; 16];
        let (length, from) = peer.recv_from(&mut buffer).await.expect("a datagram");
        assert_eq!((&buffer[..length], from), (&b"request"[..], bound[0].1));
        peer.send_to(b"response", from).await.expect("a datagram");
        let heard = waiting.next().await.expect("an answer");
        assert!(matches!(heard, Wire::Octets(came) if came.octets == b"response"[..]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_leaves_on_a_connection_over_tls_that_has_proven_the_name_and_on_no_other() {
        let tls = Tls::open_sip(&Settings::default(), Vec::new()).expect("a certificate");
        let (doors, _waiting) = Doors::open(&[]);
        let (mut ours, _) = Signalling::open(&[], doors, tls, CancellationToken::new()).await.expect("no sockets");
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        let flow = |id| Flow { id: FlowId(id), transport: Transport::Tls, local: remote, remote };
        let ((nobody, mut at_nobody), (bob, mut at_bob)) = (pipe(), pipe());
        ours.up(flow(91), nobody, &[]);
        ours.up(flow(92), bob, &["Bob.example".to_owned()]);
        let place = Place { transport: Transport::Tls, remote };
        let mut call = |flow| ours.send(flow, Transport::Tls, remote, Bytes::from_static(b"x"));
        assert!(call(None) && at_nobody.next().is_none() && at_bob.next().is_none(), "it is dialled");
        assert!(call(Some(FlowId(91))) && at_nobody.next().is_some(), "an answer goes where its request came from");
        for (name, hears) in [("carol.example", false), ("bob.example", true), ("alice.example", false)] {
            ours.known_as(place, name);
            assert!(ours.send(None, Transport::Tls, remote, Bytes::from_static(b"x")), "{name}");
            assert_eq!((at_nobody.next().is_some(), at_bob.next().is_some()), (false, hears), "{name}");
        }
        assert_eq!(ours.dialling.len(), 3);
    }
}
