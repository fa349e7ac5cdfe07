//! One call as the endpoint remembers it: the SIP dialog, and what is owed by whom.
//!
//! ```text
//!  INVITE in --> Ringing --Accept--> Up --Bye, no ACK--> Closing --BYE answered--> gone
//!                   |                ^|                                             ^
//!                   +-Refuse, CANCEL-|+--BYE in, 481 or 408 to a request of ours----+
//!                                    |                                              |
//!  Invite ---------> Calling ---2xx--+                                              |
//!                   +-300-699, timeout, Cancel--------------------------------------+
//! ```

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rsip::Request;

use super::dialog::Dialog;
use super::event::EndReason;
use super::flow::{Body, Flow, FlowId, Transport};
use super::layer::{ClientId, Parcel, ServerId};
use super::target::Place;
use crate::model::digest_auth::Challenge;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The peer's INVITE waits for the owner.
    Ringing,
    /// Our INVITE waits for the peer.
    Calling,
    /// Answered with 2xx.
    Up,
    /// Our BYE is sent; the reason is what [`super::Event::Ended`] will say.
    Closing(EndReason),
}

/// What a call may be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// The 2xx has to be sent again (RFC 3261 §13.3.1.4).
    RepeatSuccess,
    /// The ACK will not come any more.
    AckOverdue,
    /// The owner, or the INVITE's Expires, has run out of time. Before the reminder of the same instant.
    Unanswered,
    /// A provisional response each minute keeps proxies waiting (RFC 3261 §13.3.1).
    Remind,
    /// The cancelled INVITE gets no final response either (RFC 3261 §9.1).
    CancelOverdue,
    /// The wait after 491 is over (RFC 3261 §14.1).
    Retry,
    /// The session has to be refreshed by us (RFC 4028 §10).
    Refresh,
    /// Nobody has refreshed it.
    SessionOver,
}

/// All alarms of a call.
pub(super) const ALARMS: [Alarm; 8] = [
    Alarm::RepeatSuccess,
    Alarm::AckOverdue,
    Alarm::Remind,
    Alarm::Unanswered,
    Alarm::CancelOverdue,
    Alarm::Retry,
    Alarm::Refresh,
    Alarm::SessionOver,
];

/// How the peer is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// The flow of its last message, while it lives.
    pub(super) flow: Option<FlowId>,
    /// Its transport.
    pub(super) transport: Transport,
    /// Its address.
    pub(super) remote: SocketAddr,
    /// Ours, if a message came in on it.
    pub(super) local: Option<SocketAddr>,
}

impl From<Flow> for Path {
    fn from(flow: Flow) -> Self {
        Self { flow: Some(flow.id), transport: flow.transport, remote: flow.remote, local: Some(flow.local) }
    }
}

/// The peer's INVITE or re-INVITE that the owner has not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Its transaction.
    pub(super) id: ServerId,
    /// Whether it began the call.
    pub(super) first: bool,
}

/// Our 2xx that is not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unacked {
    /// The INVITE's transaction.
    pub(super) id: ServerId,
    /// Its CSeq number.
    pub(super) seq: u32,
    /// Whether the 2xx carries the offer.
    pub(super) offered: bool,
    /// Time to the next copy.
    pub(super) interval: Duration,
}

/// Whether our INVITE is being given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    /// No.
    Unwanted,
    /// RFC 3261 §9.1: the CANCEL waits for a provisional response.
    Wanted,
    /// The CANCEL is out.
    Sent,
}

/// Our INVITE or re-INVITE under way.
#[derive(Clone, Debug)]
pub(super) struct Inviting {
    /// Its transaction.
    pub(super) id: ClientId,
    /// Its CSeq number.
    pub(super) seq: u32,
    /// The offer, kept for a retry after 491.
    pub(super) offer: Option<Body>,
    /// Whether a provisional response came.
    pub(super) provisional: bool,
    /// Whether we want it no more.
    pub(super) cancel: Cancel,
}

/// The one request of ours, besides INVITE, that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The INFO with this token.
    Info(u64),
    /// The BYE.
    Bye,
}

/// The last ACK to a 2xx, repeated for every copy of that 2xx.
#[derive(Clone, Debug)]
pub(super) struct LastAck {
    /// The INVITE's CSeq number.
    pub(super) seq: u32,
    /// The ACK, and where it went.
    pub(super) parcel: Parcel,
}

