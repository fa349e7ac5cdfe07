//! Where MSRP connections come in: each gets its place, its handshake if it needs one, and then a link.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connection::{self, MsrpStream};
use super::driver::Request;
use super::places::{Place, Places};
use super::tls::{HandshakeError, Tls};
use super::websocket;
use crate::msrp::Carrier;

/// How long a listener rests that the system refuses a connection, for want of descriptors.
const REST: Duration = Duration::from_millis(50);

/// One listener at work.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) carrier: Carrier,
    /// What its handshake needs, if it has one.
    pub(super) tls: Option<Tls>,
    pub(super) websocket: websocket::Terms,
    pub(super) places: Places,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) stop: CancellationToken,
}

impl Door {
    /// Accepts until the node stops. Nobody waits here for somebody else's handshake.
    pub(super) async fn serve(self) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "MSRP accept failed");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let Some(place) = self.places.take(peer.ip()) else {
                tracing::warn!(%peer, "too many MSRP connections: closing the new one");
                continue;
            };
            connection::prepare(&stream);
            match self.carrier {
                Carrier::Tcp => self.enter(MsrpStream::tcp(stream, Some(place))).await,
                Carrier::Tls | Carrier::Ws | Carrier::Wss => self.shake_hands(stream, place),
            }
        }
    }

    async fn enter(&self, stream: MsrpStream) {
        let _ = self.requests.send(Request::Accepted(stream)).await; // a node that has stopped takes nobody
    }

    fn shake_hands(&self, stream: TcpStream, place: Place) {
        let (requests, stop) = (self.requests.clone(), self.stop.clone());
        let (carrier, tls, websocket) = (self.carrier, self.tls.clone(), self.websocket.clone());
        tokio::spawn(async move {
            let peer = stream.peer_addr().ok();
            let shaken = tokio::select! {
                shaken = handshakes(carrier, tls, websocket, stream, place) => shaken,
                () = stop.cancelled() => return,
            };
            match shaken {
                Ok(stream) => drop(requests.send(Request::Accepted(stream)).await),
                Err(Unshaken::Tls(error @ HandshakeError::Left)) => tracing::debug!(?peer, %error, "no MSRP over TLS"),
                Err(error) if carrier.is_websocket() => tracing::warn!(?peer, %error, "no MSRP over WebSocket"),
                Err(error) => tracing::warn!(?peer, %error, "no MSRP over TLS"),
            }
        });
    }
}

/// Which handshake came to nothing.
#[derive(Debug, thiserror::Error)]
enum Unshaken {
    #[error("{0}")]
    Tls(#[from] HandshakeError),
    #[error("{0}")]
    WebSocket(#[from] websocket::Refusal),
}

async fn handshakes(
    carrier: Carrier,
    tls: Option<Tls>,
    websocket: websocket::Terms,
    stream: TcpStream,
    place: Place,
) -> Result<MsrpStream, Unshaken> {
    let mut stream = match tls {
        Some(tls) => tls.accept(stream, place, carrier).await?,
        None => MsrpStream::tcp(stream, Some(place)),
    };
    if carrier.is_websocket() {
        stream.bearer.carrier = carrier;
        stream = websocket::accept(stream, websocket).await?;
    }
    Ok(stream)
}
