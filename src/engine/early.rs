//! Peers that connect before their answer is here: it goes another way than the octets (RFC 3264 §5.1).

use super::core::Engine;
use super::jobs::EarlyKnock;
use super::link::LinkId;
use super::port::Output;
use crate::model::{Now, Outbox};
use crate::msrp::{KnockId, MsrpUri};
use crate::sip::CallKey;

impl Engine {
    /// Keeps a knock until the answer to the offer that named its session; false if no offer did.
    pub(super) fn is_early(
        &mut self,
        (link, knock): (LinkId, KnockId),
        to_path: &[MsrpUri],
        from_path: &[MsrpUri],
    ) -> bool {
        let Some(call) = self.board.by_offer(to_path) else { return false };
        tracing::debug!(call = call.0, "the peer is faster than its answer: it waits");
        let early = EarlyKnock { link, knock, to_path: to_path.to_vec(), from_path: from_path.to_vec() };
        self.early.entry(call).or_default().push(early);
        true
    }

    /// The offer of this call has its answer, or never gets one: whoever came early is let in or turned away.
    pub(super) fn let_in_early(&mut self, now: Now, call: CallKey, out: &mut Outbox<Output>) {
        for EarlyKnock { link, knock, to_path, from_path } in self.early.remove(&call).unwrap_or_default() {
            self.knock(now, link, knock, &to_path, &from_path, out);
        }
    }
}
