//! No room: who brings a file is told so before its first octet, and everybody else is served as ever.

use super::core::Engine;
use super::port::Output;
use super::relay::UNAVAILABLE;
use crate::model::{Now, Outbox};
use crate::sdp::{self, Description, Direction, Wish};
use crate::sip::{self, CallKey};

/// What a caller with a file is told while there is no room, in seconds: long enough for somebody to delete something,
/// short enough for a phone to try again by itself.
const RETRY_AFTER_SECS: u32 = 60;

impl Engine {
    /// Whether this offer brings a file and none is taken now. A session that may go either way is let in: a retrieval
    /// looks like that, and what it sends after all is refused by the spool.
    pub(super) fn has_no_room_for(&self, offer: &Description) -> bool {
        let brings = |wish: &Wish| matches!(wish, Wish::Push(_) | Wish::Session(Direction::SendOnly));
        !self.taking && sdp::read_offer(offer).iter().any(|stream| brings(&stream.wish))
    }

    /// RFC 3261 §21.5.4: it may come again later.
    pub(super) fn refuse_for_room(&mut self, now: Now, call: CallKey, out: &mut Outbox<Output>) {
        tracing::warn!(call = call.0, status = UNAVAILABLE, "INVITE refused: no new file is taken, see /readyz");
        let command = sip::Command::Refuse {
            call,
            status: UNAVAILABLE,
            reason: None,
            retry_after: Some(RETRY_AFTER_SECS),
            warning: Some("no room for new files".to_owned()),
        };
        self.command(now, command, out);
    }
}
