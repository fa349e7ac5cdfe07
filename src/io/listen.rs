//! Where MSRP connections come in: each gets its place, its handshake if it needs one, and then a link.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connection::{self, MsrpStream};
use super::driver::Request;
use super::places::{Place, Places};
use super::tls::{HandshakeError, Tls};

/// How long a listener rests that the system refuses a connection, for want of descriptors.
const REST: Duration = Duration::from_millis(50);

/// One listener at work.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    /// What the handshake needs; `None` for plain TCP.
    pub(super) tls: Option<Tls>,
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
            match self.tls.clone() {
                None => self.enter(MsrpStream::tcp(stream, Some(place))).await,
                Some(tls) => self.shake_hands(tls, stream, place),
            }
        }
    }

    async fn enter(&self, stream: MsrpStream) {
        let _ = self.requests.send(Request::Accepted(stream)).await; // a node that has stopped takes nobody
    }

    fn shake_hands(&self, tls: Tls, stream: TcpStream, place: Place) {
        let (requests, stop) = (self.requests.clone(), self.stop.clone());
        tokio::spawn(async move {
            let peer = stream.peer_addr().ok();
            let shaken = tokio::select! {
                shaken = tls.accept(stream, place) => shaken,
                () = stop.cancelled() => return,
            };
            match shaken {
                Ok(stream) => drop(requests.send(Request::Accepted(stream)).await),
                Err(error @ HandshakeError::Left) => tracing::debug!(?peer, %error, "no MSRP over TLS"),
                Err(error) => tracing::warn!(?peer, %error, "no MSRP over TLS"),
            }
        });
    }
}
