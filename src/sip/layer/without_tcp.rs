//! Peers that have refused a connection: what is too large for a datagram is sent to them by one all the same.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::model::Instant;

/// How long a peer is taken at its word. It costs each large request a try to ask anew, so not too short.
const KEPT: Duration = Duration::from_secs(3600);

/// Peers remembered, the oldest forgotten first: a connection more is tried then.
const PEERS_MAX: usize = 1024;

/// The oldest first.
#[derive(Debug, Default)]
pub(super) struct WithoutTcp(VecDeque<(Instant, SocketAddr)>);

impl WithoutTcp {
    pub(super) fn note(&mut self, now: Instant, peer: SocketAddr) {
        self.0.retain(|(_, known)| *known != peer);
        if self.0.len() >= PEERS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, peer));
    }

    pub(super) fn knows(&self, now: Instant, peer: SocketAddr) -> bool {
        self.0.iter().any(|(since, known)| *known == peer && now.since(*since) < KEPT)
    }
}
