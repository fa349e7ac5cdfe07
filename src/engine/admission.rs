//! No room: who brings a file is told so before its first octet, and everybody else is served as ever.

use std::collections::BTreeSet;

use super::core::Engine;
use super::failure::ReceiveFailure;
use super::jobs::{Errand, Recorder};
use super::port::{Found, Output, Query};
use super::relay::UNAVAILABLE;
use super::transfers::StreamEnd;
use crate::model::{Now, ObjectUri, Outbox};
use crate::msml::PrimitiveKey;
use crate::sdp::{self, Description, Direction, Wish};
use crate::sip::{self, CallKey};
use crate::spool::OverQuota;

/// What a caller with a file is told while there is no room, in seconds: long enough for somebody to delete something,
/// short enough for a phone to try again by itself.
const RETRY_AFTER_SECS: u32 = 60;

/// What a caller is told whose file has no room in its box: Temporarily Unavailable.
const FULL: u16 = 480;

/// And when to come again, in seconds: somebody has to read, and to delete.
const FULL_RETRY_SECS: u32 = 600;

impl Engine {
    /// Whether this offer brings a file and none is taken now. A session that may go either way is let in: a retrieval
    /// looks like that, and what it sends after all is refused by the spool.
    pub(super) fn has_no_room_for(&self, offer: &Description) -> bool {
        let brings = |wish: &Wish| matches!(wish, Wish::Push(_) | Wish::Session(Direction::SendOnly));
        (!self.taking || self.is_backed_up()) && sdp::read_offer(offer).iter().any(|stream| brings(&stream.wish))
    }

    /// Rules would forward what comes, and there is no room for more deliveries.
    pub(super) fn is_backed_up(&self) -> bool {
        self.policy.routed && self.forwarding.queue.is_full()
    }

    /// Asks whether the boxes of a recorder have room: where they have none it ends before anybody sends an octet. A type
    /// that is not known yet may lead to any of them.
    pub(super) fn ask_for_room(&mut self, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(Recorder { session, work, .. }) = self.recorders.get(&primitive) else { return };
        let declared = self.board.streams.get(session).and_then(|stream| stream.file.as_ref()).map(|file| &file.info);
        let boxes: BTreeSet<&str> = match declared.and_then(|info| info.media_type.as_deref()) {
            Some(kind) => work.dest_for(kind).into_iter().map(ObjectUri::box_name).collect(),
            None => work.destinations().map(ObjectUri::box_name).collect(),
        };
        if boxes.is_empty() {
            return; // nothing of that type is taken, and who brings it is told so
        }
        let boxes = boxes.into_iter().map(str::to_owned).collect();
        let query = Query::Room(boxes, declared.and_then(|info| info.size).unwrap_or(0));
        let ticket = self.errand(Errand::Room(primitive));
        out.push(Output::Find(ticket, query));
    }

    /// The spool's answer. What has begun meanwhile has room, or is refused, by its stage.
    pub(super) fn room_found(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        found: Result<Found, String>,
        out: &mut Outbox<Output>,
    ) {
        let Ok(Found::Room(Some(over))) = found else { return };
        let Some(recorder) = self.recorders.get(&primitive).filter(|recorder| recorder.message.is_none()) else {
            return;
        };
        let session = recorder.session;
        let call = self.board.streams.get(&session).and_then(|stream| self.board.calls.get(&stream.call));
        let call_id = call.map(|call| call.parties.call_id.as_str());
        tracing::warn!(call_id, why = %over, "over quota: refused before the first octet");
        self.nothing_recorded(now, primitive, &ReceiveFailure::Quota(over), out);
        // RFC 5547 §8.4: a stream for one file is done with it. Any other one waits for the next recorder.
        if let Some(stream) = self.board.streams.get_mut(&session) {
            stream.spent |= stream.file.is_some();
        }
        self.retire(now, session, StreamEnd::Ours);
    }

    /// RFC 3261 §21.4.18: whom it is for cannot take it now, and can when something was deleted.
    pub(super) fn refuse_for_quota(&mut self, now: Now, call: CallKey, over: &OverQuota, out: &mut Outbox<Output>) {
        let call_id = self.board.calls.get(&call).map(|call| call.parties.call_id.as_str());
        tracing::warn!(call_id, status = FULL, why = %over, "INVITE refused: over quota");
        let command = sip::Command::Refuse {
            call,
            status: FULL,
            reason: None,
            retry_after: Some(FULL_RETRY_SECS),
            warning: Some(over.to_string()),
        };
        self.command(now, command, out);
        self.next_reoffer(now, call, out);
    }

    /// RFC 3261 §21.5.4: it may come again later.
    pub(super) fn refuse_for_room(&mut self, now: Now, call: CallKey, out: &mut Outbox<Output>) {
        let why = if self.taking { "too much waits to be forwarded" } else { "no room for new files" };
        tracing::warn!(call = call.0, status = UNAVAILABLE, why, "INVITE refused: no new file is taken, see /readyz");
        let command = sip::Command::Refuse {
            call,
            status: UNAVAILABLE,
            reason: None,
            retry_after: Some(RETRY_AFTER_SECS),
            warning: Some(why.to_owned()),
        };
        self.command(now, command, out);
    }
}