/// The BYE that waits for the INFOs before it.
#[derive(Clone, Debug, Default)]
pub(super) struct HangUp {
    /// Its body.
    pub(super) body: Option<Body>,
    /// Its Reason header.
    pub(super) reason: Option<String>,
}

/// A dialog with one fork of our INVITE that is not answered yet (RFC 3261 §13.2.2.1).
#[derive(Debug)]
pub(super) struct Early {
    /// The dialog.
    pub(super) dialog: Dialog,
    /// RSeq of its last reliable response (RFC 3262 §4).
    pub(super) last: Option<u32>,
    /// The first session description that it has sent.
    pub(super) answer: Option<Body>,
}

/// A challenge that we answer in every request of a call.
#[derive(Debug)]
pub(super) struct Proof {
    /// A proxy's, not the peer's own.
    pub(super) proxy: bool,
    /// What it wants.
    pub(super) challenge: Challenge,
    /// How often its nonce was used.
    pub(super) count: u32,
    /// It came in the place of one that was too old, and no answer has shown yet that it is right.
    pub(super) renewed: bool,
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    /// The SIP dialog.
    pub(super) dialog: Dialog,
    /// Whether we called, and so own the Call-ID.
    pub(super) caller: bool,
    /// Whether it goes through a proxy of the operator's.
    pub(super) proxied: bool,
    /// Who called, if we did not.
    pub(super) source: Option<IpAddr>,
    /// Where it stands.
    pub(super) phase: Phase,
    /// How the peer is reached.
    pub(super) path: Path,
    /// The peer's INVITE under way.
    pub(super) waiting: Option<Waiting>,
    /// The peer's UPDATE under way.
    pub(super) updating: Option<ServerId>,
    /// Our 2xx under way.
    pub(super) unacked: Option<Unacked>,
    /// Our INVITE under way.
    pub(super) inviting: Option<Inviting>,
    /// The CSeq number of a 2xx whose ACK the owner owes.
    pub(super) ack_owed: Option<u32>,
    /// The last ACK to a 2xx.
    pub(super) last_ack: Option<LastAck>,
    /// The re-INVITE that waits for its turn.
    pub(super) reinvite: Option<Body>,
    /// INFOs that wait for theirs.
    pub(super) infos: VecDeque<(u64, Body)>,
    /// The BYE that waits for its.
    pub(super) hang_up: Option<HangUp>,
    /// The request under way.
    pub(super) sent: Option<Sent>,
    /// INVITE, UPDATE, INFO and OPTIONS of the peer that wait for the owner.
    pub(super) owed: Vec<ServerId>,
    /// Our INVITE, as it was sent last.
    pub(super) invite: Option<Box<Request>>,
    /// Where else it may be tried.
    pub(super) places: VecDeque<Place>,
    /// What we prove in every request.
    pub(super) proofs: Vec<Proof>,
    /// How often the request under way was sent again because of its answer.
    pub(super) again: u8,
    /// Forks that want their provisional responses acknowledged, or have described their session in one.
    pub(super) early: Vec<Early>,
    /// Seconds until the session has to be refreshed, and whether it is on us (RFC 4028).
    pub(super) session: Option<(u32, bool)>,
    /// The least interval that somebody on the way wants.
    pub(super) min_se: Option<u32>,
    /// The peer takes UPDATE.
    pub(super) updates: bool,
}

impl Call {
    /// A call with nothing under way.
    pub(super) const fn new(dialog: Dialog, caller: bool, path: Path) -> Self {
        let phase = if caller { Phase::Calling } else { Phase::Ringing };
        Self {
            dialog,
            caller,
            proxied: false,
            source: None,
            phase,
            path,
            waiting: None,
            updating: None,
            unacked: None,
            inviting: None,
            ack_owed: None,
            last_ack: None,
            reinvite: None,
            infos: VecDeque::new(),
            hang_up: None,
            sent: None,
            owed: Vec::new(),
            invite: None,
            places: VecDeque::new(),
            proofs: Vec::new(),
            again: 0,
            early: Vec::new(),
            session: None,
            min_se: None,
            updates: false,
        }
    }

    /// Whether requests of ours may leave: answered, and no ACK outstanding that has to come first.
    pub(super) const fn may_send(&self) -> bool {
        matches!(self.phase, Phase::Up) && self.unacked.is_none() && self.ack_owed.is_none() && self.sent.is_none()
    }
}
