//! What an endpoint tells its owner.

use std::net::SocketAddr;

use rsip::Request;

use super::address::NameAddr;
use super::flow::{Body, CallKey, Flow, FlowId, RequestKey, SubscriptionKey, Transport};
use super::message::{body, pairs, text};
use super::target::Target;

/// A request that begins something: an INVITE, or a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Request-URI as it stands.
    pub request_uri: String,
    /// Its user part, escapes as they stand; empty if there is none.
    pub uri_user: String,
    /// The From URI.
    pub from: String,
    /// The To URI.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// Where it came from.
    pub source: SocketAddr,
    /// By what.
    pub transport: Transport,
    /// On which flow.
    pub flow: FlowId,
    /// The user that it has proven to be from.
    pub user: Option<String>,
    /// Every header with its full name, in order.
    pub headers: Vec<(String, String)>,
    /// Its body; an INVITE without one asks for our offer.
    pub body: Option<Body>,
}

impl Opening {
    pub(super) fn new(request: &Request, flow: Flow, user: Option<String>) -> Self {
        let headers = &request.headers;
        let uri = |name| NameAddr::parse(text(headers, name)).map(|addr| addr.uri.to_owned()).unwrap_or_default();
        Self {
            request_uri: request.uri.to_string(),
            uri_user: request.uri.user().unwrap_or_default().to_owned(),
            from: uri("From"),
            to: uri("To"),
            call_id: text(headers, "Call-ID").to_owned(),
            source: flow.remote,
            transport: flow.transport,
            flow: flow.id,
            user,
            headers: pairs(headers),
            body: body(headers, &request.body),
        }
    }

