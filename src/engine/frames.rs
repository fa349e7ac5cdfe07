//! Relays, ours or the peer's, that take no long frames: found out once, then spared.

use super::call::Stream;
use super::core::Engine;
use crate::model::Now;
use crate::model::limits::{MSRP_SHORT_FRAME_KEPT, MSRP_SHORT_FRAME_RELAYS};
use crate::msrp::{MsrpUri, OutboundKey, SessionKey, StatusCode};

impl Engine {
    /// Octets of a chunk on this way: a relay that was found to take only short frames gets short ones at once.
    pub(super) fn chunk(&self, now: Now, session: SessionKey) -> usize {
        let on_the_way = self.board.streams.get(&session).map(relays_of).unwrap_or_default();
        let short =
            on_the_way.iter().any(|relay| self.short_frames.get(relay).is_some_and(|until| *until > now.instant));
        match on_the_way.is_empty() {
            true => self.policy.chunk,
            false if short => self.policy.chunk.min(SHORT_CHUNK_OCTETS),
            false => self.policy.chunk.min(RELAYED_CHUNK_OCTETS),
        }
    }

    /// A message went on in short chunks: which relay it was nobody knows, so it is remembered of all on the way.
    pub(super) fn shortened(&mut self, now: Now, message: OutboundKey, status: StatusCode) {
        let Some(stream) = self.sendings.get(&message).and_then(|sending| self.board.streams.get(&sending.session))
        else {
            return;
        };
        let relays = relays_of(stream);
        tracing::warn!(%status, ?relays, "a relay does not take long frames: sending {SHORT_CHUNK_OCTETS} octets at a time");
        for relay in relays {
            if self.short_frames.len() >= MSRP_SHORT_FRAME_RELAYS
                && let Some(oldest) =
                    self.short_frames.iter().min_by_key(|(_, until)| **until).map(|(relay, _)| relay.clone())
            {
                self.short_frames.remove(&oldest);
            }
            self.short_frames.insert(relay, now.instant + MSRP_SHORT_FRAME_KEPT);
        }
    }

    /// The stream broke under long frames: some relays answer those by closing the connection.
    pub(super) fn broken_by_length(&mut self, now: Now, message: OutboundKey) {
        let Some(sending) = self.sendings.get(&message) else { return };
        let (session, octets) = (sending.session, sending.octets);
        let long = self.chunk(now, session).min(usize::try_from(octets).unwrap_or(usize::MAX)) > SHORT_CHUNK_OCTETS;
        if long && sending.acknowledged == 0 {
            self.shortened(now, message, StatusCode::TIMEOUT);
        }
    }
}

/// The relays between us and the peer, as `host:port`: everything but the peer itself.
fn relays_of(stream: &Stream) -> Vec<String> {
    let foreign = stream.peer.path.split_last().map_or(&[][..], |(_, relays)| relays);
    let name = |uri: &MsrpUri| format!("{}:{}", uri.host.to_ascii_lowercase(), uri.port.unwrap_or_default());
    stream.relays.iter().chain(foreign).map(name).collect()
}

/// Where nothing is known of the relays. Kamailio closes the whole connection, with every session on it, over a frame that
/// does not fit into its buffer of 16 KiB.
const RELAYED_CHUNK_OCTETS: usize = 8 * 1024;

/// RFC 4975 §5.1: up to so many octets a chunk need not be interruptible, and every relay takes it.
const SHORT_CHUNK_OCTETS: usize = 2048;
