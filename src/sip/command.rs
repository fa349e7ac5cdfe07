//! What goes into an endpoint, and what it wants done.

use std::net::SocketAddr;

use bytes::Bytes;

use super::event::Event;
use super::flow::{Body, CallKey, Flow, FlowId, RequestKey, SubscriptionKey, Transport};
use super::target::Place;

/// What can happen to an endpoint.
#[derive(Clone, Debug)]
pub enum Input {
    /// UDP: exactly one datagram. TCP: the next piece of the stream, cut anywhere.
    Octets {
        /// Where they came from.
        flow: Flow,
        /// The octets.
        octets: Bytes,
    },
    /// A TCP connection is gone, whoever closed it.
    FlowClosed(Flow),
    /// A connection could not be made: what was transmitted to be carried by it has not left.
    Unconnected {
        /// Over TLS or without.
        transport: Transport,
        /// Its destination.
        remote: SocketAddr,
        /// Somebody there has said so (RFC 3261 §18.1.1), be it the host or a gate before it. Otherwise it was silence, or
        /// want of something here.
        refused: bool,
    },
    /// A [`Output::Transmit`] could not be performed.
    TransportFailed {
        /// The flow it named.
        flow: Option<FlowId>,
        /// Its transport.
        transport: Transport,
        /// Its destination.
        remote: SocketAddr,
    },
    /// What comes now has waited for long, or does not any more: meanwhile nothing new is begun (RFC 3261 §21.5.4), so that
    /// what was begun is served in time.
    Busy(bool),
    /// The deadline has passed.
    Timeout,
    /// The owner wants something.
    Command(Command),
}

/// What the owner may want. A command for a call that is gone changes nothing, except that
/// [`Command::Info`] is answered with 481.
#[derive(Clone, Debug)]
pub enum Command {
    /// 180 to the call's INVITE.
    Ring {
        /// The call.
        call: CallKey,
    },
    /// 200 to the INVITE or re-INVITE that waits.
    Accept {
        /// The call.
        call: CallKey,
        /// The answer, or our offer if the INVITE had none.
        body: Option<Body>,
    },
    /// 300-699 to the INVITE or re-INVITE that waits. To a first INVITE it ends the call. A 401 gets its challenge here.
    Refuse {
        /// The call.
        call: CallKey,
        /// The status.
        status: u16,
        /// The reason phrase, if not the usual one.
        reason: Option<String>,
        /// Seconds for Retry-After.
        retry_after: Option<u32>,
        /// The text of a Warning 399.
        warning: Option<String>,
    },
    /// The final response to an [`Event::Info`], [`Event::Options`] or [`Event::Updated`]. A 401 gets its challenge here.
    Answer {
        /// The request.
        request: RequestKey,
        /// The status.
        status: u16,
        /// The reason phrase, if not the usual one.
        reason: Option<String>,
        /// A body.
        body: Option<Body>,
        /// More headers; control characters in them become spaces.
        headers: Vec<(String, String)>,
    },
    /// A new call.
    Invite {
        /// Its key, chosen by the owner below 2^63.
        call: CallKey,
        /// Request-URI, also the To URI.
        target: String,
        /// Our URI for From.
        from: String,
        /// The URI for To.
        to: String,
        /// A proxy that it goes through, by its URI.
        route: Option<String>,
        /// Where to send it, as the target's name or its proxy's was resolved: the next is tried where one is not there
        /// (RFC 3263 §4.3).
        places: Vec<Place>,
        /// The offer.
        body: Option<Body>,
        /// More headers. A `Max-Forwards` takes the place of the usual one.
        headers: Vec<(String, String)>,
    },
    /// The ACK to a 2xx that carried the offer: wanted after [`Event::Answered`] of an INVITE without a body.
    Ack {
        /// The call.
        call: CallKey,
        /// The answer.
        body: Option<Body>,
    },
    /// A re-INVITE with an offer; it waits while another INVITE is under way.
    Reinvite {
        /// The call.
        call: CallKey,
        /// The offer.
        body: Body,
    },
    /// An INFO; it waits for the one before it and for the ACK that confirms the dialog.
    Info {
        /// The call.
        call: CallKey,
        /// Comes back in [`Event::InfoAnswered`].
        token: u64,
        /// The body.
        body: Body,
    },
    /// OPTIONS outside any dialog.
    Options {
        /// Comes back in [`Event::OptionsAnswered`].
        token: u64,
        /// Request-URI.
        target: String,
        /// Where to send it.
        remote: SocketAddr,
        /// By what.
        transport: Transport,
    },
    /// MESSAGE outside any dialog (RFC 3428).
    Message {
        /// Comes back in [`Event::MessageAnswered`].
        token: u64,
        /// Request-URI.
        target: String,
        /// Our URI for From.
        from: String,
        /// The URI for To.
        to: String,
        /// A proxy that it goes through, by its URI.
        route: Option<String>,
        /// Where to send it: the next is tried where one is not there (RFC 3263 §4.3).
        places: Vec<Place>,
        /// The body.
        body: Body,
        /// More headers.
        headers: Vec<(String, String)>,
    },
    /// 200 to the SUBSCRIBE that waits, for the time that was asked for, and NOTIFY at once.
    Grant {
        /// The subscription.
        subscription: SubscriptionKey,
        /// The state.
        body: Option<Body>,
    },
    /// 300-699 to the SUBSCRIBE that waits. To a first one it ends the subscription. A 401 gets its challenge here.
    Decline {
        /// The subscription.
        subscription: SubscriptionKey,
        /// The status.
        status: u16,
    },
    /// The state has changed: NOTIFY, once the last one is answered and a second old. Of several the last is told.
    Notify {
        /// The subscription.
        subscription: SubscriptionKey,
        /// The state.
        body: Option<Body>,
    },
    /// Ends the call: BYE after the INFOs that wait, CANCEL or 480 if it is not answered yet.
    Bye {
        /// The call.
        call: CallKey,
        /// A body for the BYE.
        body: Option<Body>,
        /// The text of a Reason header, e.g. `SIP;cause=200;text="done"`.
        reason: Option<String>,
    },
    /// Gives up an INVITE of ours.
    Cancel {
        /// The call.
        call: CallKey,
    },
    /// From now on new INVITEs, SUBSCRIBEs and OPTIONS outside dialogs get 503, and subscriptions end.
    Drain {
        /// Seconds for Retry-After.
        retry_after: u32,
    },
}

/// What the owner has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these octets.
    Transmit {
        /// On this flow while it lives; otherwise on any flow of `transport` to `remote`.
        flow: Option<FlowId>,
        /// By what.
        transport: Transport,
        /// To whom, also when the flow is dead.
        remote: SocketAddr,
        /// One whole message.
        octets: Bytes,
    },
    /// Close this TCP connection after what was transmitted on it: its stream can't be framed any more.
    Close(FlowId),
    /// Something the owner should know.
    Event(Event),
}
