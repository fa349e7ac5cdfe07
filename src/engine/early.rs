//! Connections that outrace the answer to our offer (RFC 8122 §6.2): the first request on one waits, unread beyond its
//! head, for the description that tells what its sender has to prove.

use super::call::Proposed;
use super::core::Engine;
use super::jobs::{Early, Slot, Unanswered};
use super::link::LinkId;
use super::port::Output;
use crate::model::{Now, Outbox};
use crate::msrp::{KnockId, Path};
use crate::sip::CallKey;

impl Engine {
    /// These sessions are in an offer that goes out now.
    pub(super) fn await_answer(&mut self, call: CallKey, added: &[(usize, Proposed)]) {
        for (_, proposed) in added {
            let local = proposed.local.clone();
            self.unanswered.by_id.extend(local.session_id.iter().map(|id| (id.clone(), call)));
            self.unanswered.calls.entry(call).or_default().push(Slot { local, early: None });
        }
    }

    /// Whether this request waits for an answer that is still to come.
    pub(super) fn came_early(&mut self, link: LinkId, knock: KnockId, to_path: &Path, from_path: &Path) -> bool {
        // A link that is not read stalls everybody on it: the others, or all who come by way of our relay.
        if self.relay.is_on(link) || !self.board.streams_on(link).is_empty() {
            return false;
        }
        let [uri] = &to_path[..] else { return false };
        let Unanswered { calls, by_id } = &mut self.unanswered;
        let call = uri.session_id.as_ref().and_then(|id| by_id.get(id)).copied();
        let by = call.and_then(|call| self.board.calls.get(&call)).map(|call| call.trunk.session_match);
        let by = by.unwrap_or_default();
        let slots = call.and_then(|call| calls.get_mut(&call)).into_iter().flatten();
        let Some(slot) = slots.into_iter().find(|slot| slot.early.is_none() && slot.local.names_session(uri, by))
        else {
            return false;
        };
        let call_id = call.and_then(|call| self.board.calls.get(&call)).map(|call| call.parties.call_id.as_str());
        tracing::debug!(call_id, "a connection came before the answer to our offer: it waits");
        slot.early = Some(Early { link, knock, to_path: to_path.clone(), from_path: from_path.clone() });
        true
    }

    /// The answer is there, or none will come: who waited for it gets on as if it had just come.
    pub(super) fn answer_decided(&mut self, now: Now, call: CallKey, out: &mut Outbox<Output>) {
        for slot in self.unanswered.calls.remove(&call).unwrap_or_default() {
            if let Some(id) = &slot.local.session_id {
                self.unanswered.by_id.remove(id);
            }
            let alive = slot.early.filter(|early| self.bearers.contains_key(&early.link));
            if let Some(Early { link, knock, to_path, from_path }) = alive {
                self.knock(now, link, knock, &to_path, &from_path, out);
            }
        }
    }
}
