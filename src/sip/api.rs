//! What goes into an endpoint and what comes out of it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::Response;

/// A transport of RFC 3261 §18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// One datagram, one message; the transactions resend.
    Udp,
    /// A byte stream, framed by Content-Length.
    Tcp,
}

impl Transport {
    /// Its name in Via.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether what is sent arrives or the connection breaks.
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp)
    }
}

/// A UDP listening socket or one TCP connection, numbered by the owner and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// Where octets came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The socket or connection.
    pub id: FlowId,
    /// Its transport.
    pub transport: Transport,
    /// Our address on it.
    pub local: SocketAddr,
    /// The peer's address; for UDP that of this datagram.
    pub remote: SocketAddr,
}

/// One call, that is one INVITE and the SIP dialog it makes.
///
/// The owner numbers the calls it makes, below 2^63; the endpoint numbers those it receives, from 2^63 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey(pub u64);

/// A request that waits for the owner's [`Command::Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(pub(super) u64);

/// A body with what its headers say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Content-Type with its parameters.
    pub content_type: String,
    /// Content-Disposition, if it was there.
    pub disposition: Option<String>,
    /// The octets, never changed on the way.
    pub octets: Bytes,
}

impl Body {
    /// A body of this type without a disposition.
    pub fn new(content_type: &str, octets: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.to_owned(), disposition: None, octets: octets.into() }
    }

    /// The type without parameters, in lower case.
    pub fn media_type(&self) -> String {
        self.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// `HOST[:PORT]` for Via and Contact over UDP; without it the flow's own address.
    pub advertise_udp: Option<String>,
    /// `HOST[:PORT]` for Via and Contact over TCP; without it the flow's own address.
    pub advertise_tcp: Option<String>,
    /// User part of our Contact.
    pub user: String,
    /// Server and User-Agent.
    pub user_agent: String,
    /// Content types understood in INVITE and INFO; others get 415 with this list (RFC 3261 §8.2.3).
    pub accept: Vec<String>,
    /// INFO packages wanted (RFC 6086); others get 469 with this list.
    pub packages: Vec<String>,
    /// RFC 3261 T1, the estimate of a round trip.
    pub timer_t1: Duration,
    /// RFC 3261 T2, the longest interval between two copies.
    pub timer_t2: Duration,
    /// RFC 3261 T4, how long a message may linger in the network.
    pub timer_t4: Duration,
    /// An INVITE that the owner leaves unanswered for this long gets 487.
    pub answer_within: Duration,
    /// RFC 3261 §18.1.1: requests of more than 1300 octets leave by TCP although UDP was asked for.
    pub large_by_tcp: bool,
    /// Transactions alive at once.
    pub transactions_max: usize,
    /// Calls alive at once; beyond it an INVITE gets 503.
    pub calls_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            advertise_udp: None,
            advertise_tcp: None,
            user: "restante".to_owned(),
            user_agent: concat!("restante/", env!("CARGO_PKG_VERSION")).to_owned(),
            accept: [
                "application/sdp",
                "application/msml+xml",
                "application/xml",
                "text/xml",
                "application/vnd.radisys.msml+xml",
                "multipart/mixed",
                "multipart/alternative",
                "multipart/related",
            ]
            .map(str::to_owned)
            .to_vec(),
            packages: Vec::new(),
            timer_t1: Duration::from_millis(500),
            timer_t2: Duration::from_secs(4),
            timer_t4: Duration::from_secs(5),
            answer_within: Duration::from_secs(180),
            large_by_tcp: false,
            transactions_max: crate::model::limits::SIP_TRANSACTIONS,
            calls_max: crate::model::limits::SIP_CALLS,
        }
    }
}

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
    FlowClosed(FlowId),
    /// A [`Output::Transmit`] could not be performed.
    TransportFailed {
        /// The flow it named.
        flow: Option<FlowId>,
        /// Its transport.
        transport: Transport,
        /// Its destination.
        remote: SocketAddr,
    },
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
    /// 300-699 to the INVITE or re-INVITE that waits. To a first INVITE it ends the call.
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
    /// The final response to an [`Event::Info`] or [`Event::Options`].
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
        /// Where to send it: the address resolved from the target or its proxy.
        remote: SocketAddr,
        /// By what.
        transport: Transport,
        /// The offer.
        body: Option<Body>,
        /// More headers.
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
    /// From now on new INVITEs and OPTIONS outside dialogs get 503.
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

/// A new INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
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
    /// Every header with its full name, in order.
    pub headers: Vec<(String, String)>,
    /// The offer; `None` asks for ours.
    pub body: Option<Body>,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody calls; owed: [`Command::Accept`] or [`Command::Refuse`].
    Invited {
        /// The call's key.
        call: CallKey,
        /// Our To tag, MSML's connection id: 22 letters and digits with nothing after them.
        tag: String,
        /// The request.
        invite: Box<Invite>,
    },
    /// A re-INVITE; owed: [`Command::Accept`] or [`Command::Refuse`].
    Reinvited {
        /// The call.
        call: CallKey,
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
    /// An INFO in a dialog; owed: [`Command::Answer`].
    Info {
        /// The call.
        call: CallKey,
        /// Its key.
        request: RequestKey,
        /// Its body.
        body: Option<Body>,
        /// Where it came from.
        source: SocketAddr,
        /// Its Info-Package, one of those configured.
        info_package: Option<String>,
    },
    /// An OPTIONS; owed: [`Command::Answer`]. Allow, Accept and Supported are added by the endpoint.
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
    /// The peer hangs up; 200 is sent. [`Event::Ended`] follows.
    Bye {
        /// The call.
        call: CallKey,
        /// The BYE's body.
        body: Option<Body>,
    },
    /// Our INVITE is answered. If it had no body, [`Command::Ack`] is owed.
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
        /// 300-699, 408 when nobody answered, 503 when it could not be sent.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// Retry-After in seconds.
        retry_after: Option<u32>,
        /// The Contact URIs of a 3xx.
        contacts: Vec<String>,
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
    /// The call is over. Every call announced by [`Event::Invited`] or begun by [`Command::Invite`] ends with exactly
    /// one of these, its last event.
    Ended {
        /// The call.
        call: CallKey,
        /// Why.
        why: EndReason,
    },
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
    /// A request of ours inside the dialog got this status, 481 or 408 (RFC 3261 §12.2.1.2).
    Gone(u16),
    /// The session timer ran out (RFC 4028 §10); we sent BYE.
    NotRefreshed,
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
}

/// The Retry-After of a response, in seconds.
pub(super) fn retry_after(response: &Response) -> Option<u32> {
    let value = super::message::value(&response.headers, "Retry-After")?;
    // RFC 3261 §20.33: a comment or parameters may follow.
    let digits: String = value.trim().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