    /// Whose identity the network asserts (RFC 3325 §9.1): only somebody trusted may be believed.
    pub fn asserted(&self) -> Option<String> {
        let asserted = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("P-Asserted-Identity"));
        let values = asserted.flat_map(|(_, value)| super::syntax::split(value, ',').unwrap_or_default());
        // RFC 3325 §9.1: one value, or a SIP URI and a telephone number, in either order.
        let mut uris = values.filter_map(|value| NameAddr::parse(value).map(|identity| identity.uri.to_owned()));
        let first = uris.next()?;
        let is_sip = |uri: &String| Target::of(uri).is_some();
        Some(if is_sip(&first) { first } else { uris.find(is_sip).unwrap_or(first) })
    }
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody calls; owed: [`Command::Accept`](super::Command::Accept) or [`Command::Refuse`](super::Command::Refuse).
    Invited {
        /// The call's key.
        call: CallKey,
        /// Our To tag, MSML's connection id: 22 letters and digits with nothing after them.
        tag: String,
        /// The request.
        invite: Box<Opening>,
    },
    /// A re-INVITE; owed: [`Command::Accept`](super::Command::Accept) or [`Command::Refuse`](super::Command::Refuse).
    Reinvited {
        /// The call.
        call: CallKey,
        /// The offer.
        body: Option<Body>,
    },
    /// An UPDATE with a body (RFC 3311); owed: [`Command::Answer`](super::Command::Answer). One without is answered here.
    Updated {
        /// The call.
        call: CallKey,
        /// Its key.
        request: RequestKey,
        /// The offer.
        body: Option<Body>,
    },
    /// Our 2xx is acknowledged; comes once for each 2xx.
    Acked {
        /// The call.
        call: CallKey,
        /// The answer if the offer was ours.
        body: Option<Body>,
    },
    /// The INVITE that waited is given up, by CANCEL, by its Expires or by `answer_within`; 487 is sent. For a first
    /// INVITE [`Event::Ended`] follows.
    Cancelled {
        /// The call.
        call: CallKey,
    },
    /// An INFO in a dialog; owed: [`Command::Answer`](super::Command::Answer).
    Info {
        /// The call.
        call: CallKey,
        /// Its key.
        request: RequestKey,
        /// Its body.
        body: Option<Body>,
        /// Where it came from.
        source: SocketAddr,
        /// On which flow.
        flow: FlowId,
        /// The user that it has proven to be from.
        user: Option<String>,
    },
    /// An OPTIONS; owed: [`Command::Answer`](super::Command::Answer). Allow, Accept and Supported are added by the endpoint.
    Options {
        /// Its key.
        request: RequestKey,
        /// The call it came in.
        call: Option<CallKey>,
        /// Request-URI.
        request_uri: String,
        /// Its Accept, empty if absent.
        accept: Vec<String>,
        /// Where it came from.
        source: SocketAddr,
    },
    /// Our MESSAGE got its final response.
    MessageAnswered {
        /// Its token.
        token: u64,
        /// The status, as with INFO.
        status: u16,
        /// Nobody has said so: it is our own word for silence.
        silent: bool,
        /// Retry-After in seconds.
        retry_after: Option<u32>,
    },
    /// Somebody wants to hear of something, or goes on wanting to; owed: [`Command::Grant`](super::Command::Grant) or
    /// [`Command::Decline`](super::Command::Decline).
    Subscribed {
        /// The subscription.
        subscription: SubscriptionKey,
        /// It was not there before.
        first: bool,
        /// The SUBSCRIBE.
        subscribe: Box<Opening>,
    },
    /// The subscription is over, whoever ended it.
    Unsubscribed {
        /// The subscription.
        subscription: SubscriptionKey,
    },
    /// The peer hangs up; 200 is sent. [`Event::Ended`] follows.
    Bye {
        /// The call.
        call: CallKey,
        /// The BYE's body.
        body: Option<Body>,
    },
    /// Our INVITE is answered. If it had no body, [`Command::Ack`](super::Command::Ack) is owed.
    Answered {
        /// The call.
        call: CallKey,
        /// Our From tag.
        tag: String,
        /// The peer's To tag: MSML's connection id when the peer is a media server.
        peer_tag: String,
        /// The peer's Contact URI.
        contact: String,
        /// 200-299.
        status: u16,
        /// The answer, or the peer's offer.
        body: Option<Body>,
    },
    /// A 101-199 to our INVITE.
    Progress {
        /// The call.
        call: CallKey,
        /// The status.
        status: u16,
    },
    /// Our INVITE failed; [`Event::Ended`] follows.
    Refused {
        /// The call.
        call: CallKey,
        /// How.
        refusal: Refusal,
    },
    /// The session has to be refreshed by an offer (RFC 4028): owed is [`Command::Reinvite`](super::Command::Reinvite) with
    /// the last one again, unless another is under way.
    RefreshDue {
        /// The call.
        call: CallKey,
    },
    /// Our re-INVITE is accepted; the ACK is sent.
    ReinviteAnswered {
        /// The call.
        call: CallKey,
        /// The answer.
        body: Option<Body>,
    },
    /// Our re-INVITE is refused; the session stays as it was (RFC 3261 §14.1).
    ReinviteRefused {
        /// The call.
        call: CallKey,
        /// The status.
        status: u16,
    },
    /// Our INFO got its final response.
    InfoAnswered {
        /// The call.
        call: CallKey,
        /// Its token.
        token: u64,
        /// The status; 408 when nobody answered, 503 when it could not be sent, 481 when the call was gone.
        status: u16,
        /// The response's body.
        body: Option<Body>,
    },
    /// Our OPTIONS got its final response.
    OptionsAnswered {
        /// Its token.
        token: u64,
        /// The status, as with INFO.
        status: u16,
        /// The response's headers.
        headers: Vec<(String, String)>,
        /// Its body.
        body: Option<Body>,
    },
    /// The call is over. Every call announced by [`Event::Invited`] or begun by [`Command::Invite`](super::Command::Invite) ends with exactly
    /// one of these, its last event.
    Ended {
        /// The call.
        call: CallKey,
        /// Why.
        why: EndReason,
    },
}

/// How an INVITE of ours has failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// 300-699, 408 when nobody answered, 503 when it could not be sent.
    pub status: u16,
    /// Nobody has said so: it is our own word for silence.
    pub silent: bool,
    /// The reason phrase.
    pub reason: String,
    /// Retry-After in seconds.
    pub retry_after: Option<u32>,
    /// The Contact URIs of a 3xx.
    pub contacts: Vec<String>,
}

/// Why a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// We sent BYE and it is answered or given up.
    ByeSent,
    /// The peer sent BYE.
    ByeReceived,
    /// The INVITE was cancelled, by either side, or ran out of time.
    Cancelled,
    /// The INVITE was refused with this status.
    Refused(u16),
    /// Our 2xx was never acknowledged; we sent BYE.
    NoAck,
    /// A request of ours inside the dialog got this status, 481 or 408 (RFC 3261 §12.2.1.2), or its session was not
    /// refreshed in time, which is a 408, too.
    Gone(u16),
}

/// Why the endpoint wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A message has to be sent again.
    Retransmit,
    /// A transaction has to report that it still works.
    Provisional,
    /// A transaction is over or given up.
    TransactionOver,
    /// A 2xx has to be sent again or its ACK is given up.
    Acknowledgement,
    /// A call has waited long enough.
    Call,
    /// A subscriber is to be told something, or its time is over.
    Subscription,
}
